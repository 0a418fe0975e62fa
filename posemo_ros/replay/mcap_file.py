"""An MCAP file that is whole once it is closed, and readable whatever happens before.

While it is written its name ends with ``.part``. What a killed process left there is set aside by
the next one, not lost and not in the way.
"""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import BinaryIO

from mcap.writer import CompressionType, Writer
from rosbags.typesys.store import Typestore

from ..errors import InputError

CHUNK_BYTES = 1 << 20


class McapFile:
    """Writes ROS 2 messages into one file.

    Args:
        path: The file; it must not exist.
        aside: Where the unfinished recording of a killed process was moved to; None: there was none.

    Raises:
        InputError: The file exists, is being written by somebody else, or cannot be made.
    """

    def __init__(self, path: Path) -> None:
        if path.exists():
            raise InputError(f"{path} exists already; remove it or choose another name")
        self.path = path
        self._part = path.with_name(path.name + ".part")
        try:
            self.aside = set_aside(self._part)
            self._stream: BinaryIO = self._part.open("xb")
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(f"{self._part} cannot be written ({error.strerror})") from error
        self._writer = Writer(self._stream, chunk_size=CHUNK_BYTES, compression=CompressionType.NONE)
        self._writer.start(profile="ros2", library="posemo_ros")
        self._schemas: dict[str, int] = {}

    def add_topic(self, topic: str, kind: str, types: Typestore) -> int:
        """A number for a topic of the type ``package/msg/Name``."""
        if kind not in self._schemas:
            text, _ = types.generate_msgdef(kind, ros_version=2)
            self._schemas[kind] = self._writer.register_schema(kind, "ros2msg", text.encode())
        # Both keys are rosbag2's; no profile means that players take their default.
        return self._writer.register_channel(topic, "cdr", self._schemas[kind], {"offered_qos_profiles": ""})

    def write(self, number: int, time_ns: int, data: bytes) -> None:
        """A serialized message.

        Raises:
            OSError: The disk is full or gone; what was written before stays readable.
        """
        self._writer.add_message(number, time_ns, data, time_ns)

    def flush(self) -> None:
        """Everything so far is on the disk and readable."""
        self._writer.flush()  # type: ignore[no-untyped-call]
        self._stream.flush()

    def close(self) -> Path:
        """Finish; the file gets its name, which is returned.

        Raises:
            OSError: It cannot be finished and stays under its ``.part`` name, readable up to its end.
        """
        try:
            self._writer.finish()  # type: ignore[no-untyped-call]
        finally:
            self._stream.close()
        return self._part.replace(self.path)


def set_aside(part: Path) -> Path | None:
    """Rename an unfinished file that nobody writes any more; its new name.

    Raises:
        InputError: Somebody is writing it.
    """
    if not part.exists():
        return None
    if part.is_file():
        with part.open("rb") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise InputError(f"{part} is being written by another recorder") from error
    whole = Path(part.name.removesuffix(".part"))
    number = 1
    while (target := part.with_name(f"{whole.stem}.cut-off-{number}{whole.suffix}")).exists():
        number += 1
    return part.rename(target)
