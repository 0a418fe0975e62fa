"""Films that browsers play: VP9 in MP4, by PyAV (libvpx, BSD licence; x264 would be GPL)."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError

CODEC = "libvpx-vp9"
TICKS = 90_000  # of the film's clock per second
LONGEST_GAP_S = 5.0  # a pause of the recording is shown no longer than this
LARGEST = (1920, 1080)


class VideoWriter:
    """Writes pictures at the times they were taken.

    The first picture gives the size of the film (at most 1920 x 1080, even numbers); others are
    scaled to fit and get black bars. Times need not grow evenly; a pause longer than 5 s becomes 5 s.

    Args:
        path: The file, .mp4; one that exists is replaced.
        rate_hz: How many pictures come in a second, usually; the last one is shown so long.
        kilobits: Per second, to aim at; None for constant quality.
        height: To scale to; None for that of the pictures.

    Attributes:
        times_s: When each picture is shown, seconds from the start of the film.

    Raises:
        InputError: The file cannot be written.
    """

    def __init__(
        self, path: Path, *, rate_hz: float = 25.0, kilobits: float | None = None, height: int | None = None
    ) -> None:
        self._path, self._kilobits, self._height = path, kilobits, height
        self._rate = Fraction(rate_hz).limit_denominator(1000)
        self._container: Any = None
        self._stream: Any = None
        self._last: tuple[int, int] | None = None  # stamp in ns, time of the film in ticks
        self.times_s: list[float] = []

    def write(self, picture: NDArray[np.uint8], stamp_ns: int) -> None:
        """Append a (H, W, 3) BGR picture."""
        import av

        if self._container is None:
            self._open(picture.shape[1], picture.shape[0])
        ticks = self._tick(stamp_ns)
        size = (self._stream.width, self._stream.height)
        frame = av.VideoFrame.from_ndarray(fitted(picture, *size), format="bgr24")
        frame.pts, frame.time_base = ticks, Fraction(1, TICKS)
        self._container.mux(self._stream.encode(frame))
        self.times_s.append(ticks / TICKS)

    def _tick(self, stamp_ns: int) -> int:
        if self._last is None:
            ticks = 0
        else:
            gap_s = min((stamp_ns - self._last[0]) * 1e-9, LONGEST_GAP_S)
            ticks = self._last[1] + max(1, round(gap_s * TICKS))
        self._last = (stamp_ns, ticks)
        return ticks

    def _open(self, width: int, height: int) -> None:
        import av

        limit = min(1.0, LARGEST[0] / width, LARGEST[1] / height, (self._height or height) / height)
        options = {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "g": "50"}
        options |= {"b": str(round(self._kilobits * 1000))} if self._kilobits else {"crf": "36", "b": "0"}
        try:
            self._container = av.open(str(self._path), "w")
            self._stream = self._container.add_stream(CODEC, rate=self._rate, options=options)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise InputError(f"cannot write {self._path}: {error}") from error
        self._stream.width, self._stream.height = (max(2, round(v * limit) // 2 * 2) for v in (width, height))
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, TICKS)

    def close(self) -> None:
        """Finish the file."""
        if self._container is not None:
            self._container.mux(self._stream.encode())
            self._container.close()
            self._container = None

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def fitted(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """The whole picture in a frame of a size, its shape kept, the rest black."""
    if picture.shape[:2] == (height, width):
        return np.ascontiguousarray(picture)
    scale = min(width / picture.shape[1], height / picture.shape[0])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    scaled = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    frame = np.zeros((height, width, 3), np.uint8)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    frame[top : top + size[1], left : left + size[0]] = scaled
    return frame
