"""What one person's keypoints did lately, at the instants a network asks for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..interpolate import at_times, fill
from ..types import Floats

Doubles = NDArray[np.float64]
MAX_GAP_S = 0.25  # over longer gaps between two sightings the filled-in points count as missing


class Track:
    """The keypoints of one person, oldest first. Missing ones are filled in when it is read.

    Args:
        max_gap: In the unit of the sample times (seconds, or frames where the network takes any
            rate): longer gaps between two sightings are filled too, but with score 0.
    """

    def __init__(self, max_gap: float = MAX_GAP_S) -> None:
        self._max_gap = max_gap
        self._times: list[float] = []
        self._points: list[Floats] = []
        self._scores: list[Floats] = []

    def __len__(self) -> int:
        return len(self._times)

    @property
    def newest(self) -> float:
        """Time of the newest sample."""
        return self._times[-1]

    def append(self, time: float, points: Floats, scores: Floats) -> None:
        """Add a sample; one with the time of the newest replaces it.

        Args:
            time: Not before the newest sample.
            points: (J, 2), NaN where missing.
            scores: (J,), 0 where missing.
        """
        if self._times and time == self._times[-1]:
            self._times.pop(), self._points.pop(), self._scores.pop()
        self._times.append(time)
        self._points.append(points)
        self._scores.append(scores)

    def forget_before(self, time: float) -> None:
        """Drop what is older than ``time``, but for the last sample before it."""
        old = int(np.searchsorted(self._times, time, side="right")) - 1
        if old > 0:
            del self._times[:old], self._points[:old], self._scores[:old]

    def at(self, times: Doubles) -> tuple[Floats, Floats]:
        """Keypoints at given times.

        Between two sightings of a joint it moves in a straight line; before the first and after
        the last it rests. The score is that of the nearest sample.

        Args:
            times: (F,) ascending.

        Returns:
            (F, J, 2) points, NaN for joints never seen; (F, J) scores, 0 where filled in.
        """
        stamps = np.asarray(self._times)
        points, scores = np.stack(self._points), np.stack(self._scores)
        seen = np.asarray(np.isfinite(points).all(-1))
        out = at_times(stamps, fill(stamps, points, seen), times)
        nearest = _nearest(stamps, times)
        trusted = seen[nearest] & ~_in_gap(stamps, times, self._max_gap)[:, None]
        return out, np.where(trusted, scores[nearest], np.float32(0)).astype(np.float32)


def _nearest(stamps: Doubles, times: Doubles) -> NDArray[np.intp]:
    after = np.clip(np.searchsorted(stamps, times), 1, max(len(stamps) - 1, 1))
    before = after - 1
    after = np.minimum(after, len(stamps) - 1)
    return np.where(np.abs(stamps[after] - times) <= np.abs(times - stamps[before]), after, before)


def _in_gap(stamps: Doubles, times: Doubles, max_gap: float) -> NDArray[np.bool_]:
    """(F,) whether a time lies strictly between two samples that are more than ``max_gap`` apart."""
    after = np.searchsorted(stamps, times)
    inside = (after > 0) & (after < len(stamps))
    hi = np.clip(after, 0, len(stamps) - 1)
    wide = stamps[hi] - stamps[np.maximum(hi - 1, 0)] > max_gap
    return np.asarray(inside & wide & (stamps[hi] != times))
