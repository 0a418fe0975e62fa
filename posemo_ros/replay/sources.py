"""Where frames come from off the robot: video, image folder, rosbag2 or a camera.

with open_source("clip.mp4") as source:
    for frame in source:
        ...
"""

from __future__ import annotations

import json
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from ..camera import Camera
from ..errors import InputError
from ..types import Frame

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
BAG_SUFFIXES = (".mcap", ".db3")
ACCEPTED = (
    "a video file, an image or a folder of images "
    f"({' '.join(IMAGE_SUFFIXES)}), a rosbag2 folder or file ({' '.join(BAG_SUFFIXES)}), "
    "or the number of a camera"
)
DEFAULT_RATE_HZ = 10.0
DEFAULT_FRAME_ID = "camera_optical_frame"


class Source(ABC):
    """Frames in the order of time; every iteration starts again at the first one.

    Attributes:
        name: What a person would call it, for titles and reports.
        rate_hz: Frames per second as the source states it.
        camera: Intrinsics, or None when the source has none.
        length: Number of frames as the source states it; None when unknown (a live camera).
        live: True for a camera: frames come at their own pace and are never repeated.
    """

    name: str
    rate_hz: float
    camera: Camera | None = None
    length: int | None = None
    live: bool = False

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """Frames from the first on.

        Raises:
            InputError: A frame cannot be read.
        """

    def close(self) -> None:  # noqa: B027  (most sources hold nothing open between iterations)
        """Let go of devices and files."""

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_source(text: str | Path, *, rate_hz: float | None = None, topic: str | None = None) -> Source:
    """Open whatever the text names.

    Args:
        text: Path of a video, image, image folder or rosbag2 (folder, ``.mcap`` or ``.db3``), or
            the number of a camera. Intrinsics are read from ``<name>.json`` beside a video or
            image folder, when it is there (``camera_beside``).
        rate_hz: Frames per second of a source that does not state it (image folder: 10).
        topic: Image topic of a bag with several.

    Raises:
        InputError: There is no such thing, or it cannot be read; the message says what was
            tried and what is accepted.
    """
    if str(text).isdecimal():
        return CameraSource(int(str(text)))
    path = Path(text)
    if not path.exists():
        raise InputError(f"source {str(path)!r} does not exist; accepted are {ACCEPTED}")
    if path.suffix in BAG_SUFFIXES or (path / "metadata.yaml").exists():
        from .bag_source import BagSource

        return BagSource(path, topic=topic)
    if path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES:
        return ImageSource(path, rate_hz=rate_hz or DEFAULT_RATE_HZ)
    return VideoSource(path, rate_hz=rate_hz)


class VideoSource(Source):
    """A video file; stamps are frame number / rate, the first is 0.

    Raises:
        InputError: OpenCV cannot decode the file, or the intrinsics beside it do not fit.
    """

    def __init__(self, path: Path, *, rate_hz: float | None = None) -> None:
        self._path = path
        self.name = path.name
        capture = self._open()
        try:
            ok, first = capture.read()
            if not ok:
                raise InputError(
                    f"tried {str(path)!r} as a video: no frame can be decoded; accepted are {ACCEPTED}"
                )
            stated = capture.get(cv2.CAP_PROP_FPS)
            count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        finally:
            capture.release()
        self.rate_hz = rate_hz or (stated if 0 < stated <= 1000 else DEFAULT_RATE_HZ)
        self.length = count if count > 0 else None
        self.camera, self._frame_id = camera_beside(path, first.shape[1], first.shape[0])

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self._path))
        if not capture.isOpened():
            raise InputError(
                f"tried {str(self._path)!r} as a video: OpenCV cannot open it; accepted are {ACCEPTED}"
            )
        return capture

    def __iter__(self) -> Iterator[Frame]:
        capture = self._open()
        try:
            number = 0
            while True:
                ok, image = capture.read()
                if not ok:
                    return
                stamp = round(number * 1e9 / self.rate_hz)
                yield Frame(np.asarray(image, np.uint8), stamp, self._frame_id, self.camera)
                number += 1
        finally:
            capture.release()


