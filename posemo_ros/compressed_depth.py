"""Compressed depth images as metres, as ``compressed_depth_image_transport`` and PNGs of 16 bits have them.

A header of 12 bytes (int32 format, float32 a, float32 b, little endian), then a PNG of 16 bits, or the
width, the height (uint32) and RVL. ``16UC1`` are millimetres as they are; of ``32FC1`` the picture holds
a / metres + b, cut to whole numbers, 0 where unknown: fine near the camera, coarse far away.

RVL: run lengths and zigzag differences in groups of three bits (A. D. Wilson, "Fast Lossless Depth Image
Compression", ISS 2017).
"""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .images import DEPTH_KINDS, metres_of
from .pictures import decode

MAX_PIXELS = 20_000_000  # twice the depth of a 4K camera; a few kilobytes can claim more
_HEADER = struct.Struct("<iff")
_SIZE = struct.Struct("<II")
_PNG = b"\x89PNG"
_LONGEST = 11  # groups of three bits in a number of 32


def depth_from_compressed(format: str, data: Any) -> NDArray[np.float32]:
    """Metres of a compressed depth image.

    Args:
        format: ``16UC1; compressedDepth png``, ``32FC1; compressedDepth rvl`` and the like, or
            ``16UC1; png compressed`` (a PNG of millimetres without header).
        data: The compressed bytes.

    Returns:
        (H, W) float32; NaN where unknown.

    Raises:
        InputError: Another format, no depth, damaged data, or more than ``MAX_PIXELS``.
    """
    try:
        return _metres(format, bytes(data))
    except InputError as error:
        size = memoryview(data).nbytes
        raise InputError(f"compressed depth (format {format!r}, {size} bytes): {error}") from error


def _metres(format: str, data: bytes) -> NDArray[np.float32]:
    encoding, _, how = (part.strip() for part in format.partition(";"))
    kind = DEPTH_KINDS.get(encoding)
    if kind is None:
        raise InputError(f"expected an encoding of {', '.join(DEPTH_KINDS)} before the semicolon")
    if "jpeg" in how:
        raise InputError(
            "JPEG holds no depth; set the transport's format to png, or take the topic .../compressedDepth"
        )
    if kind is np.uint16 and data.startswith(_PNG):
        return metres_of(_png(data))
    if len(data) <= _HEADER.size:
        raise InputError(f"expected a header of {_HEADER.size} bytes and a picture")
    _, a, b = _HEADER.unpack_from(data)
    values = _rvl(data[_HEADER.size :]) if "rvl" in how else _png(data[_HEADER.size :])
    return metres_of(values if kind is np.uint16 else _from_inverse(values, a, b))


def _from_inverse(values: NDArray[np.uint16], a: float, b: float) -> NDArray[np.float32]:
    if not (np.isfinite(a) and np.isfinite(b) and a > 0):
        raise InputError(
            f"the header says depth = {a:g} / (value - {b:g}); expected finite numbers, the first above 0"
        )
    with np.errstate(divide="ignore"):
        metres: NDArray[np.float32] = np.float32(a) / (values.astype(np.float32) - np.float32(b))
    metres[values == 0] = np.nan
    return metres


def _png(data: bytes) -> NDArray[np.uint16]:
    if not data.startswith(_PNG):
        raise InputError("expected a PNG after the header")
    values = decode(data, cv2.IMREAD_UNCHANGED, max_pixels=MAX_PIXELS)
    if values.dtype != np.uint16 or values.ndim != 2:
        raise InputError(
            f"expected one channel of 16 bits in the PNG, found {values.dtype} of shape {values.shape}"
        )
    return values


def _rvl(data: bytes) -> NDArray[np.uint16]:
    if len(data) < _SIZE.size:
        raise InputError("expected width and height before the RVL data")
    width, height = _SIZE.unpack_from(data)
    if not 0 < width * height <= MAX_PIXELS:
        raise InputError(f"claims {width} x {height} pixels; expected 1 to {MAX_PIXELS / 1e6:.0f} million")
    differences, known = _runs(_numbers(data[_SIZE.size :]), width * height)
    return np.where(known, np.cumsum(differences, dtype=np.uint16), np.uint16(0)).reshape(height, width)


def _runs(numbers: NDArray[np.int64], pixels: int) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
    """What each pixel adds to the known one before it, and which are known; (pixels,) each.

    The numbers are: how many are unknown, how many are known, the differences of these, and so on.
    """
    steps, runs = numbers.tolist(), list[tuple[int, int, int]]()
    at = pixel = 0
    try:
        while pixel < pixels:
            begin, count = pixel + steps[at], steps[at + 1]
            runs.append((begin, count, at + 2))
            at, pixel = at + 2 + count, begin + count
    except IndexError:
        pixel = 0
    if pixel != pixels or at > len(steps):
        raise InputError("the RVL data are cut off, damaged, or of another size than they claim")
    begins, counts, places = np.array(runs).T
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    run = numbers[np.repeat(places, counts) + within]
    where = np.repeat(begins, counts) + within
    differences, known = np.zeros(pixels, np.uint16), np.zeros(pixels, bool)
    differences[where] = (run >> 1) ^ -(run & 1)  # differences wrap around as these do
    known[where] = True
    return differences, known


def _numbers(data: bytes) -> NDArray[np.int64]:
    """Numbers of groups of four bits: three of the number, the lowest first, and whether more follow."""
    words = np.frombuffer(data, "<u4", count=len(data) // 4)
    groups = ((words[:, None] >> np.arange(28, -1, -4, dtype=np.uint32)) & 15).ravel()
    ends = np.flatnonzero(groups < 8) + 1
    starts = np.concatenate([[0], ends[:-1]])
    lengths = ends - starts
    if not len(ends) or lengths.max() > _LONGEST:
        raise InputError("the RVL data are damaged")
    place = np.arange(ends[-1]) - np.repeat(starts, lengths)
    return np.asarray(np.add.reduceat((groups[: ends[-1]] & 7).astype(np.int64) << (3 * place), starts))
