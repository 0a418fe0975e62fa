"""How far lifted skeletons are from the truth: clips, filmed by virtual cameras, through the lifter.

Protocol of Human3.6M's metrics: MPJPE with the pelvis of both at the origin, P-MPJPE after the best
turn, shift and scale of every pose, MPJVE of the poses' changes from frame to frame. All frames of
all clips and views weigh the same.

Symbols: T frames of a take, F frames in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import metrics
from ..errors import InputError
from ..inference.manifest import LiftSpec
from ..inference.store import ModelStore
from ..lift.lifter import Lifter, images_ahead
from ..pipeline import Models, build_lifter
from ..skeleton import H36M17
from ..types import Floats, People2D, View
from .clips import Clip, read_clips, stretches
from .film import CAMERA, CAMERAS, Noise, film, keypoints
from .plots import Plot, bars
from .report import Report, Table, rounded, runtimes

UPPER = [i for i, name in enumerate(H36M17.joints) if "knee" not in name and "ankle" not in name]
TOLD = ", up known"
NOISY = "noisy"  # whose errors are those of the clips
TOGETHER = 16  # takes that go through the station side by side, as the people of one film


@dataclass(frozen=True, eq=False)
class Take:
    """One stretch of a clip, seen by one camera.

    Attributes:
        clip: Its name.
        rate_hz: Frames per second.
        keypoints: (T, 17, 3) x px, y px, score, COCO-17.
        truth: (T, 17, 3) metres in the camera frame, H36M-17.
        up: (3,) straight up in the camera frame.
    """

    clip: str
    rate_hz: float
    keypoints: Floats
    truth: Floats
    up: Floats


@dataclass(frozen=True, eq=False)
class Lifted:
    """The station's answers for a take: (T, 17, 3) relative joints and (T, 3) roots, metres."""

    relative: Floats
    roots: Floats


def evaluate_lift(path: Path, models: Models, store: ModelStore, *, views: int = 2, seed: int = 0) -> Report:
    """Errors with perfect keypoints, noisy ones, and noisy ones without knees and ankles.

    Each without delay and with the longest; for networks that can be told which way is up, once without
    and once with it.

    Args:
        path: Clips, see docs/evaluation.md.
        models: The lifter, its runtime and a delay to measure besides.
        store: Where the models are.
        views: Cameras per clip.
        seed: Of cameras and noise.

    Raises:
        InputError: The clips cannot be used.
        ModelError: The model cannot be used.
    """
    if views < 1:
        raise InputError(f"views: {views}; expected at least 1")
    if models.lifter:
        store.spec(models.lifter)  # a wrong name is said before clips are read
    clips = read_clips(path)
    lifters = _lifters(models, store, clips[0].rate_hz)
    runs, by_clip = list[dict[str, Any]](), dict[str, dict[str, float]]()
    for name, takes in _films(clips, views, seed).items():
        for delay, lifter in lifters.items():
            answers = lift(lifter, takes)
            runs.append({"keypoints": name, "delay_frames": delay, **errors(answers, takes)})
            if (name, delay) == (NOISY, models.delay_frames):
                by_clip = _by_clip(answers, takes)
            if lifter.told:
                answers = lift(lifter, takes, tell=True)
                runs.append({"keypoints": name + TOLD, "delay_frames": delay, **errors(answers, takes)})
    takes = shoot(clips, None, views=views, seed=seed)
    runs.append({"keypoints": "none: one mean pose", "delay_frames": 0, **errors(_blind(takes), takes)})
    return Report(
        what="lift",
        samples={
            "frames": int(sum(len(t.truth) for t in takes)),
            "clips": len(clips),
            "takes": len(takes),
        },
        models={"lifter": models.lifter},
        runtime=runtimes({"lifter": lifters[0].session}),
        protocol=_protocol(path, takes[0].rate_hz, views, seed),
        results={"runs": runs},
        tables=[_table(runs)],
        plots=_plots(runs),
        by_clip=by_clip,
    )


def _lifters(models: Models, store: ModelStore, rate_hz: float) -> dict[int, Lifter]:
    """By delay: none, the one asked for, half the window."""
    if not models.lifter:
        raise InputError("--lifter: no model named; see `posemo models list`")
    spec = store.spec(models.lifter).spec
    longest = images_ahead(spec, rate_hz) if isinstance(spec, LiftSpec) else 0
    delays = sorted({0, models.delay_frames, longest})
    lifters = {delay: build_lifter(replace(models, delay_frames=delay), store) for delay in delays}
    return {delay: lifter for delay, lifter in lifters.items() if lifter is not None}


