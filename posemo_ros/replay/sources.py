"""Where frames come from off the robot: video, pictures, bag, camera or network stream.

with open_source("clip.mp4") as source:
    for frame in source:
        ...
    print(source.losses.as_dict(), source.notes)
"""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import cv2
import numpy as np

from .. import pictures
from ..camera import Camera
from ..errors import InputError
from ..losses import Losses
from ..types import Frame
from .choice import Choice

IMAGE_SUFFIXES = pictures.SUFFIXES
BAG_SUFFIXES = (".mcap", ".db3", ".bag", ".mcap.zstd", ".db3.zstd")
ACCEPTED = (
    "a video file, a picture or a folder of pictures "
    f"({' '.join(IMAGE_SUFFIXES)}), a rosbag2 folder, a bag file ({' '.join(BAG_SUFFIXES)}), "
    "the number of a camera, or the address of a stream (rtsp:// http:// …)"
)
DEFAULT_RATE_HZ = 10.0
DEFAULT_FRAME_ID = "camera_optical_frame"

_log = logging.getLogger(__name__)


class Source(ABC):
    """Frames as they come; every iteration starts again at the first one.

    Attributes:
        name: What a person would call it, for titles and reports.
        rate_hz: Frames per second as the source states it.
        camera: Intrinsics, or None when the source has none.
        length: Number of frames as the source states it; None when unknown (a live camera).
        live: True for a camera: frames come at their own pace and are never repeated.
        time: Where the stamps come from, in words.
        losses: What the last iteration skipped.
        notes: What was chosen or assumed, in sentences, for the summary.
    """

    name: str
    rate_hz: float
    camera: Camera | None = None
    length: int | None = None
    live: bool = False
    time: str = ""

    @cached_property
    def losses(self) -> Losses:
        """See the class."""
        return Losses()

    @cached_property
    def notes(self) -> list[str]:
        """See the class."""
        return []

    def note(self, text: str, level: int = logging.WARNING) -> None:
        """Say something once, in the log and the summary."""
        if text not in self.notes:
            self.notes.append(text)
            _log.log(level, "%s: %s", self.name, text)

    def described(self) -> dict[str, Any]:
        """What is read of the source, and how, for the summary."""
        return {
            "time": self.time,
            "rate_hz": round(self.rate_hz, 3),
            "topic": getattr(self, "topic", None),
            "notes": list(self.notes),
        }

    def __iter__(self) -> Iterator[Frame]:
        """Frames from the first on; what cannot be used is skipped and counted in ``losses``.

        Raises:
            InputError: Nothing more can be read, or ``losses.strict`` and there was a loss.
        """
        self.losses.clear()
        count = 0
        for frame in self._frames():
            count += 1
            yield frame
        known = count + len(self.losses)
        if self.length is not None and known < self.length:
            self.losses.add(
                "stated but not there",
                self.name,
                f"{self.length} images stated, {count} read",
                count=self.length - known,
            )

    @abstractmethod
    def _frames(self) -> Iterator[Frame]:
        """Frames from the first on; adds to ``losses``."""

    def close(self) -> None:  # noqa: B027  (most sources hold nothing open between iterations)
        """Let go of devices and files."""

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_source(
    text: str | Path, choice: Choice | None = None, *, rate_hz: float | None = None, topic: str | None = None
) -> Source:
    """Open whatever the text names.

    Args:
        text: Path of a video, picture, folder of pictures or bag, the number or device file of a
            camera, or the address of a stream. Intrinsics are read from ``<name>.json`` beside a
            video or picture folder, when it is there (``camera_beside``).
        choice: What to read of it.
        rate_hz, topic: The same one by one.

    Raises:
        InputError: There is no such thing, or it cannot be read; the message says what was
            tried and what is accepted.
    """
    choice = choice or Choice(rate_hz, topic or "")
    source = _open(str(text), choice)
    source.losses.strict = choice.strict
    return source


