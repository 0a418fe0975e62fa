"""Frames out of a rosbag2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader

from .. import topics
from ..camera import Camera
from ..camera_info import camera_from_info
from ..errors import InputError
from ..types import Frame
from .messages import frame_from_message, typestore
from .sources import ACCEPTED, Source

IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
INFO_TYPE = "sensor_msgs/msg/CameraInfo"


@contextmanager
def open_bag(path: Path) -> Iterator[Reader]:
    """A reader for a bag folder or single file.

    Raises:
        InputError: It is no rosbag2.
    """
    try:
        reader = Reader(path)
        reader.open()
    except Exception as error:  # rosbags lets errors of its storage layers through
        raise InputError(f"tried {str(path)!r} as a rosbag2: {error}; accepted are {ACCEPTED}") from error
    try:
        yield reader
    finally:
        reader.close()


class BagSource(Source):
    """The images of one topic of a rosbag2 (SQLite or MCAP, raw or compressed images).

    Stamps are the header's; where that is zero, the time of recording. ``rate_hz`` is the mean
    over the bag. Intrinsics are the first message of the ``camera_info`` topic beside the images.

    Args:
        path: Bag folder or single ``.mcap`` or ``.db3`` file.
        topic: Image topic; None takes the only one (``choose_topic``).

    Raises:
        InputError: Not a bag, no such topic, or several to choose from.
    """

    def __init__(self, path: Path, *, topic: str | None = None) -> None:
        self.name = path.name
        self._path = path
        self._types = typestore()
        with open_bag(self._path) as reader:
            self.topic = choose_topic(_counts(reader), topic, path)
            count = sum(c.msgcount for c in self._connections(reader, self.topic))
            self.length = count
            self.rate_hz = max(count - 1, 1) / max(reader.duration * 1e-9, 1e-3)
            self.camera = self._first_camera(reader)

    @staticmethod
    def _connections(reader: Reader, topic: str) -> list[Connection]:
        return [c for c in reader.connections if c.topic == topic]

    def _first_camera(self, reader: Reader) -> Camera | None:
        wanted = topics.camera_info_of(self.topic)
        connections = [c for c in self._connections(reader, wanted) if c.msgtype == INFO_TYPE]
        if not connections:
            return None
        for connection, _, raw in reader.messages(connections):
            info: Any = self._types.deserialize_cdr(raw, connection.msgtype)
            if info.width and info.height and np.any(info.k):
                return camera_from_info(info, info.width, info.height)[0]
        return None

    def __iter__(self) -> Iterator[Frame]:
        with open_bag(self._path) as reader:
            for connection, received_ns, raw in reader.messages(self._connections(reader, self.topic)):
                message: Any = self._types.deserialize_cdr(raw, connection.msgtype)
                yield frame_from_message(message, camera=self.camera, otherwise_ns=received_ns)


def choose_topic(counts: Mapping[str, int], wanted: str | None, path: Path) -> str:
    """The image topic to read.

    Depth images and our own overlay are no candidates; of a raw topic and its compressed twin
    the raw one is taken.

    Args:
        counts: Messages per image topic of the bag.
        wanted: What the user asked for, or None.
        path: Of the bag, for the message.

    Raises:
        InputError: No such topic or no single candidate; the message lists the topics.
    """
    found = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items())) or "none"
    if wanted is not None:
        if wanted in counts:
            return wanted
        raise InputError(f"{path} has no image topic {wanted!r}; its image topics (messages): {found}")
    candidates = [name for name, count in counts.items() if count and not _excluded(name)]
    candidates = [name for name in candidates if not _has_raw_twin(name, candidates)]
    if len(candidates) == 1:
        return candidates[0]
    problem = "several image topics, name one of them" if candidates else "no image topic"
    raise InputError(f"{path}: {problem}; image topics (messages): {found}")


def _has_raw_twin(name: str, candidates: Sequence[str]) -> bool:
    return name.endswith(topics.COMPRESSED) and name.removesuffix(topics.COMPRESSED) in candidates


def _excluded(name: str) -> bool:
    parts = name.removesuffix(topics.COMPRESSED).lower().split("/")
    return topics.OVERLAY in parts or any("depth" in part for part in parts)


def _counts(reader: Reader) -> dict[str, int]:
    counts: dict[str, int] = {}
    for connection in reader.connections:
        if connection.msgtype in IMAGE_TYPES:
            counts[connection.topic] = counts.get(connection.topic, 0) + connection.msgcount
    return counts
