"""How large somebody is, and so how far away, from a depth image aligned with the picture.

From one picture, size and distance can only be known together: a body twice as large, twice as far, looks
the same. The lifter assumes the size of the bodies it was trained on; a depth image says which it is.
Symbols: N persons, H x W pixels of the depth image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..skeleton import COCO17, H36M17
from ..types import Floats, View

Doubles = NDArray[np.float64]

# Across the trunk, where a body is broad: both shoulders, both hips, and from each to the opposite one.
_TRUNK = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
_LINES = ((0, 1), (2, 3), (0, 3), (1, 2))
_COCO = [COCO17.index(name) for name in _TRUNK]
_H36M = [H36M17.index(name) for name in _TRUNK]
_STEPS = np.linspace(0.1, 0.9, 9)

# Joints lie inside the body, so far behind its surface: half the depth of an adult's trunk.
SURFACE_M = 0.10
ENOUGH = 9  # points with a depth
SHARE = 0.5  # of the points
SPREAD_M = 0.15  # so far may AGREE of the points be off: more is two things, one in front of the other
AGREE = 0.7
PLAUSIBLE = (0.6, 1.6)  # times the size that was assumed: from a child of 1.0 m to a tall man
SAME_SHAPE = 0.02  # of the ratio of width and height


class Scales(NamedTuple):
    """What a depth image says.

    Attributes:
        factors: (N,) how much larger everybody is than was assumed; NaN where it does not say.
        reason: Why it says nothing about some; empty when it does about all.
    """

    factors: Doubles
    reason: str


@dataclass(frozen=True, eq=False)
class DepthImage:
    """Distances along the optical axis, of the same pixels as the picture, or fewer of the same view.

    Attributes:
        metres: (H, W) float32; NaN where nothing was measured (REP-118).
        stamp_ns: Time of exposure.
    """

    metres: Floats
    stamp_ns: int = 0

    def check(self, view: View) -> None:
        """Whether it can be that of a picture.

        Raises:
            InputError: It has another shape.
        """
        height, width = self.metres.shape
        if abs((width / height) / (view.width / view.height) - 1) > SAME_SHAPE:
            raise InputError(
                f"the depth image has {width} x {height} pixels, the picture {view.width} x {view.height}: "
                "not the same view; take the depth that is aligned with the picture (aligned_depth_to_color)"
            )

    def at(self, pixels: NDArray[np.floating], view: View) -> Doubles:
        """Depth at places of the picture.

        Args:
            pixels: (..., 2) x, y in the picture.
            view: Of the picture.

        Returns:
            (...) metres, the median of 3 x 3 pixels; NaN outside, and where most of these are not known.
        """
        height, width = self.metres.shape
        scaled = (np.asarray(pixels, np.float64) + 0.5) * (width / view.width, height / view.height) - 0.5
        inside = (np.isfinite(scaled) & (scaled > -0.5) & (scaled < (width - 0.5, height - 0.5))).all(axis=-1)
        x, y = np.moveaxis(np.where(inside[..., None], np.rint(np.nan_to_num(scaled)), 0).astype(int), -1, 0)
        around = [
            self.metres[np.clip(y + dy, 0, height - 1), np.clip(x + dx, 0, width - 1)]
            for dy in (-1, 0, 1)
            for dx in (-1, 0, 1)
        ]
        values = np.sort(np.stack(around, axis=-1).astype(np.float64), axis=-1)  # NaN come last
        known = np.isfinite(values).sum(axis=-1)
        middle = np.take_along_axis(values, np.maximum(known - 1, 0)[..., None] // 2, axis=-1)[..., 0]
        return np.where(inside & (known >= 5), middle, np.nan)


def scales(
    relative: Floats, roots: Floats, keypoints: Floats, view: View, depth: DepthImage, min_score: float
) -> Scales:
    """How much larger people are than was assumed; skeleton and place are to be multiplied by it.

    Args:
        relative, roots: As in ``Skeletons3D``, from the picture alone.
        keypoints: (N, 17, 3) x px, y px, score, COCO-17, of the same picture.
        view: Of the picture.
        depth: Of the same moment.
        min_score: Keypoints below it are not used.

    Raises:
        InputError: The depth image is not that of the picture.
    """
    depth.check(view)
    factors, reasons = np.full(len(roots), np.nan), list[str]()
    for row in range(len(roots)):
        factors[row], reason = _scale(relative[row], roots[row], keypoints[row], view, depth, min_score)
        reasons += [reason] * bool(reason)
    return Scales(factors, reasons[0] if reasons else "")


def _scale(
    relative: Floats, root: Floats, keypoints: Floats, view: View, depth: DepthImage, min_score: float
) -> tuple[float, str]:
    """The factor, or NaN and why."""
    trunk = keypoints[_COCO].astype(np.float64)
    seen = np.isfinite(trunk).all(axis=1) & (trunk[:, 2] >= min_score)
    lines = [line for line in _LINES if seen[list(line)].all()]
    away = root[2] + relative[_H36M, 2].astype(np.float64)
    if not lines or not np.isfinite(away).all():
        return np.nan, "no two points of the trunk are seen"
    pixels = np.concatenate([_between(trunk[a, :2], trunk[b, :2]) for a, b in lines])
    assumed = np.concatenate([_between(away[[a]], away[[b]])[:, 0] for a, b in lines])
    measured = depth.at(pixels, view) + SURFACE_M
    known = np.isfinite(measured)
    if known.sum() < max(ENOUGH, SHARE * len(known)):
        return np.nan, "too little depth is known on the trunk"
    ratio = measured[known] / assumed[known]
    factor = float(np.median(ratio))
    if np.quantile(np.abs(measured[known] / factor - assumed[known]), AGREE) > SPREAD_M:
        return np.nan, "the depth on the trunk is of several things"
    if not PLAUSIBLE[0] <= factor <= PLAUSIBLE[1]:
        return np.nan, f"the depth would make somebody {factor:.1f} times as large as people are"
    return factor, ""


def _between(a: Doubles, b: Doubles) -> Doubles:
    return np.asarray(a + _STEPS[:, None] * (b - a))