def _open(text: str, choice: Choice) -> Source:
    if not text.strip():
        raise InputError(f"the source is empty; accepted are {ACCEPTED}")
    if text.isdecimal():
        return CameraSource(int(text))
    if text.startswith("/dev/video") and text.removeprefix("/dev/video").isdecimal():
        return CameraSource(int(text.removeprefix("/dev/video")))
    if "://" in text:
        from .stream_source import open_stream

        return open_stream(text, choice)
    path = Path(text)
    try:
        kind = _kind(path)
    except OSError as error:
        raise InputError(f"source {text!r} cannot be read: {error.strerror or error}") from error
    if kind == "bag":
        from .bag_source import BagSource

        return BagSource(path.parent if path.name == "metadata.yaml" else path, choice)
    if choice.topic:
        raise InputError(f"a topic ({choice.topic}) was named, but {text!r} is no bag")
    if kind == "pictures":
        from .picture_source import PictureSource

        return PictureSource(path, choice)
    from .video_source import VideoSource

    return VideoSource(text, choice)


def _kind(path: Path) -> str:
    """``bag``, ``pictures`` or ``video``."""
    if not path.exists():
        what = "is a link that points to nothing" if path.is_symlink() else "does not exist"
        raise InputError(f"source {str(path)!r} {what}; accepted are {ACCEPTED}")
    if path.is_dir():
        names = [p.name for p in path.iterdir() if not p.name.startswith(".")]
        return "bag" if "metadata.yaml" in names or any(map(_is_bag, names)) else "pictures"
    if not path.is_file():
        raise InputError(f"source {str(path)!r} is neither file nor folder; accepted are {ACCEPTED}")
    if _is_bag(path.name) or path.name == "metadata.yaml":
        return "bag"
    with path.open("rb") as file:
        head = file.read(16)
    if not head:
        raise InputError(f"source {str(path)!r} is an empty file; accepted are {ACCEPTED}")
    if head.startswith((b"\x89MCAP0", b"SQLite format 3", b"#ROSBAG V")):
        return "bag"
    if path.suffix.lower() in (*IMAGE_SUFFIXES, *pictures.RAW_SUFFIXES) and not _moves(path):
        return "pictures"
    return "video"


def _is_bag(name: str) -> bool:
    return name.lower().endswith(BAG_SUFFIXES) or ".bag.active" in name


def _moves(path: Path) -> bool:
    """Whether a picture file is a film: an animated GIF."""
    if path.suffix.lower() != ".gif":
        return False
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return bool(getattr(picture, "is_animated", False))
    except Exception:  # told better by whoever reads it
        return False


def without_password(text: str) -> str:
    """A path or address as it may be shown, without user, password and query: logs are passed on."""
    if "://" not in text:
        return text
    parts = urlsplit(text)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


class CameraSource(Source):
    """A camera of this machine; stamps are the system's time when the frame arrived.

    Raises:
        InputError: There is no such camera, or it gives no frame.
    """

    live = True
    time = "arrival at this machine"

    def __init__(self, number: int) -> None:
        self.name = f"camera {number}"
        try:
            self._capture = cv2.VideoCapture(number)
            works = self._capture.isOpened() and self._capture.grab()
        except (cv2.error, OverflowError) as error:
            raise InputError(f"tried camera number {number}: {error}; accepted are {ACCEPTED}") from error
        if not works:
            self._capture.release()
            raise InputError(
                f"tried camera number {number}: it gives no image (is it connected, and free?); "
                f"accepted are {ACCEPTED}"
            )
        stated = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate_hz = stated if 0 < stated <= 1000 else 30.0

    def _frames(self) -> Iterator[Frame]:
        while True:
            ok, image = self._capture.read()
            if not ok:
                raise InputError(f"{self.name} stopped giving images")
            yield Frame(np.asarray(image, np.uint8), time.time_ns(), DEFAULT_FRAME_ID)

    def close(self) -> None:
        """Free the camera."""
        self._capture.release()
