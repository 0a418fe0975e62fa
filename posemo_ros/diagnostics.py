"""The keys of the values in ``/diagnostics``: the nodes write them, reports read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .inference.manifest import STATIONS

STATE = "state"
PEOPLE = "people"
PEOPLE_LIMIT = "people limit"
DEPTH = "depth"
SOURCE = "source"
LOCKSTEP = "lockstep"
ORIGIN = "origin [ns]"  # stamp of the source's time 0
INPUT, LOSSES = "input", "losses"
RECEIVED, PUBLISHED, DROPPED = "received", "published", "dropped"
RECEIVED_HZ, PUBLISHED_HZ = "received rate [Hz]", "published rate [Hz]"
LATENCY_MEDIAN, LATENCY_P95, LATENCY_P99 = "latency median [ms]", "latency p95 [ms]", "latency p99 [ms]"
CPU, MEMORY = "cpu [%]", "memory [MiB]"

# Why a message was not worked on.
BUSY, LATE, STOPPED, FAILED = "busy", "late", "stopped", "failed"
DROP_REASONS = (BUSY, LATE, STOPPED, FAILED)


def dropped(reason: str) -> str:
    """Key of the number of messages that were not worked on for a reason, since the start."""
    return f"{DROPPED}: {reason}"


def work_ms(station: str) -> str:
    """Key of a station's milliseconds of work for one message."""
    return f"{station} [ms]"


def network(station: str) -> str:
    """Key of the network that a station runs: ``model (runtime, precision)``."""
    return f"{station} model"


@dataclass(frozen=True)
class ChainDiagnostics:
    """What the status messages of a run say.

    Attributes:
        work_ms: Milliseconds of work by station, one entry per status message that has them.
        networks: ``model (runtime, precision)`` by station.
        dropped: Messages that were not worked on; of the node with the most.
    """

    work_ms: dict[str, list[float]] = field(default_factory=dict)
    networks: dict[str, str] = field(default_factory=dict)
    dropped: int = 0


def read_chain(statuses: Iterable[Mapping[str, str]]) -> ChainDiagnostics:
    """Read the key/value pairs of status messages, oldest first."""
    times: dict[str, list[float]] = {}
    networks: dict[str, str] = {}
    most = 0
    for values in statuses:
        for station in STATIONS:
            if work_ms(station) in values:
                times.setdefault(station, []).append(float(values[work_ms(station)]))
            if network(station) in values:
                networks[station] = values[network(station)]
        most = max(most, int(values.get(DROPPED, 0)))
    return ChainDiagnostics(times, networks, most)
