"""The 1€ filter: calm joints where a person is still, no lag where they move.

Casiez, Roussel & Vogel, "1€ Filter: A Simple Speed-based Low-pass Filter for Noisy Input in
Interactive Systems", CHI 2012. Symbols: N persons, J points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..types import Floats

CUTOFF_HZ_PER_MPS = 4.0  # the paper's beta
SPEED_CUTOFF_HZ = 1.0  # of the speed estimate, as in the paper
MAX_GAP_S = 0.5  # somebody away for longer starts anew

Doubles = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _State:
    time: float
    points: Doubles
    velocity: Doubles


class OneEuroFilter:
    """One filter per person and point; a point's axes share the speed.

    Attributes:
        min_cutoff_hz: Cut-off for a point at rest. It rises by 4 Hz for every metre per second.
    """

    def __init__(self, min_cutoff_hz: float) -> None:
        self.min_cutoff_hz = min_cutoff_hz
        self._states: dict[str, _State] = {}

    def reset(self) -> None:
        """Forget everybody."""
        self._states.clear()

    def smooth(
        self, time: float, ids: tuple[str, ...], points: Floats, metres: Floats | None = None
    ) -> Floats:
        """Smoothed points of one moment.

        Args:
            time: Seconds, never less than in the call before.
            ids: N persons; those who are missing for half a second are forgotten.
            points: (N, J, D), NaN where unknown; metres, or another unit.
            metres: (N,) metres per unit of each person's points; 1 when None.

        Returns:
            (N, J, D) float32; NaN where ``points`` is.
        """
        scales = np.ones(len(ids)) if metres is None else metres
        self._states = {k: s for k, s in self._states.items() if time - s.time <= MAX_GAP_S}
        for person, row, scale in zip(ids, points, scales, strict=True):
            last = self._states.get(person)
            self._states[person] = self._next(last, time, row.astype(np.float64), float(scale))
        smoothed = [self._states[person].points for person in ids]
        return np.asarray(smoothed, np.float32).reshape(points.shape)

    def _next(self, last: _State | None, time: float, points: Doubles, scale: float) -> _State:
        if last is None:
            return _State(time, points, np.zeros_like(points))
        if time == last.time:  # two images of one moment: nothing to learn about the speed
            return _State(time, points, last.velocity)
        gap = time - last.time
        moved = np.nan_to_num((points - last.points) / gap)
        velocity = last.velocity + _share(SPEED_CUTOFF_HZ, gap) * (moved - last.velocity)
        speed = scale * np.linalg.norm(velocity, axis=-1, keepdims=True)
        share = _share(self.min_cutoff_hz + CUTOFF_HZ_PER_MPS * speed, gap)
        old = np.where(np.isfinite(last.points), last.points, points)
        return _State(time, old + share * (points - old), velocity)


def _share(cutoff_hz: Doubles | float, gap: float) -> Doubles:
    """How much of a new sample enters a low-pass of first order."""
    turned = 2 * np.pi * np.asarray(cutoff_hz) * gap
    return np.asarray(turned / (turned + 1))
