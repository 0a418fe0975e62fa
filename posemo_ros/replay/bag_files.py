"""Bags of every kind behind one small interface: ROS 2 and ROS 1, whole, compressed or cut off.

A whole bag is read by ``rosbags``. One whose recorder was killed has no index and no
metadata.yaml: its MCAP records are read by ``mcap`` and its SQLite rows by ``sqlite3``, one after
the other up to where the file ends.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from ..errors import InputError
from .bag_folder import BagFolder, files_of
from .bag_records import MCAP, McapRecords, SqliteRows
from .bag_topic import BagFile, Topic, kind_of
from .source import BAGS, shown
from .typestore import typestore

_REPAIR = "mcap recover FILE -o OUT.mcap"
_FOOTER = 1 + 8 + 20 + len(MCAP)  # bytes of MCAP's footer record and of what ends the file
_SQLITE, _ZSTD, _ROS1 = b"SQLite format 3\0", b"\x28\xb5\x2f\xfd", b"#ROSBAG V"
_DEFINED_HERE = {  # types of images that a bag may lack the definitions of
    "foxglove_msgs/msg/CompressedImage": (
        "builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format\n"
    ),
    "foxglove_msgs/msg/CompressedVideo": (
        "builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format\n"
    ),
    "foxglove_msgs/msg/RawImage": (
        "builtin_interfaces/Time timestamp\nstring frame_id\nuint32 width\nuint32 height\n"
        "string encoding\nuint32 step\nuint8[] data\n"
    ),
    "ffmpeg_image_transport_msgs/msg/FFMPEGPacket": (
        "std_msgs/Header header\nint32 width\nint32 height\nstring encoding\nuint64 pts\nuint8 flags\n"
        "bool is_bigendian\nuint8[] data\n"
    ),
}


class Bag:
    """An open bag.

    Attributes:
        topics: By name.
        duration_s: Between the first and the last message.
        stated: Messages by topic as metadata.yaml states them.
        notes: Which files are missing or left alone, in sentences.
        cut_off: Files that end in the middle; complete once all messages were read.
    """

    def __init__(self, files: Sequence[BagFile], folder: BagFolder) -> None:
        self._files = _in_time(files)
        self._types = _Types()
        self.topics = _merged(files)
        self.stated, self.notes = folder.stated, folder.notes
        spans = [f.span_ns for f in files if f.span_ns != (0, 0)]
        self.duration_s = (max(e for _, e in spans) - min(s for s, _ in spans)) * 1e-9 if spans else 0.0
        self.cut_off: list[str] = []

    @property
    def damage(self) -> str:
        """What is wrong with files whose index could not be read, and what may help; "" when nothing."""
        cuts = [file.cut_off for file in self._files if file.cut_off]
        return f"damaged or cut off: {', '.join(cuts)}; `{_REPAIR}` may save more" if cuts else ""

    def messages(self, names: Sequence[str] | None = None) -> Iterator[tuple[Topic, int, bytes]]:
        """(topic, time of recording in ns, serialised message) of some topics, or of all."""
        wanted = set(self.topics) if names is None else set(names)
        for file in self._files:
            for name, time_ns, raw in file.messages(wanted):
                yield self.topics[name], time_ns, _plain(raw)
            if file.cut_off and file.cut_off not in self.cut_off:
                self.cut_off.append(file.cut_off)

    def read(self, topic: Topic, raw: bytes) -> Any:
        """The message itself.

        Raises:
            InputError: It does not fit its type, or nobody knows the type.
        """
        return self._types.read(topic, raw)


@contextmanager
def open_bag(path: Path) -> Iterator[Bag]:
    """A bag folder, with or without metadata.yaml, or one of its files.

    Raises:
        InputError: It is no bag, or one that cannot be read; the message says what helps.
    """
    with ExitStack() as stack:
        try:
            bag = _open(path, stack)
        except FileNotFoundError as error:
            raise InputError(f"bag {shown(path)!r} does not exist; accepted are {BAGS}") from error
        except InputError as error:
            raise InputError(f"tried {str(path)!r} as a bag: {error}; accepted are {BAGS}") from error
        except Exception as error:  # storage layers raise what they like
            reason = getattr(error, "strerror", "") or str(error) or type(error).__name__
            raise InputError(f"tried {str(path)!r} as a bag: {reason}; accepted are {BAGS}") from error
        yield bag


def _open(path: Path, stack: ExitStack) -> Bag:
    folder = BagFolder((path,)) if path.is_file() else files_of(path)
    return Bag([_open_file(p, stack) for p in folder.files], folder)


def _open_file(path: Path, stack: ExitStack) -> BagFile:
    with path.open("rb") as file:
        head = file.read(16)
    if not head:
        return _Nothing(path.name)
    if head.startswith(_ZSTD):
        unpacked = _unpacked(path, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        return _open_file(unpacked, stack)
    if head.startswith(_ROS1) or path.suffix == ".active":
        return _Ros1(path, stack)
    if head.startswith(_SQLITE):
        return SqliteRows(*_with_log(path, stack))
    if head.startswith(MCAP):
        return _whole_mcap(path, stack) or McapRecords(path)
    raise InputError(f"{path.name} is neither MCAP nor SQLite nor a ROS 1 bag")


def _whole_mcap(path: Path, stack: ExitStack) -> BagFile | None:
    from rosbags.rosbag2 import Reader

    try:
        return _WholeMcap(stack.enter_context(Reader(path))) if _is_indexed(path) else None
    except Exception:  # without index, cut off or with other contents: read record by record
        return None


def _is_indexed(path: Path) -> bool:
    """Whether the index names all topics and messages, which rosbags relies on.

    Recorders may leave parts of it out, as rosbag2 does with ``noMessageIndex`` or ``noRepeatedChannels``.
    """
    from mcap.reader import SeekingReader

    with path.open("rb") as file:
        summary = SeekingReader(file, record_size_limit=None).get_summary()
        if summary is None or not _ends_with_its_summary(file):
            return False
    stated = summary.statistics
    counts = stated.channel_message_counts if stated else dict.fromkeys(summary.channels, 0)
    counted = not stated or sum(counts.values()) == stated.message_count
    named = bool(summary.channels) and counts.keys() <= summary.channels.keys()
    typed = all(c.schema_id in (0, *summary.schemas) for c in summary.channels.values())
    return counted and named and typed and all(chunk.message_index_length for chunk in summary.chunk_indexes)


def _ends_with_its_summary(file: BinaryIO) -> bool:
    """Whether the footer at the end names the summary before it; in joined files it may be the first's."""
    from mcap.records import Footer
    from mcap.stream_reader import StreamReader

    end = file.seek(-_FOOTER, os.SEEK_END)
    footer = next(StreamReader(file, skip_magic=True).records)
    file.seek(footer.summary_start if isinstance(footer, Footer) else end)
    records = StreamReader(file, skip_magic=True, record_size_limit=None).records
    return any(isinstance(record, Footer) for record in records) and file.tell() == end + _FOOTER - len(MCAP)


