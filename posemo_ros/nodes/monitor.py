"""What a node knows about its own running: counts, times and problems."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from posemo_msgs.msg import Statistics

from .. import diagnostics as keys
from ..inference.manifest import STATIONS

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
RUNNING = "running"
LATENCY_WINDOW_S = 10.0
NAN = float("nan")


@dataclass(frozen=True)
class Process:
    """What the process uses: ``cpu`` in percent of one core, ``memory`` resident in MiB."""

    cpu: float = NAN
    memory: float = NAN


@dataclass(frozen=True)
class Window:
    """What happened in a second or so.

    Attributes:
        seconds: Its length.
        received_hz, published_hz: Messages a second.
        dropped: Messages that were not worked on in it.
        work_ms: Median milliseconds by station.
        process: What the process used.
    """

    seconds: float = 0.0
    received_hz: float = 0.0
    published_hz: float = 0.0
    dropped: dict[str, int] = field(default_factory=dict)
    work_ms: dict[str, float] = field(default_factory=dict)
    process: Process = Process()


@dataclass(frozen=True)
class Snapshot:
    """All that a monitor knows at one moment.

    Attributes:
        level, message: The worst problem's level, and all problems, the worst first.
        window: The last second.
        totals: Counts since the start.
        latency_ms: Median, 95th and 99th percentile over the last ten seconds; NaN without results.
        values: What was set, see ``Monitor.set``.
    """

    level: bytes
    message: str
    window: Window
    totals: dict[str, int]
    latency_ms: tuple[float, float, float]
    values: dict[str, str]


class Monitor:
    """Counts, times and problems of one node; may be used from any thread.

    Problems have a key: raising one again replaces it, ``clear`` ends it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._problems: dict[str, tuple[bytes, str]] = {}
        self._values: dict[str, str] = {}
        self._totals = dict.fromkeys((keys.RECEIVED, keys.PUBLISHED, *keys.DROP_REASONS), 0)
        self._latencies: deque[tuple[float, float]] = deque()
        self._usage = _ProcessUsage(clock)
        self._last = Window()
        self._start_window()

    def _start_window(self) -> None:
        self._since = self._clock()
        self._before = dict(self._totals)
        self._times_ms: dict[str, list[float]] = {}

    def count(self, what: str, number: int = 1) -> None:
        """More messages ``received``, ``published`` or not worked on (``diagnostics.DROP_REASONS``)."""
        with self._lock:
            self._totals[what] += number

    def add_work(self, work_ms: Mapping[str, float]) -> None:
        """Milliseconds of work for one message, by station."""
        with self._lock:
            for name, value in work_ms.items():
                self._times_ms.setdefault(name, []).append(value)

    def add_latency(self, latency_ms: float) -> None:
        """Milliseconds from an image's stamp to its result."""
        with self._lock:
            self._latencies.append((self._clock(), latency_ms))

    def set(self, name: str, value: object) -> None:
        """A value that stays until it is set anew."""
        with self._lock:
            self._values[name] = str(value)

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

    @property
    def level(self) -> bytes:
        """The level of the worst problem."""
        with self._lock:
            return max((level for level, _ in self._problems.values()), default=OK)

    def end_window(self) -> Window:
        """What happened since the last call; the next snapshots tell it."""
        with self._lock:
            self._last = self._window()
            self._start_window()
            return self._last

    def snapshot(self) -> Snapshot:
        """Everything now."""
        with self._lock:
            problems = sorted(self._problems.values(), key=lambda p: p[0], reverse=True)
            return Snapshot(
                level=problems[0][0] if problems else OK,
                message="; ".join(text for _, text in problems) or RUNNING,
                window=self._last,
                totals=dict(self._totals),
                latency_ms=self._percentiles(),
                values=dict(self._values),
            )

    def _window(self) -> Window:
        seconds = max(self._clock() - self._since, 1e-9)
        grown = {what: total - self._before[what] for what, total in self._totals.items()}
        return Window(
            seconds,
            grown[keys.RECEIVED] / seconds,
            grown[keys.PUBLISHED] / seconds,
            {reason: grown[reason] for reason in keys.DROP_REASONS},
            {station: median(times) for station, times in self._times_ms.items()},
            self._usage.measure(),
        )

    def _percentiles(self) -> tuple[float, float, float]:
        while self._latencies and self._clock() - self._latencies[0][0] > LATENCY_WINDOW_S:
            self._latencies.popleft()
        if not self._latencies:
            return NAN, NAN, NAN
        middle, high, highest = np.percentile([ms for _, ms in self._latencies], (50, 95, 99))
        return float(middle), float(high), float(highest)


class _ProcessUsage:
    """CPU time and memory of this process since the last look."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._cpu_s, self._at = self._used(), clock()

    def measure(self) -> Process:
        now, used = self._clock(), self._used()
        share = (used - self._cpu_s) / max(now - self._at, 1e-9)
        self._cpu_s, self._at = used, now
        return Process(100 * share, memory_mib())

    @staticmethod
    def _used() -> float:
        times = os.times()
        return times.user + times.system


def memory_mib() -> float:
    """Resident memory of this process; NaN where the system has no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return NAN
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def to_status(snapshot: Snapshot, name: str) -> DiagnosticStatus:
    """The diagnostics of a node."""
    window, totals = snapshot.window, snapshot.totals
    values = {
        keys.RECEIVED_HZ: f"{window.received_hz:.1f}",
        keys.PUBLISHED_HZ: f"{window.published_hz:.1f}",
        keys.RECEIVED: str(totals[keys.RECEIVED]),
        keys.PUBLISHED: str(totals[keys.PUBLISHED]),
        keys.DROPPED: str(sum(totals[reason] for reason in keys.DROP_REASONS)),
        **{keys.dropped(reason): str(totals[reason]) for reason in keys.DROP_REASONS},
        **{keys.work_ms(station): f"{ms:.1f}" for station, ms in window.work_ms.items()},
    }
    latency_keys = (keys.LATENCY_MEDIAN, keys.LATENCY_P95, keys.LATENCY_P99)
    latencies = zip(latency_keys, snapshot.latency_ms, strict=True)
    values |= {key: f"{ms:.1f}" for key, ms in latencies if not np.isnan(ms)}
    values |= {keys.CPU: f"{window.process.cpu:.0f}", keys.MEMORY: f"{window.process.memory:.0f}"}
    values |= snapshot.values
    return DiagnosticStatus(
        level=snapshot.level,
        name=name,
        message=snapshot.message,
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )


def to_statistics(snapshot: Snapshot) -> Statistics:
    """The same as typed numbers; without header."""
    window, totals = snapshot.window, snapshot.totals
    middle, high, highest = snapshot.latency_ms
    return Statistics(
        level=snapshot.level[0],
        message=snapshot.message,
        state=snapshot.values.get(keys.STATE, ""),
        received_hz=window.received_hz,
        published_hz=window.published_hz,
        received=totals[keys.RECEIVED],
        published=totals[keys.PUBLISHED],
        dropped_busy=totals[keys.BUSY],
        dropped_late=totals[keys.LATE],
        dropped_stopped=totals[keys.STOPPED],
        failed=totals[keys.FAILED],
        latency_median_ms=middle,
        latency_p95_ms=high,
        latency_p99_ms=highest,
        people=float(snapshot.values.get(keys.PEOPLE, NAN)),
        cpu_percent=window.process.cpu,
        memory_mib=window.process.memory,
        **{f"{station}_ms": float(window.work_ms.get(station, NAN)) for station in STATIONS},
    )
