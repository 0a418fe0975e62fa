"""How fast the chain is on this machine: per station and as a whole, for 1 to 8 people.

Every figure is the median of wall times in one process. Ratios compare with a baseline of the
same run, so that they mean something on a shared, noisy machine.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .evaluate.report import Table
from .inference.resources import share_dir
from .machine import machine, machine_text
from .pipeline import Pipeline
from .replay.sources import open_source
from .types import Frame

SIZE = (640, 480)
RATE_HZ = 30.0
WARM_UP_S, WARM_UP_FRAMES = 3.0, 20


@dataclass(frozen=True)
class ChainFigures:
    """One configuration of the whole chain on VGA frames.

    Attributes:
        people: In every frame.
        detect_every: The detector ran on every k-th frame.
        found: Mean number of people the chain reported.
        ms: Median wall time of a frame, and its 95th percentile in ``ms_p95``.
        fps: Frames per second when frames wait for the chain: 1000 / mean wall time.
        stations_ms: Mean share of every station in a frame.
        speedup: Mean time of the baseline (same people, detector on every frame) / this mean.
    """

    people: int
    detect_every: int
    found: float
    ms: float
    ms_p95: float
    fps: float
    stations_ms: dict[str, float]
    speedup: float


def bench(make_pipeline: Callable[[], Pipeline], *, quick: bool = False, as_json: bool = False) -> str:
    """Measure and describe; see the module for what is measured."""
    crowds, frames = ((1, 4), 40) if quick else ((1, 2, 4, 8), 120)
    pipeline = make_pipeline()
    figures = [f for people in crowds for f in _chain(pipeline, people, frames)]
    networks = pipeline.networks
    head = {"frames": frames, "size": f"{SIZE[0]}x{SIZE[1]}"}
    if as_json:
        chain = [asdict(f) for f in figures]
        ran = {station: network._asdict() for station, network in networks.items()}
        return json.dumps({"machine": machine(), **head, "networks": ran, "chain": chain}, indent=2)
    lines = [
        f"machine: {machine_text()}",
        *(f"{k}: {v}" for k, v in head.items()),
        "networks: " + ", ".join(f"{station} {network}" for station, network in networks.items()),
        "",
    ]
    return "\n".join([*lines, *_table(figures).lines()])


def _chain(pipeline: Pipeline, people: int, frames: int) -> list[ChainFigures]:
    """The baseline (detector on every frame) and the configured schedule."""
    settings = pipeline.settings
    clip = crowd(people, frames)
    runs = []
    for every in dict.fromkeys((1, settings.detect_every)):
        pipeline.settings = replace(settings, detect_every=every)
        runs.append((every, *_run(pipeline, clip)))
    pipeline.settings = settings
    baseline = runs[0][1].mean()
    return [
        _figures(people, every, times, stations, found, baseline) for every, times, stations, found in runs
    ]


def _figures(
    people: int,
    every: int,
    times: NDArray[np.float64],
    stations: dict[str, float],
    found: float,
    baseline: float,
) -> ChainFigures:
    return ChainFigures(
        people=people,
        detect_every=every,
        found=round(found, 2),
        ms=round(float(np.median(times)), 2),
        ms_p95=round(float(np.percentile(times, 95)), 2),
        fps=round(1e3 / float(times.mean()), 1),
        stations_ms={name: round(total / len(times), 2) for name, total in stations.items()},
        speedup=round(float(baseline / times.mean()), 2),
    )


def _run(pipeline: Pipeline, clip: Sequence[Frame]) -> tuple[NDArray[np.float64], dict[str, float], float]:
    """(frames,) ms, summed ms per station, mean number of people; every station works from the start."""
    pipeline.reset()
    for frame in _before(clip):
        pipeline.step(frame)
    times, stations, found = [], dict[str, float](), []
    for frame in clip:
        start = time.perf_counter()
        result = pipeline.step(frame)
        times.append((time.perf_counter() - start) * 1e3)
        found.append(len(result.people))
        for name, ms in result.timings_ms.items():
            stations[name] = stations.get(name, 0.0) + ms
    return np.array(times), stations, float(np.mean(found))


def _before(clip: Sequence[Frame]) -> list[Frame]:
    """A few frames that end where the clip starts, spread over the movement that emotions need."""
    stamps = clip[0].stamp_ns - np.linspace(WARM_UP_S, 1 / RATE_HZ, WARM_UP_FRAMES) * 1e9
    frames = [clip[-i % len(clip)] for i in range(WARM_UP_FRAMES, 0, -1)]
    return [replace(f, stamp_ns=int(s)) for f, s in zip(frames, stamps, strict=True)]


def crowd(people: int, frames: int) -> list[Frame]:
    """VGA frames with that many copies of the demo clip's people side by side.

    Raises:
        InputError: The demo clip shows nobody.
    """
    cutouts = _cutouts(frames)
    width = SIZE[0] // people
    clip = []
    for index, cutout in enumerate(cutouts):
        canvas = np.full((SIZE[1], SIZE[0], 3), 127, np.uint8)
        scale = min(width / cutout.shape[1], SIZE[1] / cutout.shape[0])
        small = cv2.resize(cutout, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        top = (SIZE[1] - small.shape[0]) // 2
        for person in range(people):
            left = person * width + (width - small.shape[1]) // 2
            canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
        stamp_s = WARM_UP_S + index / RATE_HZ
        clip.append(Frame(canvas, stamp_ns=round(stamp_s * 1e9), frame_id="bench"))
    return clip


def _cutouts(frames: int) -> list[NDArray[np.uint8]]:
    """One whole person per frame, cut out of the demo clip by its ground truth."""
    folder = share_dir("demo")
    boxes = np.load(folder / "people_truth.npz")["boxes"]  # (F, P, 4)
    with open_source(folder / "people.mp4") as source:
        images = [frame.bgr() for frame in source]
    cutouts = []
    for image, row in zip(images, boxes, strict=False):
        height, width = image.shape[:2]
        whole = [b for b in row if (b[:2] >= 0).all() and b[2] < width and b[3] < height]
        if whole:
            x0, y0, x1, y1 = max(whole, key=lambda b: (b[2] - b[0]) * (b[3] - b[1])).astype(int)
            pad = (y1 - y0) // 10
            cutouts.append(image[max(y0 - pad, 0) : y1 + pad, max(x0 - pad, 0) : x1 + pad])
    if not cutouts:
        raise InputError(f"the demo clip in {folder} shows nobody whole; make it again (see its README)")
    return [cutouts[i % len(cutouts)] for i in range(frames)]


def _table(figures: Sequence[ChainFigures]) -> Table:
    names = list(dict.fromkeys(name for f in figures for name in f.stations_ms))
    columns = ["people", "detect every", "found", "ms", "p95", "FPS", "speed-up", *(f"{n} ms" for n in names)]
    rows = [
        [f.people, f.detect_every, f.found, f.ms, f.ms_p95, f.fps, f.speedup]
        + [f.stations_ms.get(name, float("nan")) for name in names]
        for f in figures
    ]
    return Table("per frame; stations: mean share", columns, rows)
