"""Arithmetic of boxes, xyxy in pixels."""

from __future__ import annotations

import numpy as np

from ..types import Floats


def iou(a: Floats, b: Floats) -> Floats:
    """Intersection over union of every box of ``a`` (n, 4) with every box of ``b`` (m, 4): (n, m)."""
    common = _common(a, b)
    union = areas(a)[:, None] + areas(b)[None] - common
    return np.asarray(common / np.maximum(union, 1e-9), np.float32)


def pairs(a: Floats, b: Floats, least: float) -> list[tuple[int, int]]:
    """Indices of the boxes of ``a`` (n, 4) and ``b`` (m, 4) that belong together, in the order of ``a``.

    One to one, so that the overlap (IoU) is largest in all, and at least ``least`` in each pair.
    """
    from scipy.optimize import linear_sum_assignment  # see PersonTracker

    overlap = iou(a, b)
    overlap[~(overlap >= least)] = 0.0  # else two pairs that are none may outweigh one that is; NaN is none
    rows, cols = linear_sum_assignment(overlap, maximize=True)
    return [(r, c) for r, c in zip(rows.tolist(), cols.tolist(), strict=True) if overlap[r, c] >= least]


def inside(a: Floats, b: Floats) -> Floats:
    """How much of every box of ``a`` (n, 4) lies in every box of ``b`` (m, 4), 0 to 1: (n, m)."""
    return np.asarray(_common(a, b) / np.maximum(areas(a), 1e-9)[:, None], np.float32)


def areas(boxes: Floats) -> Floats:
    """(n,) px² of (n, 4) boxes; 0 where a box is inside out."""
    return np.asarray(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1), np.float32)


def _common(a: Floats, b: Floats) -> Floats:
    """(n, m) px² that the boxes share."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    return np.asarray(np.clip(high - low, 0, None).prod(axis=2), np.float32)