class ImageSource(Source):
    """The images of a folder (or one image), sorted by name with numbers in their order.

    Stamps are image number / rate, the first is 0. All images must have one size.

    Raises:
        InputError: There is no image, or the first cannot be read.
    """

    def __init__(self, path: Path, *, rate_hz: float = DEFAULT_RATE_HZ) -> None:
        self._paths = _images_in(path) if path.is_dir() else [path]
        self.name = path.name or str(path.resolve().name)
        self.rate_hz = rate_hz
        self.length = len(self._paths)
        first = _read_image(self._paths[0])
        self._shape = first.shape
        self.camera, self._frame_id = camera_beside(path, first.shape[1], first.shape[0])

    def __iter__(self) -> Iterator[Frame]:
        for number, path in enumerate(self._paths):
            image = _read_image(path)
            if image.shape != self._shape:
                raise InputError(
                    f"{path} is {image.shape[1]}x{image.shape[0]} px, the first image of the folder "
                    f"{self._shape[1]}x{self._shape[0]}; expected one size"
                )
            yield Frame(image, round(number * 1e9 / self.rate_hz), self._frame_id, self.camera)


class CameraSource(Source):
    """A camera of this machine; stamps are the system's time when the frame arrived.

    Raises:
        InputError: There is no such camera, or it gives no frame.
    """

    live = True

    def __init__(self, number: int) -> None:
        self.name = f"camera {number}"
        self._capture = cv2.VideoCapture(number)
        if not self._capture.isOpened() or not self._capture.grab():
            self._capture.release()
            raise InputError(
                f"tried camera number {number}: it gives no image (is it connected, and free?); "
                f"accepted are {ACCEPTED}"
            )
        stated = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate_hz = stated if 0 < stated <= 1000 else 30.0

    def __iter__(self) -> Iterator[Frame]:
        while True:
            ok, image = self._capture.read()
            if not ok:
                raise InputError(f"{self.name} stopped giving images")
            yield Frame(np.asarray(image, np.uint8), time.time_ns(), DEFAULT_FRAME_ID)

    def close(self) -> None:
        """Free the camera."""
        self._capture.release()


def camera_beside(path: Path, width: int, height: int) -> tuple[Camera | None, str]:
    """Intrinsics and frame_id from the JSON file beside a video or image folder.

    ``walk.mp4`` and the folder ``walk/`` have theirs in ``walk.json``, under the key ``camera``:
    ``{"width", "height", "matrix": 3x3, "frame_id"}`` and, for a lens with distortion,
    ``"distortion"`` and ``"model"`` as in ``Camera``.

    Returns:
        The camera (None when there is no such file) and the frame_id.

    Raises:
        InputError: The file is not of this form, or made for another image size.
    """
    beside = path.parent / f"{path.name if path.is_dir() else path.stem}.json"
    if not beside.is_file():
        return None, DEFAULT_FRAME_ID
    try:
        entry = json.loads(beside.read_text(encoding="utf-8"))["camera"]
        size = (int(entry["width"]), int(entry["height"]))
        camera = Camera(*size, entry["matrix"], entry.get("distortion", ()), entry.get("model", ""))
        frame_id = str(entry.get("frame_id", DEFAULT_FRAME_ID))
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"{beside}: cannot read the intrinsics ({type(error).__name__}: {error}); expected "
            '{"camera": {"width": …, "height": …, "matrix": [[…], […], […]], "frame_id": …}}'
        ) from error
    if size != (width, height):
        raise InputError(
            f"{beside} is for {size[0]}x{size[1]} px, but {path} has {width}x{height}; correct or remove it"
        )
    return camera, frame_id


def _images_in(folder: Path) -> Sequence[Path]:
    paths = [p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES]
    if not paths:
        raise InputError(
            f"tried the folder {str(folder)!r}: it has neither a metadata.yaml (rosbag2) nor an image; "
            f"accepted are {ACCEPTED}"
        )
    return sorted(paths, key=_natural)


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort key that puts frame_2 before frame_10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name)]


def _read_image(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(f"cannot read {path} as an image; accepted are {ACCEPTED}")
    return np.asarray(image, np.uint8)
