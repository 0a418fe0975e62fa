"""How large somebody is, and so how far away, from where their feet stand on a floor that is known.

From one picture, size and distance can only be known together (see ``depth``). A camera that knows how
high above the floor it is and how far it looks down knows where the floor is on every line of sight: the
nearer the feet are to the horizon, the farther away somebody stands. Symbols: N persons.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..skeleton import COCO17, H36M17
from ..types import Floats, People2D
from .depth import PLAUSIBLE

Doubles = NDArray[np.float64]

ANKLE_M = 0.065  # above the floor: 0.039 of the body height (Drillis & Contini 1966)
STEEP_DEG = 10.0  # feet lie at least so far below the horizon: 1 degree of error is then 10 % of the size
SEEN = 0.3  # score of both ankles
FEWEST, KEPT = 5, 60  # images that say something before it is believed, and that are remembered
LOW = 0.3  # quantile of these: a foot in the air, if at all, makes people too large, never too small
FORGOTTEN_NS = 2_000_000_000
_SIDES = ("left_ankle", "right_ankle")
_COCO = [COCO17.index(name) for name in _SIDES]
_H36M = [H36M17.index(name) for name in _SIDES]


@dataclass(frozen=True)
class Ground:
    """A level floor, seen by a camera that does not roll.

    Attributes:
        height_m: Of the camera above it, metres.
        tilt_deg: How far the camera looks down, degrees; negative: up.
    """

    height_m: float
    tilt_deg: float = 0.0

    @property
    def up(self) -> Doubles:
        """(3,) away from the floor, in the camera's optical frame."""
        tilt = np.radians(self.tilt_deg)
        return np.array([0.0, -np.cos(tilt), -np.sin(tilt)])


def factors(relative: Floats, roots: Floats, keypoints: Floats, ground: Ground) -> Doubles:
    """How much larger people are than was assumed, if the lower one of their feet stands on the floor.

    Args:
        relative, roots: As in ``Skeletons3D``, from the picture alone.
        keypoints: (N, 17, 3) x px, y px, score, COCO-17, of the same picture.
        ground: Where the floor is.

    Returns:
        (N,) NaN where feet are not seen, lie too near to the horizon, or would say that somebody has no
        size that people have.
    """
    feet = np.asarray(roots, np.float64)[:, None] + relative[:, _H36M]
    below = -(feet @ ground.up)  # (N, 2) metres below the camera
    steep = below >= np.sin(np.radians(STEEP_DEG)) * np.linalg.norm(feet, axis=-1)
    seen = (keypoints[:, _COCO, 2] >= SEEN).all(axis=1) & np.isfinite(below).all(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = ground.height_m / (below.max(axis=1) + ANKLE_M)
        sane = seen & steep.any(axis=1) & (found >= PLAUSIBLE[0]) & (found <= PLAUSIBLE[1])
    return np.where(sane, found, np.nan)


@dataclass
class GroundSizes:
    """Sizes over time.

    Attributes:
        ground: Where the floor is; None: not known. May change at any time.
    """

    ground: Ground | None = None
    _known: dict[str, tuple[int, deque[float]]] = field(default_factory=dict)

    def reset(self) -> None:
        """Forget everybody."""
        self._known.clear()

    def of(self, people: People2D, relative: Floats, roots: Floats) -> Floats:
        """(N,) factors; 1 for those whose feet have said too little so far."""
        if self.ground is None or not len(people):
            return np.ones(len(people), np.float32)
        now = people.stamp_ns
        self._known = {k: v for k, v in self._known.items() if 0 <= now - v[0] <= FORGOTTEN_NS}
        said = factors(relative, roots, people.keypoints, self.ground)
        return np.array([self._with(p, now, v) for p, v in zip(people.ids, said, strict=True)], np.float32)

    def _with(self, person: str, now: int, said: float) -> float:
        _, values = self._known.get(person, (now, deque[float](maxlen=KEPT)))
        if np.isfinite(said):
            values.append(float(said))
        self._known[person] = now, values
        return float(np.quantile(values, LOW)) if len(values) >= FEWEST else 1.0