def _unpacked(path: Path, folder: Path) -> Path:
    import zstandard

    target = folder / path.name.removesuffix(".zstd").removesuffix(".zst")
    with path.open("rb") as packed, target.open("wb") as out:
        try:
            zstandard.ZstdDecompressor().copy_stream(packed, out)
        except zstandard.ZstdError as error:
            raise InputError(f"{path.name} cannot be unpacked ({error}); try `zstd -d` on it") from error
    if not target.stat().st_size:
        raise InputError(f"{path.name} is cut off: nothing of it can be unpacked")
    return target


def _with_log(path: Path, stack: ExitStack) -> tuple[Path, bool]:
    """The database with what SQLite had not written into it when it was killed, and whether it is a copy."""
    logs = [path.with_name(path.name + end) for end in ("-wal", "-journal")]
    logs = [log for log in logs if log.exists() and log.stat().st_size]
    if not logs:
        return path, False
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    for file in (path, *logs):
        shutil.copy(file, folder / file.name)
    return folder / path.name, True


class _Whole:
    """A file that ``rosbags`` reads by its index."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.span_ns = (reader.start_time, reader.end_time) if reader.message_count else (0, 0)
        self.topics = [
            Topic(c.topic, kind_of(c.msgtype), c.msgcount, _encoding_of(c), c.msgdef.data or "")
            for c in reader.connections
        ]
        self.cut_off = ""

    def messages(self, names: set[str]) -> Iterator[tuple[str, int, bytes]]:
        wanted = [c for c in self._reader.connections if c.topic in names]
        if not wanted:
            return
        last_ns = -1
        try:
            for connection, time_ns, raw in self._reader.messages(wanted):
                last_ns = time_ns
                yield connection.topic, time_ns, raw
        except Exception as error:  # a damaged stretch
            self.cut_off = f"{self._reader.path.name}: damaged ({_first_line(error)})"
            yield from (m for m in self._one_by_one(names) if m[1] > last_ns)

    def _one_by_one(self, names: set[str]) -> Iterator[tuple[str, int, bytes]]:
        """What can be read without the index, also behind a damaged stretch."""
        return iter(())


class _WholeMcap(_Whole):
    """An MCAP file with its index."""

    def _one_by_one(self, names: set[str]) -> Iterator[tuple[str, int, bytes]]:
        return McapRecords(self._reader.path).messages(names)


class _Ros1(_Whole):
    """A ROS 1 bag."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        from rosbags.rosbag1 import Reader

        try:
            super().__init__(stack.enter_context(Reader(path)))
        except Exception as error:
            raise InputError(
                f"the ROS 1 bag {path.name} cannot be read ({_first_line(error)}); a bag without index, as a "
                f"killed recorder leaves it, is repaired by `rosbag reindex {path.name}`"
            ) from error


