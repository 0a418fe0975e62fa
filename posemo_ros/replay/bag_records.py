"""Bag files that have no index or whose end is missing, read one record after the other as far as they go.

MCAP by ``mcap``, SQLite by ``sqlite3``; see ``bag_files`` for whole ones.
"""

from __future__ import annotations

import heapq
import io
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from .bag_topic import Topic, kind_of

MCAP = b"\x89MCAP0\r\n"
ANOTHER = object()  # in place of the records of a second recording in a file


class McapRecords:
    """An MCAP file read record by record, as far as it goes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.cut_off = ""
        self._channels: dict[int, Topic] = {}
        counts: dict[int, int] = {}
        first, last = 2**63, 0
        for message in self._records():
            counts[message.channel_id] = counts.get(message.channel_id, 0) + 1
            first, last = min(first, message.log_time), max(last, message.log_time)
        self.span_ns = (first, last) if last else (0, 0)
        self.topics = [replace(t, count=counts.get(channel, 0)) for channel, t in self._channels.items()]

    def messages(self, names: set[str]) -> Iterator[tuple[str, int, bytes]]:
        """See ``BagFile``."""
        # The first pass has found all channels: a damaged chunk may have held the only ones before the end.
        wanted = {channel: topic.name for channel, topic in self._channels.items() if topic.name in names}
        times = (
            (message.log_time, number, wanted[message.channel_id], message.data)
            for number, message in enumerate(self._records())
            if message.channel_id in wanted
        )
        # Recorders write nearly in order; a small buffer sorts the rest.
        for time_ns, _, name, raw in _nearly_sorted(times, 256):
            yield name, time_ns, raw

    def _records(self) -> Iterator[Any]:
        """All messages; the channels on the way are kept."""
        from mcap.records import Channel, DataEnd, Message, Schema

        schemas: dict[int, Schema] = {}
        ended, another, damaged = False, False, 0
        for record in _mcap_records(self._path):
            damaged += record is None
            another = another or record is ANOTHER
            if isinstance(record, Schema):
                schemas[record.id] = record
            elif isinstance(record, Channel) and record.id not in self._channels:
                self._channels[record.id] = _topic_of(record, schemas)
            elif isinstance(record, Message):
                yield record
            ended = ended or isinstance(record, DataEnd)
        problems = [f"{damaged} damaged chunks"] * (damaged > 0) + ["no end of the data"] * (not ended)
        problems += ["another recording behind its end is not read; split the file there"] * another
        self.cut_off = f"{self._path.name}: {', '.join(problems)}" if problems else ""


def _mcap_records(path: Path) -> Iterator[Any]:
    """All records of a recording, those of chunks one by one; None for a damaged chunk, and ``ANOTHER``."""
    from mcap.records import Chunk
    from mcap.stream_reader import StreamReader, breakup_chunk

    with path.open("rb") as file:
        records = StreamReader(file, emit_chunks=True, record_size_limit=None).records
        while True:
            start = file.tell()
            try:
                record = next(records)
            except StopIteration:
                if file.read(len(MCAP)) == MCAP:
                    yield ANOTHER
                return
            except Exception:  # of mcap: the file ends, or nobody knows where the next record begins
                file.seek(start)
                yield from _of_cut_chunk(file.read())
                return
            try:
                inside = breakup_chunk(record) if isinstance(record, Chunk) else [record]
            except Exception:  # of mcap and of the decompressors
                yield None
                continue
            yield from inside


def _of_cut_chunk(data: bytes) -> Iterator[Any]:
    """The records of a chunk whose end is missing (op code, length, times, size, checksum, …)."""
    from mcap.stream_reader import StreamReader

    head = 9 + 28  # up to the name of the compression
    if data[:1] != b"\x06" or len(data) < head + 4:
        return
    named = head + 4 + int.from_bytes(data[head : head + 4], "little")
    compression, packed = data[head + 4 : named], data[named + 8 :]
    try:
        plain = _DECOMPRESS[compression.decode()](packed)
        yield from StreamReader(io.BytesIO(plain), skip_magic=True).records
    except Exception:  # the last record is cut, too
        return


def _zstd(packed: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdDecompressor().decompressobj().decompress(packed)


def _lz4(packed: bytes) -> bytes:
    import lz4.frame

    plain: bytes = lz4.frame.LZ4FrameDecompressor().decompress(packed)
    return plain


_DECOMPRESS: dict[str, Callable[[bytes], bytes]] = {"": bytes, "zstd": _zstd, "lz4": _lz4}


def _topic_of(channel: Any, schemas: dict[int, Any]) -> Topic:
    schema = schemas.get(channel.schema_id)
    if schema is None:
        return Topic(channel.topic, "", 0, channel.message_encoding)
    is_text = schema.encoding in ("ros2msg", "ros1msg")
    definition = schema.data.decode("utf-8", "replace") if is_text else ""
    return Topic(channel.topic, kind_of(schema.name), 0, channel.message_encoding, definition)


_MISSED_ROWS = 1000  # in a row, after which a damaged file is given up


class SqliteRows:
    """A rosbag2 SQLite file, as far as it goes."""

    def __init__(self, path: Path, copied: bool) -> None:
        self._path, name = path, path.name
        self._name = name
        self._how = "?mode=rw" if copied else "?immutable=1"  # the copy takes in its log
        self.cut_off = ""
        try:
            with self._connect() as connection:
                definitions = self._definitions(connection)
                rows = connection.execute(
                    "SELECT id, name, type, serialization_format FROM topics"
                ).fetchall()
        except sqlite3.Error as error:
            raise InputError(
                f"{name} cannot be read ({error}); `sqlite3 {name} .recover` may save a part of it"
            ) from error
        counts, self.span_ns = self._counted()
        self._names = {int(i): str(topic) for i, topic, _, _ in rows}
        self.topics = [
            Topic(str(topic), str(kind), counts.get(int(i), 0), str(form), definitions.get(str(kind), ""))
            for i, topic, kind, form in rows
        ]

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(f"{self._path.resolve().as_uri()}{self._how}", uri=True)
        try:
            connection.execute("PRAGMA writable_schema = ON")  # or SQLite refuses any file that was cut off
            yield connection
        finally:
            connection.close()

    def _definitions(self, connection: sqlite3.Connection) -> dict[str, str]:
        try:
            rows = connection.execute(
                "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"
            )
            return {str(kind): str(text) for kind, encoding, text in rows if encoding == "ros2msg"}
        except sqlite3.Error:  # bags before Iron have no such table
            return {}

    def _counted(self) -> tuple[dict[int, int], tuple[int, int]]:
        counts: dict[int, int] = {}
        first, last = 2**63, 0
        for topic, time_ns in self._rows("topic_id, timestamp"):
            counts[topic] = counts.get(topic, 0) + 1
            first, last = min(first, time_ns), max(last, time_ns)
        return counts, (first, last) if last else (0, 0)

    def _rows(self, columns: str) -> Iterator[tuple[Any, ...]]:
        """All rows as they were written; behind a damaged page one by one, as far as there are any."""
        number = missed = 0
        with self._connect() as connection:
            try:
                for row in connection.execute(f"SELECT rowid, {columns} FROM messages ORDER BY rowid"):
                    number = row[0]
                    yield row[1:]
                return
            except sqlite3.Error as error:
                self.cut_off = f"{self._name}: {error}"
            while missed < _MISSED_ROWS:
                number += 1
                query = f"SELECT {columns} FROM messages WHERE rowid = {number}"
                try:
                    found = connection.execute(query).fetchone()
                except sqlite3.Error:
                    found = None
                missed = 0 if found else missed + 1
                if found:
                    yield found

    def messages(self, names: set[str]) -> Iterator[tuple[str, int, bytes]]:
        """See ``BagFile``."""
        wanted = {i: name for i, name in self._names.items() if name in names}
        columns, last_ns = "topic_id, timestamp, data", -1
        if not self.cut_off:  # by the index of time where the file is whole
            listed = ", ".join(map(str, wanted))
            query = f"SELECT {columns} FROM messages WHERE topic_id IN ({listed}) ORDER BY timestamp, rowid"
            with self._connect() as connection:
                try:
                    for topic, last_ns, raw in connection.execute(query):
                        yield wanted[topic], last_ns, raw
                    return
                except sqlite3.Error as error:
                    self.cut_off = f"{self._name}: {error}"
        for topic, time_ns, raw in self._rows(columns):
            if topic in wanted and time_ns > last_ns:
                yield wanted[topic], time_ns, raw


def _nearly_sorted(items: Iterator[tuple[Any, ...]], size: int) -> Iterator[tuple[Any, ...]]:
    buffer: list[tuple[Any, ...]] = []
    for item in items:
        heapq.heappush(buffer, item)
        if len(buffer) > size:
            yield heapq.heappop(buffer)
    while buffer:
        yield heapq.heappop(buffer)
