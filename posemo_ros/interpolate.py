"""Sequences between and beyond their samples. Symbols: S samples, T wanted times, J joints, D numbers."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Real = TypeVar("Real", bound=np.floating)


def at_times(
    stamps: NDArray[np.floating], values: NDArray[Real], times: NDArray[np.floating]
) -> NDArray[Real]:
    """Straight lines between samples; at rest before the first and after the last.

    Args:
        stamps: (S,) strictly ascending, S > 0.
        values: (S, ...).
        times: (T,).

    Returns:
        (T, ...).
    """
    if len(stamps) == 1:
        return np.repeat(values, len(times), axis=0)
    after = np.clip(np.searchsorted(stamps, times), 1, len(stamps) - 1)
    before = after - 1
    share = np.clip((times - stamps[before]) / (stamps[after] - stamps[before]), 0, 1)
    weight = share.astype(values.dtype).reshape(-1, *(1,) * (values.ndim - 1))
    return np.asarray(values[before] + weight * (values[after] - values[before]))


def fill(
    stamps: NDArray[np.floating] | NDArray[np.integer], points: NDArray[Real], known: NDArray[np.bool_]
) -> NDArray[Real]:
    """Unknown samples of a joint on the straight line between the known ones; at rest at the ends.

    Args:
        stamps: (S,) strictly ascending.
        points: (..., S, J, D).
        known: (..., S, J).

    Returns:
        (..., S, J, D); NaN for joints without any known sample.
    """
    if known.all():
        return points
    count = len(stamps)
    index = np.arange(count)[:, None]
    before = np.maximum.accumulate(np.where(known, index, -1), axis=-2)
    after = np.minimum.accumulate(np.where(known, index, count)[..., ::-1, :], axis=-2)[..., ::-1, :]
    low = np.clip(np.where(before < 0, after, before), 0, count - 1)
    high = np.clip(np.where(after == count, before, after), 0, count - 1)
    span = stamps[high] - stamps[low]
    share = np.where(span > 0, (stamps[:, None] - stamps[low]) / np.where(span > 0, span, 1), 0)
    weight = share.astype(points.dtype)[..., None]
    a = np.take_along_axis(points, low[..., None], -3)
    b = np.take_along_axis(points, high[..., None], -3)
    never = ~np.asarray(known.any(-2, keepdims=True))[..., None]
    return np.where(never, points.dtype.type(np.nan), a + weight * (b - a))
