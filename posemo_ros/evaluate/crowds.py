"""How often the tracker switches ids in made-up crowds, beside ByteTrack where that is installed.

ByteTrack: Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box", ECCV 2022,
as Roboflow's ``trackers`` has it; not a dependency of this package (see ``detect/tracker.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..detect.boxes import inside
from ..detect.tracker import PersonTracker
from ..types import Detections
from .plots import lines
from .report import Report, Table

RATES_HZ = (5, 10, 30, 60)
LENGTH_S, PEOPLE = 20.0, 5
FIRST_SEED = 100  # the constants of the tracker were chosen on others
PATIENCE_S = 2.0  # how long a lost person is remembered, by both
OURS = "this tracker"
COMING_PER_S = 0.6  # people who come into the image
_WIDTH, _HEIGHT = 1280, 720

Sighting = tuple[float, NDArray[np.int64], NDArray[np.float32]]
Namer = Callable[[float, NDArray[np.float32]], Sequence[str | int | None]]  # time in s, boxes -> ids


def evaluate_tracker(scenes: int) -> Report:
    """Play made-up scenes through the tracker.

    Args:
        scenes: How many at each rate, at least 1.

    Returns:
        ``results`` by tracker and rate (``"5 Hz"``): mean ``id_switches`` and ``ids`` per scene, and of
        those who come and go ``passing_switches``, and ``passing_taken``: how often an id goes to somebody
        else. Without ``trackers`` there is no ByteTrack among them, and a note says so.
    """
    makers: dict[str, Callable[[float], Namer]] = {OURS: ours}
    notes: list[str] = []
    try:
        makers[f"ByteTrack (trackers {_version()})"] = byte_track
    except ImportError as error:
        notes = [f"without ByteTrack: {error}; it comes with `pip install trackers`, which needs NumPy >= 2"]
    results: dict[str, dict[str, dict[str, float]]] = {name: {} for name in makers}
    for rate_hz in RATES_HZ:
        seeds = range(FIRST_SEED, FIRST_SEED + scenes)
        staying = [walkers(seed, rate_hz) for seed in seeds]
        passing = [passers(seed, rate_hz) for seed in seeds]
        for name, make in makers.items():
            switched, ids, _ = np.mean([switches(scene, make(rate_hz)) for scene in staying], axis=0)
            lost, _, taken = np.mean([switches(scene, make(rate_hz)) for scene in passing], axis=0)
            results[name][f"{rate_hz} Hz"] = {
                "id_switches": float(switched),
                "ids": float(ids),
                "passing_switches": float(lost),
                "passing_taken": float(taken),
            }
    return Report(
        what="tracker",
        samples={"scenes of each kind": scenes, "people who stay": PEOPLE, "seconds each": LENGTH_S},
        models={},
        runtime={},
        protocol={
            "scenes": "made up: walkers of several depths, nearer ones hide farther ones, "
            f"a tenth of the boxes is missed; five who stay, or {COMING_PER_S:g} a second who pass through",
            "patience": f"{PATIENCE_S:g} s, otherwise the defaults",
        },
        results=results,
        tables=[
            _table("five people who stay: id switches, ids (means per scene)", results, "id_switches", "ids"),
            _table(
                "people who come and go: id switches, ids that went to somebody else (means per scene)",
                results,
                "passing_switches",
                "passing_taken",
            ),
        ],
        notes=notes,
        plots=[
            lines(
                "Changes of id in made-up crowds",
                "Mean per scene of 20 s with five people; fewer is better.",
                {
                    n: (RATES_HZ, [f["id_switches"] for f in by_rate.values()])
                    for n, by_rate in results.items()
                },
                x="images per second",
                y="changes of id",
            )
        ],
    )


def walkers(seed: int, rate_hz: float, length_s: float = LENGTH_S, n: int = PEOPLE) -> list[Sighting]:
    """People of several depths walk to and fro; nearer ones hide farther ones; a tenth is missed.

    Returns:
        Per frame: time in s; who is seen, (k,) in 0 to n - 1; their boxes, (k, 4) left, top, right, bottom
        in px.
    """
    rng = np.random.default_rng(seed)
    height, x = rng.uniform(150, 450, n), rng.uniform(0, _WIDTH, n)
    speed = rng.uniform(-1, 1, n) * 1.4 / 1.7 * height
    out = []
    for i in range(int(length_s * rate_hz)):
        x = x + speed / rate_hz * (i > 0)
        leaving = ((x < 0) & (speed < 0)) | ((x > _WIDTH) & (speed > 0))
        speed = np.where(leaving | (rng.random(n) < 1 / rate_hz / 6), -speed, speed)
        out.append((i / rate_hz, *_found(rng, _boxes(rng, x, height, 360), height, np.ones(n, np.bool_))))
    return out


def passers(seed: int, rate_hz: float, length_s: float = LENGTH_S) -> list[Sighting]:
    """People of several depths come in at one side of the image and leave at the other, at any time.

    Who is cut off by the edge has the box of what is left, from an eighth of the body height on.

    Returns:
        As ``walkers``.
    """
    rng = np.random.default_rng(seed)
    n = int(rng.poisson(COMING_PER_S * length_s))
    start, height = rng.uniform(-0.3 * length_s, length_s, n), rng.uniform(150, 650, n)
    way = np.where(rng.random(n) < 0.5, 1, -1)
    speed = way * rng.uniform(0.8, 1.8, n) / 1.7 * height
    entry = np.where(way > 0, -0.17 * height, _WIDTH + 0.17 * height)
    out = []
    for i in range(int(length_s * rate_hz)):
        time_s = i / rate_hz
        whole = _boxes(rng, entry + speed * (time_s - start), height, 300)
        boxes = np.clip(whole, 0, [_WIDTH, _HEIGHT, _WIDTH, _HEIGHT])
        there = (time_s >= start) & (boxes[:, 2] - boxes[:, 0] > height / 8)
        out.append((time_s, *_found(rng, boxes, height, there)))
    return out


def _boxes(
    rng: np.random.Generator, x: NDArray[np.float64], height: NDArray[np.float64], horizon: float
) -> NDArray[np.float64]:
    """(n, 4) px of walkers who are upright, with a detector's noise."""
    feet = horizon + height * 0.6
    boxes = np.stack([x - height * 0.17, feet - height, x + height * 0.17, feet], axis=1)
    return np.asarray(boxes + rng.normal(0, 0.02, boxes.shape) * height[:, None], np.float64)