def _films(clips: Sequence[Clip], views: int, seed: int) -> dict[str, list[Take]]:
    chosen = {"perfect": None, NOISY: Noise(), "noisy, hips up": Noise(hips_up=True)}
    return {name: shoot(clips, noise, views=views, seed=seed) for name, noise in chosen.items()}


def shoot(clips: Sequence[Clip], noise: Noise | None, *, views: int, seed: int) -> list[Take]:
    """All stretches of the clips from so many sides; the sides do not depend on the noise.

    Raises:
        InputError: There are no two good frames in a row.
    """
    cameras, chance = np.random.default_rng(seed), np.random.default_rng((seed, 1))
    takes = []
    for clip, run in stretches(list(clips)):
        for _ in range(views):
            seen, up = film(clip.body[run], cameras)
            joints = seen[:, : len(H36M17)]
            takes.append(Take(clip.name, clip.rate_hz, keypoints(seen, noise, chance), joints, up))
    if not takes:
        raise InputError("no clip has two good frames in a row")
    return takes


def lift(lifter: Lifter, takes: Sequence[Take], *, tell: bool = False) -> list[Lifted]:
    """The station's answers; ``TOGETHER`` takes at a time, like people in one room.

    Args:
        lifter: Reset before and after.
        takes: What it sees.
        tell: Tell it which way is up; each take, which has a camera of its own, is then alone.
    """
    if tell:
        return [_told(lifter, take) for take in takes]
    order = sorted(range(len(takes)), key=lambda i: len(takes[i].truth))
    answers: dict[int, Lifted] = {}
    for first in range(0, len(order), TOGETHER):
        group = order[first : first + TOGETHER]
        answers.update(zip(group, _lift_group(lifter, [takes[i] for i in group]), strict=True))
    return [answers[i] for i in range(len(takes))]


def _told(lifter: Lifter, take: Take) -> Lifted:
    lifter.up = take.up
    (answer,) = _lift_group(lifter, [take])
    lifter.up = None
    return answer


def _lift_group(lifter: Lifter, takes: Sequence[Take]) -> list[Lifted]:
    lifter.reset()
    rows_of: dict[str, list[tuple[Floats, Floats]]] = {str(i): [] for i in range(len(takes))}
    answers = [lifter.lift(_people(takes, t)) for t in range(max(len(take.truth) for take in takes))]
    for skeletons in [*answers, *lifter.flush()]:
        if skeletons is not None:
            for i, person in enumerate(skeletons.ids):
                rows_of[person].append((skeletons.relative[i], skeletons.roots[i]))
    return [Lifted(*map(np.stack, zip(*rows, strict=True))) for rows in rows_of.values()]


def _people(takes: Sequence[Take], t: int) -> People2D:
    there = {str(i): take.keypoints[t] for i, take in enumerate(takes) if t < len(take.truth)}
    return People2D(
        tuple(there),
        np.zeros((len(there), 4), np.float32),
        np.ones(len(there), np.float32),
        np.stack(list(there.values())),
        view=View.through(CAMERA, round(t / takes[0].rate_hz * 1e9)),
    )


def errors(answers: Sequence[Lifted], takes: Sequence[Take]) -> dict[str, Any]:
    """Figures over all frames of all takes.

    Returns:
        ``mpjpe_mm``, ``p_mpjpe_mm``, ``mpjve_mm`` (per frame); ``answered``: share of frames with a
        pose; ``placed``: share of frames whose pelvis was placed; ``place_error_m`` and
        ``place_error_percent`` (of the distance): medians; ``upper_mm``: MPJPE without knees and
        ankles; ``joints_mm``: MPJPE by joint.
    """
    truth = np.concatenate([t.truth - t.truth[:, :1] for t in takes])
    relative = np.concatenate([a.relative for a in answers])
    away = np.linalg.norm(
        np.concatenate([a.roots for a in answers]) - np.concatenate([t.truth[:, 0] for t in takes]), axis=1
    )
    distance = np.linalg.norm(np.concatenate([t.truth[:, 0] for t in takes]), axis=1)
    placed = np.isfinite(away)
    by_joint = metrics.joint_errors(relative, truth)
    answered = np.isfinite(by_joint).all(1)
    figures = rounded(
        {
            "mpjpe_mm": 1e3 * _mean(by_joint),
            "p_mpjpe_mm": 1e3 * _mean(metrics.joint_errors(metrics.procrustes(relative, truth), truth)),
            "upper_mm": 1e3 * _mean(by_joint[:, UPPER]),
            "mpjve_mm": 1e3 * metrics.mpjve(relative, truth, _follows(takes)),
            "answered": float(answered.mean()),
            "placed": float(placed.mean()),
            "place_error_m": _median(away[placed]),
            "place_error_percent": 100 * _median((away / distance)[placed]),
        }
    )
    joints = {name: 1e3 * _mean(by_joint[:, i]) for i, name in enumerate(H36M17.joints)}
    return {**figures, "joints_mm": rounded(joints, 2)}


