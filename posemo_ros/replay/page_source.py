"""Frames out of one file with several pictures: animated GIF, PNG, WebP and AVIF, TIFF stacks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..images import BitDepth
from ..losses import printable
from ..pictures import RAW_SUFFIXES, from_pillow, to_8bit
from ..types import Frame
from . import intrinsics
from .choice import Choice
from .source import DEFAULT_RATE_HZ, Source

SHORTEST_MS = 10.0  # browsers take less for nothing stated
FORMATS = ("PNG", "WEBP", "AVIF", "TIFF", "GIF")  # others have previews and second views in them


class PageSource(Source):
    """The pictures of one file, one after the other.

    An animation says how long each picture is shown; a stack of pictures does not, and gets the stamps
    number / rate. The first stamp is 0.

    Args:
        path: The file, see ``pages_in``.
        choice: What to read of it.
    """

    def __init__(self, path: Path, choice: Choice) -> None:
        self._path, self._choice = path, choice
        self.name = printable(path.name)
        self.length = pages_in(path)
        self._camera_of = intrinsics.of_file(path, choice.camera_info, self.note)
        first, second = self._peek()
        shown_s = (second.stamp_ns - first.stamp_ns) * 1e-9 if second else 0.0
        self.rate_hz = choice.rate_hz or (1 / shown_s if shown_s > 0 else DEFAULT_RATE_HZ)
        self.camera = self._camera_of(first.width, first.height)

    def _peek(self) -> tuple[Frame, Frame | None]:
        frames = self._frames()
        first = next(frames, None)
        if first is None:
            raise InputError(
                f"tried {str(self._path)!r} as {self.length} images in one file: none can be decoded"
            )
        second = next(frames, None)
        self.losses.clear()
        return first, second

    def _frames(self) -> Iterator[Frame]:
        from PIL import Image

        depth, stamp_ns = BitDepth(), 0
        with Image.open(self._path) as file:
            for number in range(self.length or 0):
                try:
                    file.seek(number)
                    file.load()
                    shown_ms = float(file.info.get("duration") or 0)
                    image = from_pillow(file)
                except Exception as error:  # Pillow's readers raise what they like
                    self.losses.add("cannot be decoded", f"image {number + 1}", str(error))
                    stamp_ns += round(1e9 / (self._choice.rate_hz or DEFAULT_RATE_HZ))
                    continue
                yield self._framed(image, stamp_ns, depth)
                stamp_ns += self._period_ns(shown_ms)

    def _period_ns(self, shown_ms: float) -> int:
        if self._choice.rate_hz:
            self.time = f"{self._choice.rate_hz:g} images per second (as asked)"
            return round(1e9 / self._choice.rate_hz)
        if shown_ms > SHORTEST_MS:
            self.time = "how long the file shows each image"
            return round(shown_ms * 1e6)
        self.time = (
            f"{DEFAULT_RATE_HZ:g} images per second (assumed; --rate (node: parameter rate) sets another)"
        )
        return round(1e9 / DEFAULT_RATE_HZ)

    def _framed(self, image: Any, stamp_ns: int, depth: BitDepth) -> Frame:
        height, width = image.shape[:2]
        camera = self._camera_of(width, height)
        return Frame(to_8bit(image, depth(image)), stamp_ns, self._camera_of.frame_id, camera)


def pages_in(path: Path) -> int:
    """How many pictures are in a file; 1 where that cannot be told."""
    from PIL import Image

    try:
        if not path.is_file() or path.suffix.lower() in RAW_SUFFIXES:  # these have previews in them
            return 1
        with Image.open(path) as picture:
            return int(getattr(picture, "n_frames", 1)) if picture.format in FORMATS else 1
    except Exception:  # told better by whoever reads it
        return 1