def _found(
    rng: np.random.Generator,
    boxes: NDArray[np.float64],
    height: NDArray[np.float64],
    there: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Who is found of those who are there, and their boxes: nobody behind somebody nearer, one of ten not."""
    found = np.asarray(boxes, np.float32)
    nearer = (height[None] > height[:, None]) & there[None]
    hidden = ((inside(found, found) > 0.6) & nearer).any(axis=1)
    who = rng.permutation(np.flatnonzero(there & ~hidden & (rng.random(len(boxes)) > 0.1)))
    return who, found[who]


def switches(frames: Sequence[Sighting], name: Namer) -> tuple[int, int, int]:
    """How often somebody's id changes, how many ids there are, how often one goes to somebody else."""
    last: dict[int, str | int] = {}
    owner: dict[str | int, int] = {}
    count = taken = 0
    for time_s, who, boxes in frames:
        for person, given in zip(who.tolist(), name(time_s, boxes), strict=True):
            if given is None:
                continue
            count += last.get(person, given) != given
            taken += owner.get(given, person) != person
            last[person], owner[given] = given, person
    return count, len(owner), taken


def ours(rate_hz: float) -> Namer:
    """The tracker of this package; it needs no rate."""
    tracker = PersonTracker(max_lost_s=PATIENCE_S)

    def name(time_s: float, boxes: NDArray[np.float32]) -> Sequence[str]:
        found = Detections(boxes, np.ones(len(boxes), np.float32))
        return tracker.track(found, int(time_s * 1e9), (_WIDTH, _HEIGHT))[0]

    return name


def byte_track(rate_hz: float) -> Namer:
    """Roboflow's ByteTrack with the same patience, given the time of every image.

    Raises:
        ImportError: ``trackers`` is not installed.
    """
    import supervision
    import trackers

    tracker: Any = trackers.ByteTrackTracker(
        lost_track_buffer=round(30 * PATIENCE_S),  # counted at 30 Hz, whatever the rate
        frame_rate=rate_hz,
        minimum_consecutive_frames=1,
    )

    def name(time_s: float, boxes: NDArray[np.float32]) -> list[int | None]:
        order = {"order": np.arange(len(boxes))}
        scores = np.ones(len(boxes), np.float32)
        found = tracker.update(
            supervision.Detections(xyxy=boxes, confidence=scores, data=order), timestamp=time_s
        )
        given: list[int | None] = [None] * len(boxes)
        for i, track in zip(found.data.get("order", []), found.tracker_id, strict=True):
            given[int(i)] = int(track) if track >= 0 else None
        return given

    return name


def _table(title: str, results: Mapping[str, Mapping[str, Mapping[str, float]]], *keys: str) -> Table:
    rows = [
        (name, *(", ".join(f"{figures[key]:.1f}" for key in keys) for figures in by_rate.values()))
        for name, by_rate in results.items()
    ]
    return Table(title, ("", *next(iter(results.values()))), rows)


def _version() -> str:
    from importlib.metadata import version

    import trackers  # noqa: F401  (it may be there and not work)

    return version("trackers")
