"""How often results come, and how late."""

from __future__ import annotations

import math
import statistics
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

WINDOW_S = 2.0
RUNNING, WAITING, ENDED = "running", "waiting", "ended"


class Pace:
    """Counts results; of the last two seconds it knows rate and latency."""

    def __init__(self) -> None:
        self._times: deque[tuple[float, float]] = deque()  # when it was there, latency; seconds
        self.number = 0

    def add(self, latency_s: float) -> None:
        """A result is there; NaN: nobody knows how late."""
        now = time.monotonic()
        self._times.append((now, latency_s))
        while self._times[0][0] < now - WINDOW_S:
            self._times.popleft()
        self.number += 1

    def status(self, state: str, dropped: int, warnings: Sequence[str]) -> dict[str, Any]:
        """What the page shows above the picture."""
        spread = self._times[-1][0] - self._times[0][0] if len(self._times) > 1 else 0.0
        known = [latency for _, latency in self._times if math.isfinite(latency)]
        return {
            "n": self.number,
            "state": state,
            "rate_hz": round((len(self._times) - 1) / spread, 1) if spread else None,
            "latency_ms": round(statistics.median(known) * 1e3) if known else None,
            "dropped": dropped,
            "warnings": [text for text in warnings if text],
        }
