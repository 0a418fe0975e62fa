"""What every source of frames has in common."""

from __future__ import annotations

import logging
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .. import pictures
from ..camera import Camera
from ..errors import InputError
from ..losses import Losses, printable
from ..types import Frame

if TYPE_CHECKING:
    from ..lift.lifter import DepthSource

IMAGE_SUFFIXES = pictures.SUFFIXES
BAG_SUFFIXES = (".mcap", ".db3", ".bag", ".mcap.zstd", ".db3.zstd", ".mcap.zst", ".db3.zst", ".bag.zst")
BAGS = f"a rosbag2 folder, a bag file ({' '.join(BAG_SUFFIXES)})"
ACCEPTED = (
    "a video file, a picture or a folder of pictures "
    f"({' '.join(IMAGE_SUFFIXES)}), {BAGS}, "
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
        depth: Depth images of the pictures, for the lifter; None when there are none.
        losses: What the last iteration skipped.
        notes: What was chosen or assumed, in sentences, for the summary.
    """

    name: str
    rate_hz: float
    camera: Camera | None = None
    length: int | None = None
    live: bool = False
    time: str = ""
    depth: DepthSource | None = None

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


def natural(text: str) -> tuple[list[tuple[int, str]], str]:
    """Sort key that puts frame_2 before frame_10, and IMG_3 between img_2 and img_4."""
    parts = re.split(r"([0-9]+)", text.casefold())
    return [(int(part), "") if part.isdigit() and part.isascii() else (-1, part) for part in parts], text


def with_secrets(address: str) -> str:
    """An address in which ``${NAME}`` is the environment's NAME, so that no file has the password.

    Raises:
        InputError: The environment has no such name.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in os.environ:
            raise InputError(f"{without_password(address)}: the environment has no {name}, named in it")
        return os.environ[name]

    return re.sub(r"\$\{(\w+)\}", value, address)


def without_password(text: str) -> str:
    """A path or address as it may be shown, without user, password and query: logs are passed on.

    A password with signs that belong encoded (``/``, ``#``, ``?``, ``@``) is hidden too.
    """
    found = re.match(r"(.*?://|[A-Za-z][\w+.-]+:/)(.*)", text, re.DOTALL)  # as a path, it has but one /
    if not found:
        return printable(text)
    scheme, rest = found.groups()
    rest = re.sub(r"^([^/?#]*:.*|[^/?#]*)@", "", rest, flags=re.DOTALL)
    return scheme + re.split("[?#]", rest)[0]


def shown(path: Path) -> str:
    """A path that is not there: it may be an address, given where none can be, with its password."""
    text = str(path)
    return without_password(text) if ":/" in text else text
