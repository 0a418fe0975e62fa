"""What a node knows about its own running, as ``diagnostic_msgs``."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from statistics import median

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


class Monitor:
    """Counts, times and problems of one node; may be used from any thread.

    Problems have a key: raising one again replaces it, ``clear`` ends it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._problems: dict[str, tuple[bytes, str]] = {}
        self._facts: dict[str, str] = {}
        self._total = {"received": 0, "published": 0, "dropped": 0, "failed": 0}
        self._start_window()

    def _start_window(self) -> None:
        self._since = self._clock()
        self._recent = {"received": 0, "published": 0}
        self._times_ms: dict[str, list[float]] = {}

    def count(self, what: str) -> None:
        """One more ``received``, ``published``, ``dropped`` or ``failed``."""
        with self._lock:
            self._total[what] += 1
            if what in self._recent:
                self._recent[what] += 1

    def took(self, timings_ms: Mapping[str, float]) -> None:
        """Milliseconds per stage, or ``latency``, of one image."""
        with self._lock:
            for name, value in timings_ms.items():
                self._times_ms.setdefault(name, []).append(value)

    def fact(self, name: str, value: object) -> None:
        """Something worth knowing that stays until it is said anew."""
        with self._lock:
            self._facts[name] = str(value)

    def problem(self, key: str, text: str, level: bytes = ERROR) -> bool:
        """Raise a problem; True when it is new or says something new."""
        with self._lock:
            changed = self._problems.get(key) != (level, text)
            self._problems[key] = (level, text)
            return changed

    def clear(self, key: str) -> bool:
        """End a problem; True when there was one."""
        with self._lock:
            return self._problems.pop(key, None) is not None

    def status(self, name: str, hardware_id: str = "") -> DiagnosticStatus:
        """The message since the last call: rates and medians, totals, the worst problem first."""
        with self._lock:
            seconds = max(self._clock() - self._since, 1e-9)
            values = {f"{what} rate [Hz]": f"{n / seconds:.1f}" for what, n in self._recent.items()}
            values |= {what: str(n) for what, n in self._total.items()}
            values |= {f"{stage} [ms]": f"{median(times):.1f}" for stage, times in self._times_ms.items()}
            values |= self._facts
            problems = sorted(self._problems.values(), key=lambda p: p[0], reverse=True)
            self._start_window()
        return DiagnosticStatus(
            level=problems[0][0] if problems else OK,
            name=name,
            message="; ".join(text for _, text in problems) or "running",
            hardware_id=hardware_id,
            values=[KeyValue(key=key, value=value) for key, value in values.items()],
        )
