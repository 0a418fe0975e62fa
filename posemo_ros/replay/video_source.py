"""Frames out of a video file, with the stamps of its container."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.error import FFmpegError
from av.sidedata.sidedata import Type as SideData
from numpy.typing import NDArray

from ..errors import InputError
from ..types import Frame
from . import intrinsics
from .choice import Choice
from .foreign import films_in_a_row, head_of, what_it_is
from .source import ACCEPTED, Source, without_password

FALLBACK_RATE_HZ = 25.0
_SQUARE = 0.01  # aspect ratios nearer to 1 are rounding
_HDR = {16: "PQ", 18: "HLG"}  # transfer functions of H.273
_NO_PARTS = " (does the server send whole files only? Then download it, and name the file)"
_PATIENCE = 200  # errors in a row after which a file is given up
# Decoders of FFmpeg's mpegvideo family drop the image they hold back where the size changes in a stream.
_DROPPING = ("mpeg1video", "mpeg2video", "mpeg4", "h263", "wmv1", "wmv2", "vc1", "wmv3")
_SLACK_S = 0.5  # by which a stated duration may be longer than its images last


class VideoSource(Source):
    """A video; stamps are those of the container, the first is 0.

    Where the container has none, or they do not grow, and with ``Choice.rate_hz``, a stamp is
    frame number / rate. Damaged stretches are skipped and counted; pictures are turned upright as
    the file says.

    Args:
        path: File, or address that FFmpeg can open.
        choice: What to read of it.

    Raises:
        InputError: FFmpeg cannot decode the file, or the intrinsics do not fit.
    """

    def __init__(self, path: str | Path, choice: Choice | None = None) -> None:
        choice = choice or Choice()
        self._path, self._choice = str(path), choice
        self.name = Path(without_password(self._path)).name
        self._camera_of = intrinsics.of_file(Path(self._path), choice.camera_info, self.note)
        with open_video(self._path) as container:
            stream = video_stream(container, without_password(self._path))
            stated = float(stream.average_rate or stream.guessed_rate or 0)
            self._stated = int(stream.frames)
            self.length = self._stated or None
            self._duration_s = _duration_s(container, stream)
            if len(films := films_of(container)) > 1:
                size = f"{stream.width} x {stream.height}"
                self.note(f"{len(films)} films in the file: that of {size} is read, as players show it")
        if Path(self._path).is_file() and (files := films_in_a_row(Path(self._path))) > 1:
            self.note(f"{files} films one after the other in the file: the first is read, as players show it")
        stated = stated if 0 < stated <= 1000 else 0.0
        self.rate_hz = choice.rate_hz or stated or FALLBACK_RATE_HZ
        self.time = (
            f"{self.rate_hz:g} images per second (as asked)" if choice.rate_hz else "stamps of the container"
        )
        first, second = self._peek()
        self.camera = self._camera_of(first.width, first.height)
        if not choice.rate_hz and not stated and second and second.stamp_ns > 0:
            self.rate_hz = 1e9 / second.stamp_ns

    def _peek(self) -> tuple[Frame, Frame | None]:
        frames = self._frames()
        try:
            first = next(frames, None)
            if first is None:
                raise InputError(
                    f"tried {without_password(self._path)!r} as a video: no frame can be decoded"
                    f"{_NO_PARTS if '://' in self._path else _help_for(self._path)}; "
                    f"accepted are {ACCEPTED}"
                )
            return first, next(frames, None)
        finally:
            frames.close()
            self.losses.clear()

    def _frames(self) -> Generator[Frame, None, None]:
        with open_video(self._path) as container:
            stream = video_stream(container, self._path)
            clock = _Clock(self._choice.rate_hz, self.rate_hz)
            decoder, stretch = Decoder(container, stream, self._lose), pixel_shape(stream)
            for number, picture in enumerate(decoder):
                self._tell(picture, stretch)
                image = upright(picture, stretch)
                stamp = clock.stamp(number, picture)
                camera = self._camera_of(image.shape[1], image.shape[0])
                yield Frame(image, stamp, self._camera_of.frame_id, camera)
            self._end(clock, decoder)

    def _tell(self, picture: Any, stretch: float) -> None:
        """What a viewer would treat otherwise than a network."""
        if picture.interlaced_frame:
            self.note(
                "interlaced: an image shows two moments in alternate lines; deinterlace it for better results"
            )
        if picture.color_trc in _HDR:
            self.note(
                f"high dynamic range ({_HDR[picture.color_trc]}), taken without tone mapping: looks flat"
            )
        if stretch != 1:
            wide = round(picture.width * stretch)
            self.note(
                f"pixels are not square: {picture.width} x {picture.height} is read as {wide} x "
                f"{picture.height}, "
                "as players show it"
            )

    def _lose(self, second: float | None, detail: str) -> None:
        near = "somewhere" if second is None else f"near {second:.2f} s"
        self.losses.add("video data cannot be decoded", near, detail)

    def _end(self, clock: _Clock, decoder: Decoder) -> None:
        """What can only be known at the end: losses and notes."""
        self.length = self._stated - decoder.discarded if self._stated else None
        if clock.made_up:
            self.time = f"{self.rate_hz:g} images per second (the container has no usable stamps)"
            self.note(
                f"{clock.made_up} images had no stamp that grows: placed by the rate {self.rate_hz:g} Hz"
            )
        if decoder.dropped:
            self.losses.add(
                "dropped by the decoder where the images change size", self.name, count=decoder.dropped
            )
        if decoder.headless:
            self.losses.add("before the first key frame", self.name, count=decoder.headless)
        if decoder.concealed:
            self.note(f"{decoder.concealed} damaged images were repaired by the decoder and used")
        missing_s = self._duration_s - (clock.last_ns * 1e-9 + 1 / self.rate_hz)
        if not self._choice.rate_hz and self.length is None and missing_s > _SLACK_S:
            self.losses.add(
                "stated but not there",
                self.name,
                f"{self._duration_s:.2f} s stated, images for {self._duration_s - missing_s:.2f} s read",
                count=max(1, round(missing_s * self.rate_hz)),
            )


class _Clock:
    """Stamps of the frames of one pass."""

    def __init__(self, asked_hz: float | None, rate_hz: float) -> None:
        self._asked_hz, self._rate_hz = asked_hz, rate_hz
        self._origin: float | None = None
        self.last_ns = -1
        self.made_up = 0

    def stamp(self, number: int, picture: Any) -> int:
        """Nanoseconds of a frame."""
        if self._asked_hz:
            self.last_ns = round(number * 1e9 / self._asked_hz)
            return self.last_ns
        stamp = self._of_container(picture)
        if stamp is None or stamp <= self.last_ns:
            self.made_up += 1
            stamp = 0 if self.last_ns < 0 else self.last_ns + round(1e9 / self._rate_hz)
        self.last_ns = stamp
        return stamp

    def _of_container(self, picture: Any) -> int | None:
        if picture.pts is None or picture.time_base is None:
            return None
        if self._origin is None:
            self._origin = picture.pts
        stamp: int = round((picture.pts - self._origin) * picture.time_base * 1_000_000_000)
        return stamp


class Decoder:
    """Decodes a stream and goes on after errors.

    Args:
        container, stream: What to decode.
        on_error: Takes the place in seconds (None: unknown) and the words of each error.

    Attributes:
        concealed: Frames that the decoder repaired.
        discarded: Frames that the file says are not to be shown (an edit list).
        dropped: Frames that the decoder has swallowed, known at the end.
        headless: Packets before the first key frame that gave no frame: where a stream was cut.
    """

    def __init__(self, container: Any, stream: Any, on_error: Callable[[float | None, str], None]) -> None:
        self._container, self._stream, self._on_error = container, stream, on_error
        self.concealed = self.discarded = self.dropped = self.headless = 0
        self._drops = stream.codec_context.name in _DROPPING

    def __iter__(self) -> Iterator[Any]:
        pending, sizes, begun = 0, set(), False
        for packet in self._packets():
            try:
                pictures = packet.decode()
            except FFmpegError as error:
                place = None if packet.pts is None else float(packet.pts * packet.time_base)
                self._on_error(place, str(error.strerror))
                continue
            begun = begun or packet.is_keyframe or bool(pictures)
            self.headless += not begun and packet.size > 0 and not packet.is_discard
            self.discarded += bool(packet.is_discard)
            pending += (packet.size > 0 and not packet.is_discard) - len(pictures)
            sizes |= {(picture.width, picture.height) for picture in pictures}
            for picture in pictures:
                self.concealed += bool(picture.is_corrupt)
                yield picture
        self.headless = min(self.headless, max(0, pending))  # containers may not mark their key frames
        if self._drops and len(sizes) > 1:
            self.dropped = max(0, pending)

    def _packets(self) -> Iterator[Any]:
        packets, failures = self._container.demux(self._stream), 0
        while failures < _PATIENCE:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except FFmpegError as error:
                failures += 1
                if failures == 1:
                    self._on_error(None, str(error.strerror))
                packets = self._container.demux(self._stream)
                continue
            failures = 0
            yield packet


def open_video(path: str, **options: Any) -> Any:
    """The container, opened.

    Raises:
        InputError: FFmpeg cannot open it.
    """
    name = path
    if "://" not in path:
        # A relative name with a colon, such as 2024-05-01T12:30.mp4, would be taken for an address,
        # and JPEGs in a row that are called .jpg for a single one.
        is_jpegs = head_of(Path(path)).startswith(b"\xff\xd8\xff")
        options["format"] = "mjpeg" if is_jpegs else None
        name = os.path.abspath(path)  # noqa: PTH100 (resolves no link)
    try:
        return av.open(name, metadata_errors="replace", **options)
    except (FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"tried {without_password(path)!r} as a video: FFmpeg cannot open it ({reason})"
            f"{_help_for(path)}; accepted are {ACCEPTED}"
        ) from error


def _help_for(path: str) -> str:
    other = what_it_is(Path(path)) if "://" not in path else ""
    if other:
        return f": it is {other}"
    if b"ftyp" in head_of(Path(path))[:16] and path.lower().endswith((".mp4", ".mov", ".m4v")):
        return (
            ", its index may be missing because the recording was cut off (`untrunc` can repair such files)"
        )
    return ""


def video_stream(container: Any, path: str) -> Any:
    """The stream that players show, never a cover picture, ready to decode.

    Raises:
        InputError: There is none, or nobody can decode it.
    """
    streams = films_of(container)
    if not streams:
        covers = {"a cover picture" if s.type == "video" else s.type for s in container.streams}
        kinds = ", ".join(sorted(covers)) or "nothing"
        raise InputError(
            f"tried {path!r} as a video: it has no images, only {kinds}; accepted are {ACCEPTED}"
        )
    best = container.streams.best("video")
    stream = best if best in streams else streams[0]
    if stream.codec_context is None:
        raise InputError(
            f"tried {path!r} as a video: this FFmpeg has no decoder for it; convert it, e.g. with "
            "`ffmpeg -i IN -c:v libvpx-vp9 OUT.webm`"
        )
    stream.thread_type = "SLICE"  # threads over frames hide where an error was, and change the repair
    return stream


def films_of(container: Any) -> list[Any]:
    """Streams of images that are no cover pictures."""
    return [s for s in container.streams.video if not s.disposition & type(s.disposition).attached_pic]


def _duration_s(container: Any, stream: Any) -> float:
    """As stated; 0 when unknown, or when sound may be what lasts so long."""
    stated_s = _stated_s(container, stream)
    if stated_s and stream.start_time and "matroska" in container.format.name:
        stated_s -= float(stream.start_time * stream.time_base)  # Matroska states when the last image ends
    return max(0.0, stated_s)


def _stated_s(container: Any, stream: Any) -> float:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    text = stream.metadata.get("DURATION", "")
    parts = text.split(":")
    if len(parts) == 3:
        try:
            return float(int(parts[0]) * 3600 + int(parts[1]) * 60 + float(parts[2]))
        except ValueError:
            return 0.0
    return (container.duration or 0) / 1e6 if len(container.streams) == 1 else 0.0


def pixel_shape(stream: Any) -> float:
    """Width of a pixel over its height; 1 where nothing, or nonsense, is stated."""
    ratio = float(stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or 1)
    return ratio if abs(ratio - 1) >= _SQUARE and 0.2 < ratio < 5 else 1.0


def upright(picture: Any, stretch: float = 1.0) -> NDArray[np.uint8]:
    """(H, W, 3) BGR, turned as the file says, ``stretch`` times as wide (``pixel_shape``)."""
    image = picture.to_ndarray(format="bgr24")
    if stretch != 1:
        size = (max(1, round(image.shape[1] * stretch)), image.shape[0])
        image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    matrix = picture.side_data.get(SideData.DISPLAYMATRIX)
    return np.asarray(image if matrix is None else _turned(image, np.frombuffer(matrix, np.int32)), np.uint8)


def _turned(image: NDArray[Any], matrix: NDArray[np.int32]) -> NDArray[Any]:
    """The image as its display matrix shows it: x' = a x + c y, y' = b x + d y; phones mirror, too."""
    a, b, _, c, d = matrix[:5].tolist()
    if abs(b) > abs(a):
        image, a, d = image.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])
