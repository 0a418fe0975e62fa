"""What colours somebody wears: who is who when people have passed each other.

Colours of the trunk and of the thighs, a dozen pixels for each person, at their keypoints. They are forgotten
with the person and never leave the tracker. Symbols: N persons.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from ..skeleton import COCO17
from ..types import Floats, Frame, PixelOrder
from .boxes import inside

SEEN = 0.3  # score of the keypoints
MEMORY_S = 0.5  # time constant of the mean: light and pose change
APART = 0.3  # share of somebody's box in another one up to which their colours are their own
CHANNELS = 6  # L*, a*, b* of the trunk and of the thighs
_SHOULDERS = [COCO17.index(f"{side}_shoulder") for side in ("left", "right")]
_HIPS = [COCO17.index(f"{side}_hip") for side in ("left", "right")]
_KNEES = [COCO17.index(f"{side}_knee") for side in ("left", "right")]
_ACROSS = np.array([0.3, 0.5, 0.7], np.float32)
_DOWN = np.array([0.2, 0.4, 0.6, 0.8], np.float32)
_THIGH = np.array([0.2, 0.35, 0.5, 0.65], np.float32)


def looks_of(frame: Frame, keypoints: Floats) -> Floats:
    """The colours people wear.

    Args:
        frame: The image.
        keypoints: (N, 17, 3) x px, y px, score, COCO-17.

    Returns:
        (N, 6) CIE L*, a*, b* (0 to 100, about -100 to 100) of the trunk and of the thighs, each the median of
        a dozen pixels; NaN where the keypoints were not seen or lie outside the image.
    """
    trunk, thighs = _places(keypoints[..., :2])
    return np.concatenate(
        [
            _colours(frame, places, keypoints[:, joints, 2].min(axis=1) >= SEEN)
            for places, joints in ((trunk, _SHOULDERS + _HIPS), (thighs, _HIPS + _KNEES))
        ],
        axis=1,
    )


def _places(points: Floats) -> tuple[Floats, Floats]:
    """(N, 12, 2) px on the trunk and (N, 8, 2) on the thighs."""
    shoulders, hips, knees = points[:, _SHOULDERS], points[:, _HIPS], points[:, _KNEES]
    sides = shoulders[:, None] + _DOWN[:, None, None] * (hips - shoulders)[:, None]  # (N, 4, 2, 2)
    left, right = sides[:, :, :1], sides[:, :, 1:]
    trunk = left + _ACROSS[:, None] * (right - left)
    thighs = hips[:, None] + _THIGH[:, None, None] * (knees - hips)[:, None]
    return trunk.reshape(-1, 12, 2), thighs.reshape(-1, 8, 2)


def difference(a: Floats, b: Floats) -> NDArray[np.float64]:
    """(n, m) how unlike people (n, 6) and (m, 6) look: mean of the known CIE76 differences, or NaN."""
    apart = np.square(a[:, None].astype(np.float64) - b[None]).reshape(len(a), len(b), 2, 3).sum(-1)
    known = np.isfinite(apart)
    total = np.where(known, np.sqrt(np.where(known, apart, 0)), 0).sum(-1)
    return np.where(known.any(-1), total / np.maximum(known.sum(-1), 1), np.nan)


def blend(before: Floats, now: Floats, gap_s: float) -> Floats:
    """(6,) somebody's look after another sighting, ``gap_s`` later; what was not seen stays as it was."""
    known = np.isfinite(before)
    weight = np.where(known, -math.expm1(-max(gap_s, 0.0) / MEMORY_S), 1.0)
    mixed = np.where(known, before, 0) * (1 - weight) + np.nan_to_num(now) * weight
    return np.where(np.isfinite(now), mixed, before).astype(np.float32)


def overlapped(boxes: Floats) -> NDArray[np.bool_]:
    """(N,) whose box (N, 4) overlaps somebody else's: some of what is seen there is theirs."""
    overlap = inside(boxes, boxes)
    np.fill_diagonal(overlap, 0)
    return np.asarray((overlap > APART).any(axis=1), np.bool_)


def _colours(frame: Frame, places: Floats, seen: NDArray[np.bool_]) -> Floats:
    """(N, 3) median colours at (N, P, 2) px; NaN for those not seen, or half outside the image."""
    size = np.array([frame.width, frame.height])
    pixels = np.clip(np.nan_to_num(places, nan=-1), -1, 1e6).round().astype(np.int64)
    known = seen & (((pixels >= 0) & (pixels < size)).all(-1).mean(-1) > 0.5)
    out = np.full((len(places), 3), np.nan, np.float32)
    if known.any():
        x, y = np.moveaxis(np.clip(pixels[known], 0, size - 1), -1, 0)
        out[known] = np.median(_lab(frame.image[y, x], frame.pixel_order), axis=1)
    return out


def _lab(pixels: NDArray[np.uint8], order: PixelOrder) -> Floats:
    """(N, P, 3), or (N, P) of grey, to (N, P, 3) CIE L*, a*, b*."""
    rgb = pixels[..., None].repeat(3, -1) if order is PixelOrder.GRAY else pixels
    rgb = rgb[..., ::-1] if order is PixelOrder.BGR else rgb
    return np.asarray(
        cv2.cvtColor(np.ascontiguousarray(rgb, np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32
    )
