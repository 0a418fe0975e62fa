"""Evidence over time: an answer appears after consistent windows, and does not flicker."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..types import Floats

AVERAGE_S = 0.8  # time constant of the mean over the windows, which overlap anyway
CONSISTENT_S = 0.4  # so long the mean must be for an emotion before it is reported
KEEP = 0.6  # of the threshold: an answer that was given stays while the mean is above
CLEAR = 1.3  # times as probable as the next the emotion must be before it is reported


@dataclass
class Evidence:
    """What speaks for each emotion, and for none, in the windows of one person.

    Attributes:
        thresholds: (6,) mean probability from which each emotion is reported.
        mean: (7,) over the windows so far, the newest weigh most; None before the first.
    """

    thresholds: Floats

    def __post_init__(self) -> None:
        self.mean: Floats | None = None
        self._time = -math.inf
        self._candidate, self._since = -1, 0.0
        self._answer = -1

    def add(self, time: float, probabilities: Floats) -> Floats | None:
        """Take the judgement of the window that ends now.

        Args:
            time: Seconds, not before the last.
            probabilities: (7,) six emotions and none, sum 1.

        Returns:
            (6,) probabilities of the emotions, given that one is shown; None when none is to
            be reported.
        """
        if self.mean is None:
            self.mean = probabilities.astype(np.float32)
        else:
            share = 1 - math.exp(-(time - self._time) / AVERAGE_S)
            self.mean = np.asarray(self.mean + share * (probabilities - self.mean), np.float32)
        self._time = time
        mean = self.mean[:-1]
        self._decide(time, mean)
        return None if self._answer < 0 else np.asarray(mean / mean.sum(), np.float32)

    def _decide(self, time: float, mean: Floats) -> None:
        best = self._clear_winner(mean)
        if best != self._candidate:
            self._candidate, self._since = best, time
        ripe = best >= 0 and time - self._since >= CONSISTENT_S
        current = self._answer
        if current >= 0 and (mean[current] < KEEP * self.thresholds[current] or mean.argmax() != current):
            self._answer = -1
        if self._answer < 0 and ripe:
            self._answer = best

    def _clear_winner(self, mean: Floats) -> int:
        """The emotion that passes its threshold and leads clearly; -1: none."""
        best, second = np.argsort(-mean)[:2]
        clear = mean[best] >= self.thresholds[best] and mean[best] >= CLEAR * mean[second]
        return int(best) if clear else -1
