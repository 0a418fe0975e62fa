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

Sighting = tuple[float, NDArray[np.int64], NDArray[np.float32]]
Namer = Callable[[float, NDArray[np.float32]], Sequence[str | int | None]]  # time in s, boxes -> ids


def evaluate_tracker(scenes: int) -> Report:
    """Play made-up scenes through the tracker.

    Args:
        scenes: How many at each rate, at least 1.

    Returns:
        ``results`` by tracker and rate (``"5 Hz"``): mean ``id_switches`` and ``ids`` per scene. Without
        ``trackers`` there is no ByteTrack among them, and a note says so.
    """
    makers: dict[str, Callable[[float], Namer]] = {OURS: ours}
    notes: list[str] = []
    try:
        makers[f"ByteTrack (trackers {_version()})"] = byte_track
    except ImportError as error:
        notes = [f"without ByteTrack: {error}; it comes with `pip install trackers`, which needs NumPy >= 2"]
    results: dict[str, dict[str, dict[str, float]]] = {name: {} for name in makers}
    for rate_hz in RATES_HZ:
        played = [walkers(FIRST_SEED + i, rate_hz) for i in range(scenes)]
        for name, make in makers.items():
            switched, ids = np.mean([switches(scene, make(rate_hz)) for scene in played], axis=0)
            results[name][f"{rate_hz} Hz"] = {"id_switches": float(switched), "ids": float(ids)}
    rows = [(name, *map(_words, by_rate.values())) for name, by_rate in results.items()]
    return Report(
        what="tracker",
        samples={"scenes": scenes, "people in each": PEOPLE, "seconds each": LENGTH_S},
        models={},
        runtime={},
        protocol={
            "scenes": "made up: walkers of several depths, nearer ones hide farther ones, "
            "a tenth of the boxes is missed",
            "patience": f"{PATIENCE_S:g} s, otherwise the defaults",
        },
        results=results,
        tables=[Table("id switches, ids (means per scene)", ("", *next(iter(results.values()))), rows)],
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
    height, x = rng.uniform(150, 450, n), rng.uniform(0, 1280, n)
    speed = rng.uniform(-1, 1, n) * 1.4 / 1.7 * height
    out = []
    for i in range(int(length_s * rate_hz)):
        x = x + speed / rate_hz * (i > 0)
        leaving = ((x < 0) & (speed < 0)) | ((x > 1280) & (speed > 0))
        speed = np.where(leaving | (rng.random(n) < 1 / rate_hz / 6), -speed, speed)
        feet = 360 + height * 0.6
        boxes = np.stack([x - height * 0.17, feet - height, x + height * 0.17, feet], axis=1)
        noisy = boxes + rng.normal(0, 0.02, (n, 4)) * height[:, None]
        found = np.asarray(noisy, np.float32)
        hidden = ((inside(found, found) > 0.6) & (height[None] > height[:, None])).any(axis=1)
        who = rng.permutation(np.flatnonzero(~hidden & (rng.random(n) > 0.1)))
        out.append((i / rate_hz, who, found[who]))
    return out


def switches(frames: Sequence[Sighting], name: Namer) -> tuple[int, int]:
    """How often somebody's id changes, and how many ids there are."""
    last: dict[int, str | int] = {}
    ids: set[str | int] = set()
    count = 0
    for time_s, who, boxes in frames:
        for person, given in zip(who.tolist(), name(time_s, boxes), strict=True):
            if given is None:
                continue
            ids.add(given)
            count += last.get(person, given) != given
            last[person] = given
    return count, len(ids)


def ours(rate_hz: float) -> Namer:
    """The tracker of this package; it needs no rate."""
    tracker = PersonTracker(max_lost_s=PATIENCE_S)

    def name(time_s: float, boxes: NDArray[np.float32]) -> Sequence[str]:
        found = Detections(boxes, np.ones(len(boxes), np.float32))
        return tracker.track(found, int(time_s * 1e9))[0]

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


def _words(figures: Mapping[str, float]) -> str:
    return f"{figures['id_switches']:.1f}, {figures['ids']:.1f}"


def _version() -> str:
    from importlib.metadata import version

    import trackers  # noqa: F401  (it may be there and not work)

    return version("trackers")
