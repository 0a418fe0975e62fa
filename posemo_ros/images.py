"""Pictures of ROS messages as frames, without ROS.

``bgr8``, ``rgb8`` and ``mono8`` become views on the message's own buffer. Every other encoding is
converted: colour by cv_bridge where it is installed and by rosbags-image where it is not (both
call the same OpenCV conversion), everything they disagree on here, so that the results are equal:
padded rows, byte order, 16 to 8 bits (cv_bridge rounds, rosbags-image cuts off), float pictures
and NV12, NV24, I420 and their kin (unknown to cv_bridge).

Encodings are those of ``sensor_msgs/image_encodings.hpp`` and the V4L2 names some drivers use.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .camera import Camera
from .errors import InputError
from .pictures import bits_in, decode, to_8bit
from .types import Frame, PixelOrder

_log = logging.getLogger(__name__)

_VIEWS = {
    "bgr8": (3, PixelOrder.BGR),
    "8UC3": (3, PixelOrder.BGR),
    "rgb8": (3, PixelOrder.RGB),
    "mono8": (1, PixelOrder.GRAY),
    "8UC1": (1, PixelOrder.GRAY),
    "8U": (1, PixelOrder.GRAY),
}
_BAYER = [f"bayer_{order}{bits}" for order in ("rggb", "bggr", "gbrg", "grbg") for bits in (8, 16)]
# encoding: (NumPy type, channels, name for the converter, what to convert it to or "" for as it is)
_CONVERTED: dict[str, tuple[type[np.generic], int, str, str]] = {
    "bgra8": (np.uint8, 4, "bgra8", "bgr8"),
    "8UC4": (np.uint8, 4, "bgra8", "bgr8"),
    "rgba8": (np.uint8, 4, "rgba8", "bgr8"),
    "bgr16": (np.uint16, 3, "bgr16", ""),
    "16UC3": (np.uint16, 3, "bgr16", ""),
    "rgb16": (np.uint16, 3, "rgb16", "bgr16"),
    "bgra16": (np.uint16, 4, "bgra16", "bgr16"),
    "rgba16": (np.uint16, 4, "rgba16", "bgr16"),
    "mono16": (np.uint16, 1, "mono16", ""),
    "32FC3": (np.float32, 3, "32FC3", ""),
    "64FC3": (np.float64, 3, "64FC3", ""),
    "yuv422": (np.uint8, 2, "yuv422", "bgr8"),
    "uyvy": (np.uint8, 2, "yuv422", "bgr8"),
    "yuv422_yuy2": (np.uint8, 2, "yuv422_yuy2", "bgr8"),
    "yuyv": (np.uint8, 2, "yuv422_yuy2", "bgr8"),
    **{name: (np.uint8, 1, name, "bgr8") for name in _BAYER if name.endswith("8")},
    **{name: (np.uint16, 1, name, "bgr16") for name in _BAYER if name.endswith("16")},
}
_PLANAR = {
    "nv12": cv2.COLOR_YUV2BGR_NV12,
    "nv21": cv2.COLOR_YUV2BGR_NV21,
    "i420": cv2.COLOR_YUV2BGR_I420,
    "yuv420": cv2.COLOR_YUV2BGR_I420,
    "yv12": cv2.COLOR_YUV2BGR_YV12,
}
_FULL_CHROMA = {"nv24": (0, 1), "nv42": (1, 0)}  # places of U and V in a pair
# B, G, R from Y, U, V of BT.601 with the range of video, as OpenCV has it for NV12.
_YUV_TO_BGR = np.array(
    [
        [1.164383, 2.017232, 0.0, -16 * 1.164383 - 128 * 2.017232],
        [1.164383, -0.391762, -0.812968, -16 * 1.164383 + 128 * (0.391762 + 0.812968)],
        [1.164383, 0.0, 1.596027, -16 * 1.164383 - 128 * 1.596027],
    ]
)
# One channel without a meaning of its own: depth cameras use them for millimetres or metres (REP-118).
DEPTH_ENCODINGS = ("16UC1", "16U", "16SC1", "32FC1", "32F", "64FC1")

ENCODINGS = (*_VIEWS, *_CONVERTED, *_PLANAR, *_FULL_CHROMA)
"""All encodings that ``frame_from_raw`` understands."""


class BitDepth:
    """How many bits the 16-bit images of one camera use.

    Keeps the most it has seen, so that the brightness of a film does not jump.

    Attributes:
        bits: 0 before the first 16-bit image; then 8, 10, 12, 14 or 16.
    """

    def __init__(self) -> None:
        self.bits = 0

    def __call__(self, image: NDArray[Any]) -> int:
        """The bits to scale this image by."""
        if image.dtype == np.uint16:
            self.bits = max(self.bits, bits_in(image))
        return self.bits or 16


@dataclass(frozen=True, eq=False)
class RawImage:
    """The fields of ``sensor_msgs/Image`` that converters read; rows packed, native byte order."""

    encoding: str
    height: int
    width: int
    step: int
    is_bigendian: int
    data: NDArray[np.uint8]


Converter = Callable[[RawImage, str], NDArray[Any]]
"""Converts an image to another encoding ("" for none); raises any exception when it cannot."""


def rosbags_converter(image: RawImage, target: str) -> NDArray[Any]:
    """``Converter`` of rosbags-image."""
    from rosbags.image import image_to_cvimage

    return np.asarray(image_to_cvimage(image, target or None))  # type: ignore[arg-type]


def cv_bridge_converter() -> Converter:
    """``Converter`` of cv_bridge.

    Raises:
        ImportError: cv_bridge is not installed (or fits another NumPy).
    """
    from cv_bridge import CvBridge

    bridge = CvBridge()
    return lambda image, target: np.asarray(bridge.imgmsg_to_cv2(image, target or "passthrough"))


@lru_cache(maxsize=1)
def best_converter() -> Converter:
    """cv_bridge where it is installed and works, else rosbags-image."""
    try:
        return cv_bridge_converter()
    except ImportError:
        return rosbags_converter
    except Exception as error:  # a cv_bridge built for another NumPy fails in many ways
        _log.warning("cv_bridge is installed but broken (%s); using rosbags-image", error)
        return rosbags_converter


def frame_from_raw(
    encoding: str,
    height: int,
    width: int,
    step: int,
    is_bigendian: bool,
    data: Any,
    stamp_ns: int = 0,
    frame_id: str = "",
    camera: Camera | None = None,
    *,
    convert: Converter | None = None,
    depth: BitDepth | None = None,
) -> Frame:
    """Frame of the fields of a ``sensor_msgs/Image``.

    The image of ``bgr8``, ``rgb8`` and ``mono8`` is a read-only view on ``data``; with padded rows
    it is strided, which OpenCV takes as it is. 16-bit values are scaled by the bits they use, see
    ``BitDepth``, and rounded; float pictures are taken as 0 to 1 (OpenCV's convention), NaN as 0.

    Args:
        encoding: One of ``ENCODINGS``.
        height, width: Pixels.
        step: Bytes per row.
        is_bigendian: Byte order of 16-bit and wider values.
        data: Any object with the buffer protocol, ``step * height`` bytes or more.
        stamp_ns, frame_id, camera: See ``Frame``.
        convert: For other than the zero-copy encodings; ``best_converter()`` when None.
        depth: Used bits of 16-bit values; by this image's content when None.

    Raises:
        InputError: The encoding is unknown or that of depth, the image has no pixels, ``step`` or
            ``data`` is too small, or the conversion failed.
    """
    pixels, row = _layout(encoding, height, width)
    _check(encoding, height, width, step, row, pixels, data)
    if encoding in _VIEWS:
        channels, order = _VIEWS[encoding]
        image = _view(data, (height, width, channels), (step, channels, 1))
        return Frame(image if channels == 3 else image[..., 0], stamp_ns, frame_id, camera, order)
    if encoding in _PLANAR:
        planes = np.ascontiguousarray(_view(data, (pixels, width), (step, 1)))
        image = np.asarray(cv2.cvtColor(planes, _PLANAR[encoding]), np.uint8)
        return Frame(image, stamp_ns, frame_id, camera)
    if encoding in _FULL_CHROMA:
        luma_and_chroma = np.ascontiguousarray(_view(data, (pixels, width), (step, 1)))
        image = _from_full_chroma(luma_and_chroma, height, width, _FULL_CHROMA[encoding])
        return Frame(image, stamp_ns, frame_id, camera)
    packed = _packed(encoding, height, width, row, _view(data, (height, row), (step, 1)), is_bigendian)
    wide = _converted(packed, encoding, convert or best_converter())
    image = to_8bit(wide, (depth or BitDepth())(wide))
    order = PixelOrder.GRAY if image.ndim == 2 else PixelOrder.BGR
    return Frame(image, stamp_ns, frame_id, camera, order)


DEPTH_KINDS: dict[str, type[np.generic]] = {
    "16UC1": np.uint16,
    "16U": np.uint16,
    "32FC1": np.float32,
    "32F": np.float32,
}
MILLIMETRE = 0.001


def depth_from_raw(
    encoding: str, height: int, width: int, step: int, is_bigendian: bool, data: Any
) -> NDArray[np.float32]:
    """Metres of a depth image, REP-118: 16UC1 are millimetres, 0 unknown; 32FC1 metres, NaN unknown.

    Args:
        encoding, height, width, step, is_bigendian, data: As in ``frame_from_raw``.

    Returns:
        (H, W) float32; NaN where unknown, and for what is no distance (infinite, 0 or less).

    Raises:
        InputError: Another encoding, or a size that does not fit.
    """
    if encoding not in DEPTH_KINDS:
        raise InputError(
            f"depth images with the encoding {encoding!r} are not used (known: {', '.join(DEPTH_KINDS)}; "
            "16UC1 in millimetres, 32FC1 in metres)"
        )
    kind = np.dtype(DEPTH_KINDS[encoding])
    row = width * kind.itemsize
    _check(encoding, height, width, step, row, height, data)
    raw = np.ascontiguousarray(_view(data, (height, row), (step, 1))).view(kind)
    if bool(is_bigendian) != (sys.byteorder == "big"):
        raw = raw.byteswap()
    return metres_of(raw)


def metres_of(depth: NDArray[Any]) -> NDArray[np.float32]:
    """Whole numbers are millimetres, others metres; NaN for what is no distance (infinite, 0 or less)."""
    metres = depth.astype(np.float32) * np.float32(MILLIMETRE if depth.dtype.kind == "u" else 1)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(np.isfinite(metres) & (metres > 0), metres, np.nan), np.float32)


def _layout(encoding: str, height: int, width: int) -> tuple[int, int]:
    """(rows, bytes per row) of an encoding, its chroma planes as further rows."""
    if encoding in _FULL_CHROMA:
        return height * 3, width
    if encoding in _PLANAR:
        if width % 2 or height % 2:
            raise InputError(f"image of {width} x {height} in {encoding}: width and height must be even")
        return height * 3 // 2, width
    if encoding in _VIEWS:
        return height, width * _VIEWS[encoding][0]
    if encoding in _CONVERTED:
        kind, channels, _, _ = _CONVERTED[encoding]
        if channels == 2 and width % 2:
            raise InputError(f"image of {width} x {height} in {encoding}: the width must be even")
        return height, width * channels * np.dtype(kind).itemsize
    if encoding in DEPTH_ENCODINGS:
        raise InputError(
            f"image encoding {encoding!r} is that of depth images; choose the camera's colour or infrared "
            "topic (a picture of 16 bits has the encoding mono16)"
        )
    raise InputError(f"image encoding {encoding!r} is unknown (known: {', '.join(ENCODINGS)})")


def _from_full_chroma(
    planes: NDArray[np.uint8], height: int, width: int, order: tuple[int, int]
) -> NDArray[np.uint8]:
    """BGR of (3 H, W): luma, then pairs of chroma for every pixel."""
    chroma = planes[height:].reshape(height, width, 2)
    yuv = np.dstack([planes[:height], chroma[..., order[0]], chroma[..., order[1]]]).astype(np.float32)
    return np.asarray(np.rint(np.clip(cv2.transform(yuv, _YUV_TO_BGR), 0, 255)), np.uint8)


def _check(encoding: str, height: int, width: int, step: int, row: int, rows: int, data: Any) -> None:
    if height < 1 or width < 1:
        raise InputError(f"image of {width} x {height} pixels ({encoding}): expected at least 1 x 1")
    if step < row:
        raise InputError(
            f"image step is {step} bytes; a row of {width} pixels in {encoding} has {row}: "
            "the sender fills in 'step' or 'encoding' wrongly"
        )
    size = memoryview(data).nbytes
    if size < step * rows:
        raise InputError(
            f"image data has {size} bytes; expected step x rows = {step} x {rows} = {step * rows} "
            f"for {width} x {height} in {encoding}"
        )


def _view(data: Any, shape: tuple[int, ...], strides: tuple[int, ...]) -> NDArray[np.uint8]:
    """Read-only view on the bytes of ``data``."""
    view: NDArray[np.uint8] = np.ndarray(shape, np.uint8, memoryview(data).cast("B"), strides=strides)
    view.flags.writeable = False
    return view


def _packed(
    encoding: str, height: int, width: int, row: int, rows: NDArray[np.uint8], is_bigendian: bool
) -> RawImage:
    kind, _, name, _ = _CONVERTED[encoding]
    native_is_big = sys.byteorder == "big"
    data = np.ascontiguousarray(rows).reshape(-1)
    if np.dtype(kind).itemsize > 1 and bool(is_bigendian) != native_is_big:
        data = data.view(kind).byteswap().view(np.uint8)
    return RawImage(name, height, width, row, int(native_is_big), data)


def _converted(image: RawImage, encoding: str, convert: Converter) -> NDArray[Any]:
    try:
        return convert(image, _CONVERTED[encoding][3])
    except Exception as error:  # converters raise what they like
        raise InputError(
            f"image of {image.width} x {image.height} in {encoding} could not be converted: {error}"
        ) from error


def frame_from_compressed(
    format: str,
    data: Any,
    stamp_ns: int = 0,
    frame_id: str = "",
    camera: Camera | None = None,
    *,
    depth: BitDepth | None = None,
) -> Frame:
    """Frame of the fields of a ``sensor_msgs/CompressedImage``.

    Args:
        format: ``jpeg``, ``png``, or the form of compressed_image_transport, ``ENCODING; jpeg
            compressed ORDER``. As there, an ORDER of rgb means that red and blue were swapped
            before compressing.
        data: The compressed bytes.
        stamp_ns, frame_id, camera: See ``Frame``.
        depth: Used bits of 16-bit values; by this image's content when None.

    Raises:
        InputError: It is a depth image, or cannot be decoded.
    """
    if "compressedDepth" in format or format.split(";")[0].strip() in DEPTH_ENCODINGS:
        raise InputError(
            f"compressed image has the format {format!r}: that is a depth image; "
            "choose the camera's colour topic (its compressed form ends in /compressed)"
        )
    try:
        image = decode(data, cv2.IMREAD_UNCHANGED)
    except InputError as error:
        size = memoryview(data).nbytes
        raise InputError(
            f"compressed image (format {format!r}, {size} bytes): {error}; expected a whole JPEG or PNG file"
        ) from error
    pixels = to_8bit(image, (depth or BitDepth())(image))
    mosaic = re.match(r"bayer_(rggb|bggr|gbrg|grbg)(8|16)\b", format)
    if pixels.ndim == 2 and mosaic:  # PNG, and JPEG of older releases of compressed_image_transport
        height, width = pixels.shape
        name, data = f"bayer_{mosaic[1]}8", np.ascontiguousarray(pixels)
        return frame_from_raw(name, height, width, width, False, data, stamp_ns, frame_id, camera)
    if pixels.ndim == 2:
        return Frame(pixels, stamp_ns, frame_id, camera, PixelOrder.GRAY)
    if pixels.shape[2] == 4:
        pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGRA2BGR), np.uint8)
    swapped = re.search(r";.*compressed rgb", format) is not None
    return Frame(pixels, stamp_ns, frame_id, camera, PixelOrder.RGB if swapped else PixelOrder.BGR)
