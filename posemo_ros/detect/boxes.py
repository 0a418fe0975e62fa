"""Arithmetic of boxes, xyxy in pixels."""

from __future__ import annotations

import numpy as np

from ..types import Floats


def iou(a: Floats, b: Floats) -> Floats:
    """Intersection over union of every box of ``a`` (n, 4) with every box of ``b`` (m, 4): (n, m)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(axis=2)
    union = areas(a)[:, None] + areas(b)[None] - common
    return np.asarray(common / np.maximum(union, 1e-9), np.float32)


def areas(boxes: Floats) -> Floats:
    """(n,) px² of (n, 4) boxes; 0 where a box is inside out."""
    return np.asarray(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1), np.float32)
