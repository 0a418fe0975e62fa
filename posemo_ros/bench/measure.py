"""Several contenders, frame by frame in turn, so that what else the machine does meets them alike.

Every figure is of wall times in one process, with frames that wait for the chain (but for ``at_pace``).
Ratios compare contenders of the same scene and the same minutes; they mean something on a shared, noisy
machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..pipeline import Pipeline
from ..types import Frame
from .contenders import Contender, Metered
from .crowd import RATE_HZ

BLOCK = 10  # frames of one contender, then the next one has its turn
WARM_UP_S, WARM_UP_FRAMES = 3.0, 20


@dataclass(frozen=True)
class Figures:
    """One contender on one scene.

    Attributes:
        contender: Name, one of ``contenders.MEANING``.
        people: In every frame.
        size: Width and height, pixels.
        frames: Measured.
        found: Mean number of people that it reported.
        ms, ms_p95: Median and 95th percentile of a frame's wall time.
        ms_blocks: 10th and 90th percentile of the blocks' medians: how much the machine varied.
        fps: Frames per second: 1000 / mean wall time.
        cpu_ms: CPU time of all threads, mean of a frame.
        stations_ms: Mean share of every station in a frame, wall time; a detector beside the
            keypoints overlaps with them.
        speedup: How many times as long the slowest contender of the scene takes, by means.
        memory_mib: Resident memory of the whole process afterwards.
    """

    contender: str
    people: int
    size: tuple[int, int]
    frames: int
    found: float
    ms: float
    ms_p95: float
    ms_blocks: tuple[float, float]
    fps: float
    cpu_ms: float
    stations_ms: Mapping[str, float]
    speedup: float
    memory_mib: float


@dataclass(frozen=True)
class Pace:
    """One contender with images that come at a camera's rate.

    Attributes:
        people: In every frame.
        rate_hz: Of the camera.
        frames: Measured.
        ms, ms_p95, ms_max: Median, 95th percentile and maximum of a frame's wall time.
    """

    people: int
    rate_hz: float
    frames: int
    ms: float
    ms_p95: float
    ms_max: float


@dataclass
class _Lane:
    contender: Contender
    ms: list[float] = field(default_factory=list)
    blocks: list[float] = field(default_factory=list)
    found: list[int] = field(default_factory=list)
    cpu_s: float = 0.0
    stations: dict[str, float] = field(default_factory=dict)

    def run(self, frames: Sequence[Frame]) -> None:
        block, cpu = [], time.process_time()
        for frame in frames:
            start = time.perf_counter()
            result = self.contender.step(frame)
            block.append((time.perf_counter() - start) * 1e3)
            self.found.append(len(result.people))
            for name, ms in result.timings_ms.items():
                self.stations[name] = self.stations.get(name, 0.0) + ms
        self.cpu_s += time.process_time() - cpu
        self.ms += block
        self.blocks.append(float(np.median(block)))


def compare(
    contenders: Mapping[str, Contender], clip: Sequence[Frame], people: int, size: tuple[int, int]
) -> list[Figures]:
    """All contenders on one film, in turn.

    Args:
        contenders: By name.
        clip: Frames to measure with; a few that end where it starts go before, to warm up.
        people, size: What the film shows.
    """
    lanes = {name: _Lane(contender) for name, contender in contenders.items()}
    for lane in lanes.values():
        lane.contender.reset()
        for frame in before(clip):
            lane.contender.step(frame)
    for first in range(0, len(clip), BLOCK):
        for lane in lanes.values():
            lane.run(clip[first : first + BLOCK])
    slowest = max(float(np.mean(lane.ms)) for lane in lanes.values())
    return [_figures(name, lane, people, size, slowest) for name, lane in lanes.items()]


def at_pace(contender: Contender, clip: Sequence[Frame], people: int) -> Pace:
    """A film as a camera sends it: the next image comes when its stamp says so, or when the last is done.

    Args:
        contender: What looks at it.
        clip: Frames, at their stamps' rate; a few that end where it starts go before, to warm up.
        people: What the film shows.
    """
    contender.reset()
    for frame in before(clip):
        contender.step(frame)
    ms, origin = [], time.perf_counter()
    for frame in clip:
        due = origin + (frame.stamp_ns - clip[0].stamp_ns) * 1e-9
        time.sleep(max(due - time.perf_counter(), 0.0))
        start = time.perf_counter()
        contender.step(frame)
        ms.append((time.perf_counter() - start) * 1e3)
    median, p95, most = (round(float(np.percentile(ms, q)), 2) for q in (50, 95, 100))
    return Pace(people, RATE_HZ, len(ms), median, p95, most)


def before(clip: Sequence[Frame]) -> list[Frame]:
    """A few frames that end where the clip starts, spread over the movement that emotions need."""
    stamps = clip[0].stamp_ns - np.linspace(WARM_UP_S, 1 / RATE_HZ, WARM_UP_FRAMES) * 1e9
    frames = [clip[-i % len(clip)] for i in range(WARM_UP_FRAMES, 0, -1)]
    return [replace(f, stamp_ns=int(s)) for f, s in zip(frames, stamps, strict=True)]


def _figures(name: str, lane: _Lane, people: int, size: tuple[int, int], slowest: float) -> Figures:
    mean, count = float(np.mean(lane.ms)), len(lane.ms)
    low, high = np.percentile(lane.blocks, (10, 90))
    return Figures(
        contender=name,
        people=people,
        size=size,
        frames=count,
        found=round(float(np.mean(lane.found)), 2),
        ms=round(float(np.median(lane.ms)), 2),
        ms_p95=round(float(np.percentile(lane.ms, 95)), 2),
        ms_blocks=(round(float(low), 2), round(float(high), 2)),
        fps=round(1e3 / mean, 1),
        cpu_ms=round(1e3 * lane.cpu_s / count, 2),
        stations_ms={station: round(total / count, 2) for station, total in lane.stations.items()},
        speedup=round(slowest / mean, 2),
        memory_mib=round(resident_mib(), 1),
    )


def network_cpu(pipeline: Pipeline, clip: Sequence[Frame]) -> dict[str, dict[str, float]]:
    """What every network alone takes a frame, wall and CPU time of all threads, and the rest of the chain.

    Args:
        pipeline: In step, so that no two networks run at once; its sessions are replaced for good.
        clip: Frames.
    """
    meters = {}
    for name, station in pipeline.stations.items():
        meters[name] = station.session = Metered(station.session)
    pipeline.reset()
    for frame in before(clip):
        pipeline.step(frame)
    for meter in meters.values():
        meter.wall_s = meter.cpu_s = 0.0
    wall, cpu = time.perf_counter(), time.process_time()
    for frame in clip:
        pipeline.step(frame)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    shares = {name: (meter.wall_s, meter.cpu_s) for name, meter in meters.items()}
    shares["all but networks"] = (
        wall - sum(w for w, _ in shares.values()),
        cpu - sum(c for _, c in shares.values()),
    )
    count = len(clip)
    return {
        name: {"wall_ms": round(1e3 * w / count, 2), "cpu_ms": round(1e3 * c / count, 2)}
        for name, (w, c) in shares.items()
    }


def soak(
    contender: Contender, make_clip: Callable[[int], list[Frame]], minutes: float
) -> list[tuple[float, float]]:
    """Resident memory over time, as (seconds, MiB), while one contender works without a pause.

    Args:
        contender: What works.
        make_clip: The film's frames from a number on.
        minutes: How long.
    """
    start, seen, played = time.monotonic(), [], 0
    contender.reset()
    while (passed := time.monotonic() - start) < 60 * minutes:
        seen.append((round(passed, 1), round(resident_mib(), 1)))
        clip = make_clip(played)
        for frame in clip:
            contender.step(frame)
        played += len(clip)
    return [*seen, (round(passed, 1), round(resident_mib(), 1))]


def resident_mib() -> float:
    """Resident memory of this process; NaN where the system has no /proc."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return float("nan")
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024