def _follows(takes: Sequence[Take]) -> NDArray[np.bool_]:
    """(F - 1,) False where the next take begins."""
    take = np.repeat(np.arange(len(takes)), [len(t.truth) for t in takes])
    return np.asarray(np.diff(take) == 0)


def _by_clip(answers: Sequence[Lifted], takes: Sequence[Take]) -> dict[str, dict[str, float]]:
    """``mpjpe_mm`` and ``answered`` of each clip."""
    rows: dict[str, list[NDArray[np.float64]]] = {}
    for answer, take in zip(answers, takes, strict=True):
        errors_m = metrics.joint_errors(answer.relative, take.truth - take.truth[:, :1])
        rows.setdefault(take.clip, []).append(errors_m)
    whole = {name: np.concatenate(parts) for name, parts in rows.items()}
    return {
        name: rounded({"mpjpe_mm": 1e3 * _mean(e), "answered": float(np.isfinite(e).all(1).mean())})
        for name, e in whole.items()
    }


def _plots(runs: Sequence[dict[str, Any]]) -> list[Plot]:
    names = {f"{r['keypoints']}, delay {r['delay_frames']}": r for r in runs}
    return [
        bars(
            "Error of the skeleton",
            "MPJPE, and P-MPJPE after the best turn, shift and scale; the last one answers the same "
            "mean pose always.",
            {k: {name: r[k] for name, r in names.items()} for k in ("mpjpe_mm", "p_mpjpe_mm")},
            "mm",
        ),
        bars(
            "Mean error of each joint",
            "Pelvis at the origin.",
            {name: r["joints_mm"] for name, r in names.items()},
            "mm",
        ),
    ]


def _mean(values: NDArray[np.floating]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _median(values: NDArray[np.floating]) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def _blind(takes: Sequence[Take]) -> list[Lifted]:
    """The mean of the true poses, whatever is seen: what a lifter has to beat."""
    mean = np.concatenate([t.truth - t.truth[:, :1] for t in takes]).mean(0)
    nowhere = np.full(3, np.nan, np.float32)
    return [
        Lifted(np.broadcast_to(mean, t.truth.shape), np.broadcast_to(nowhere, (len(t.truth), 3)))
        for t in takes
    ]


def _protocol(path: Path, rate_hz: float, views: int, seed: int) -> dict[str, Any]:
    return {
        "clips": path.name,
        "frames_per_second": rate_hz,
        "views_per_clip": views,
        "seed": seed,
        "cameras": CAMERAS,
        "noise": Noise().text,
        "errors": "17 joints, pelvis at the origin; all frames weigh the same; MPJVE in mm per frame; "
        "placement: medians over the placed frames; bodies keep the size they have in the file",
        "delay": "frames that an answer waits for; where the future is not known the newest frame stands in",
    }


_COLUMNS = {
    "mpjpe_mm": 1,
    "p_mpjpe_mm": 1,
    "upper_mm": 1,
    "mpjve_mm": 2,
    "answered": 3,
    "placed": 3,
    "place_error_m": 2,
    "place_error_percent": 1,
}


def _number(value: float, digits: int) -> str:
    return "-" if np.isnan(value) else f"{value:.{digits}f}"


def _table(runs: Sequence[dict[str, Any]]) -> Table:
    rows = [
        [
            run["keypoints"],
            run["delay_frames"],
            *(_number(run[name], digits) for name, digits in _COLUMNS.items()),
        ]
        for run in runs
    ]
    columns = ["keypoints", "delay", "MPJPE mm", "P-MPJPE mm", "upper mm", "MPJVE mm", "answered", "placed"]
    return Table("lifted skeletons", [*columns, "place error m", "%"], rows)
