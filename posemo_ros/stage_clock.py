"""Wall time per station."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class StageClock:
    """Collects wall time per station: ``with clock("detector"): ...``.

    Attributes:
        timings_ms: Milliseconds by station, in the order they ran.
    """

    def __init__(self) -> None:
        self.timings_ms: dict[str, float] = {}

    @contextmanager
    def __call__(self, station: str) -> Iterator[None]:
        """Measure what happens inside the ``with`` block."""
        start = time.perf_counter()
        yield
        self.note(station, (time.perf_counter() - start) * 1e3)

    def note(self, station: str, ms: float) -> None:
        """What was measured elsewhere."""
        self.timings_ms[station] = ms