class _Nothing:
    """An empty file, as a recorder leaves it that was killed at once."""

    def __init__(self, name: str) -> None:
        self.topics: list[Topic] = []
        self.span_ns = (0, 0)
        self.cut_off = f"{name}: empty file"

    def messages(self, names: set[str]) -> Iterator[tuple[str, int, bytes]]:
        return iter(())


def _plain(raw: bytes) -> bytes:
    """A message of ``ros2 bag record --compression-mode message``, unpacked."""
    if raw[:4] != _ZSTD:  # CDR starts with 0
        return raw
    import zstandard

    return zstandard.ZstdDecompressor().decompressobj().decompress(raw)


def _encoding_of(connection: Any) -> str:
    return str(getattr(connection.ext, "serialization_format", "ros1")) or "cdr"


def _in_time(files: Sequence[BagFile]) -> list[BagFile]:
    """By when they begin: a list that was made anew may have ``_10`` before ``_2``."""
    filled = sorted((f for f in files if f.span_ns != (0, 0)), key=lambda f: f.span_ns)
    return [*filled, *(f for f in files if f.span_ns == (0, 0))]


def _merged(files: Sequence[BagFile]) -> dict[str, Topic]:
    topics: dict[str, Topic] = {}
    for file in files:
        for topic in file.topics:
            known = topics.get(topic.name)
            topics[topic.name] = replace(known, count=known.count + topic.count) if known else topic
    return topics


class _Types:
    """Reads messages of ROS 2 and ROS 1, learning types from the bag."""

    def __init__(self) -> None:
        self._ros2, self._ros1 = typestore(), get_typestore(Stores.ROS1_NOETIC)
        self._learnt: dict[str, Typestore] = {}

    def read(self, topic: Topic, raw: bytes) -> Any:
        if topic.encoding not in ("cdr", "ros1"):
            raise InputError(
                f"its messages are in {topic.encoding!r}, expected cdr; record or convert it with ros2 bag"
            )
        store = self._store(topic)
        try:
            return _deserialised(store, topic, raw)
        except Exception as error:  # rosbags raises what its generated code raises
            with suppress(Exception):  # of another release, or with fields of somebody's own
                return _deserialised(self._by_definition(topic), topic, raw)
            raise InputError(f"a message does not fit its type {topic.kind}: {_first_line(error)}") from error

    def _store(self, topic: Topic) -> Typestore:
        base = self._base(topic)
        # Our own messages grow with the package: a bag is read by the definition that it was written with.
        own = topic.kind.startswith("posemo_msgs/") and bool(topic.definition)
        if topic.kind in base.fielddefs and not own:
            return base
        try:
            return self._by_definition(topic)
        except InputError:
            if topic.kind in base.fielddefs:
                return base
            raise

    def _base(self, topic: Topic) -> Typestore:
        return self._ros1 if topic.encoding == "ros1" else self._ros2

    def _by_definition(self, topic: Topic) -> Typestore:
        """With the types as the bag defines them, or as they are defined here where it does not."""
        if topic.kind not in self._learnt:
            text = topic.definition or _DEFINED_HERE.get(topic.kind, "")
            if not text:
                raise InputError(f"the bag has no definition of its type {topic.kind}")
            store = get_typestore(Stores.EMPTY)
            try:
                store.register({**self._base(topic).fielddefs, **get_types_from_msg(text, topic.kind)})
            except Exception as error:  # damaged: rosbags raises what its parser raises
                why = _first_line(error)
                raise InputError(f"the bag's definition of {topic.kind} cannot be read: {why}") from error
            self._learnt[topic.kind] = store
        return self._learnt[topic.kind]


def _deserialised(store: Typestore, topic: Topic, raw: bytes) -> Any:
    if topic.encoding == "ros1":
        return store.deserialize_ros1(raw, topic.kind)
    return store.deserialize_cdr(raw, topic.kind)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
