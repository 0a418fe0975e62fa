"""Who is not the one that was lost: somebody of another height, or in other clothes.

When people cross, boxes alone cannot say who comes out on which side. What speaks against somebody counts
as similarity, which the tracker takes away. Symbols: T lost people, N boxes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..types import Floats
from .boxes import inside
from .looks import difference

Doubles = NDArray[np.float64]

GONE = 0.5  # of what was inside the image: whose predicted box keeps less has walked out of it
SAME_HEIGHT = 0.15  # difference of two logarithms
EDGE = 0.05  # of a box's height: so near to the image's edge it may be cut off
# CIE76, in the first three films of ``train scenes crossings``: in 90 of 100 images people are within 20 of
# their own mean; 75 of 100 pairs of somebody in an image and another one's mean are more than 38 apart.
LIKE, UNLIKE = 18.0, 40.0
NEVER = 3.0  # more than any similarity


def other_clothes(before: Floats, now: Floats) -> Doubles:
    """(T, N) 0 for the same colours, 1 for quite others, by (T, 6) and (N, 6) looks; 0 where not known."""
    apart = difference(before, now)
    return np.nan_to_num(np.clip((apart - LIKE) / (UNLIKE - LIKE), 0, 1))


def another_height(before: Doubles, predicted: Doubles, boxes: Doubles, size: tuple[int, int]) -> Doubles:
    """(T, N) how much higher or lower the boxes are.

    The smaller one's height counts for nothing where the upper or lower edge of the image may cut it off, but
    who walked out of the image comes back as tall or not at all: in a doorway the next one is somebody else.

    Args:
        before, predicted: (T, 4) boxes of lost people, px: when they were seen, and now.
        boxes: (N, 4) px.
        size: Width and height of the image, px.

    Returns:
        Difference of the logarithms; more than any similarity for those who walked out.
    """
    growth = _log_height(boxes)[None] - _log_height(before)[:, None]
    cut = np.where(growth > 0, _cut(before, size)[:, None], _cut(boxes, size)[None])
    other = _walked_out(before, predicted, size)[:, None] & (np.abs(growth) > SAME_HEIGHT)
    return np.where(other, NEVER, np.where(cut, 0, np.abs(growth)))


def _log_height(boxes: Doubles) -> Doubles:
    return np.asarray(np.log(np.maximum(boxes[:, 3] - boxes[:, 1], 1e-6)), np.float64)


def _cut(boxes: Doubles, size: tuple[int, int]) -> NDArray[np.bool_]:
    """(n,) whether the upper or lower edge of the image is near."""
    margin = EDGE * (boxes[:, 3] - boxes[:, 1])
    return np.asarray((boxes[:, 1] < margin) | (boxes[:, 3] > size[1] - margin), np.bool_)


def _walked_out(before: Doubles, now: Doubles, size: tuple[int, int]) -> NDArray[np.bool_]:
    """(T,) who should be outside by now, by far more than when they were seen."""
    image = np.array([[0, 0, *size]], np.float32)
    then, left = (inside(boxes.astype(np.float32), image)[:, 0] for boxes in (before, now))
    return np.asarray(left < GONE * then, np.bool_)
