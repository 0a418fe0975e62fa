"""Compresses depth images as ``compressed_depth_image_transport`` does, number by number."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import cv2
import numpy as np

QUANTISATION, MAX_M = 100.0, 10.0  # the transport's own defaults


def compressed(depth: np.ndarray, *, rvl: bool = False, quantisation: float = QUANTISATION) -> bytes:
    """Header and picture of (H, W) uint16 millimetres, or float metres."""
    a = b = 0.0
    if depth.dtype.kind == "f":
        a = quantisation * (quantisation + 1)
        b = 1 - a / MAX_M
        known = np.nan_to_num(depth, nan=MAX_M) < MAX_M
        depth = np.where(known, a / np.where(known, depth, 1) + b, 0).astype(np.uint16)
    if not rvl:
        return struct.pack("<iff", 0, a, b) + cv2.imencode(".png", depth)[1].tobytes()
    height, width = depth.shape
    return struct.pack("<iffII", 0, a, b, width, height) + _rvl(depth.ravel().tolist())


def _rvl(values: list[int]) -> bytes:
    groups = [group for number in _numbers(values) for group in _groups(number)]
    groups += [0] * (-len(groups) % 8)
    digits = "".join(f"{group:x}" for group in groups)
    return b"".join(bytes.fromhex(digits[i : i + 8])[::-1] for i in range(0, len(digits), 8))


def _numbers(values: list[int]) -> Iterator[int]:
    at = before = 0
    while at < len(values):
        start = at
        while at < len(values) and values[at] == 0:
            at += 1
        yield at - start
        start = at
        while at < len(values) and values[at]:
            at += 1
        yield at - start
        for value in values[start:at]:
            difference, before = value - before, value
            yield 2 * difference if difference >= 0 else -2 * difference - 1


def _groups(number: int) -> Iterator[int]:
    while number > 7:
        yield number & 7 | 8
        number >>= 3
    yield number
