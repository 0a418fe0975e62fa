"""Recorded 3D skeletons against the truth, and what can be said of them without one.

With truth (Human3.6M's measures, see ``metrics``): the 13 joints of pelvis and limbs, which mean the same
point in every H36M-17 data set. Without: bones that change their length, joints that tremble, and feet that
slide while they stand (the ratio of Karunratanakul et al., "Guided Motion Diffusion", ICCV 2023: a foot
lower than 5 cm that moves by more than 2.5 cm in 1/20 s). "Up" is the camera's -y: a level camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import metrics
from ..errors import InputError
from ..replay.bag import Recording, read_results
from ..replay.compare import LIMBS, Truth, match, read_truth
from ..skeleton import H36M17
from .report import Report, Table, rounded

Doubles = NDArray[np.float64]
FEET = tuple(H36M17.index(name) for name in ("right_ankle", "left_ankle"))
STANDS_M, SLIDES_M_S = 0.05, 0.5  # 2.5 cm in 1/20 s
LONGEST_GAP_S = 0.5  # between images of one track that count as neighbours
NAN = float("nan")


@dataclass(frozen=True, eq=False)
class Track:
    """One person's skeletons in the order of time.

    Attributes:
        seconds: (T,) from the first image of the recording.
        joints: (T, 17, 3) metres in the camera's frame.
    """

    seconds: Doubles
    joints: Doubles


def evaluate_skeleton(bags: Sequence[Path], truths: Sequence[Path] = ()) -> Report:
    """Measure the skeletons of recorded results.

    Args:
        bags: With results.
        truths: Their truth files, one each, or none at all; frame i belongs to image i.

    Returns:
        ``results``: ``recordings`` by name. Lengths in mm (``root_m`` in metres), ``mpjve_mm`` per image,
        shares in 0 to 1, ``jitter_m_s2`` the mean acceleration of the joints about the pelvis,
        ``bone_cv`` the mean coefficient of variation of the bones' lengths. NaN: nothing to measure.

    Raises:
        InputError: A file cannot be read, or the numbers of files or images differ.
    """
    if truths and len(truths) != len(bags):
        raise InputError(f"{len(bags)} bags and {len(truths)} truth files; expected one for each, or none")
    results: dict[str, dict[str, float]] = {}
    skeletons = 0
    for number, bag in enumerate(bags):
        recording = read_results(bag)
        skeletons += sum(len(s) for s in recording.skeletons.values())
        figures = without_truth(tracks_of(recording))
        if truths:
            figures |= with_truth(recording, read_truth(truths[number]), bag)
        results[f"{bag.parent.name}/{bag.name}"] = rounded(figures)
    columns = list(next(iter(results.values())))
    return Report(
        what="skeleton",
        samples={"recordings": len(results), "skeletons": skeletons},
        models={},
        runtime={},
        protocol={"joints": "pelvis and limbs (13) against the truth, else 17", "up": "-y of the camera"},
        results={"recordings": results},
        tables=[Table("3D", ("recording", *columns), [(n, *f.values()) for n, f in results.items()])],
    )


def tracks_of(recording: Recording) -> list[Track]:
    """Whole skeletons, person by person."""
    stamps = sorted(recording.skeletons)
    rows: dict[str, list[tuple[float, Doubles]]] = {}
    for stamp in stamps:
        skeletons = recording.skeletons[stamp]
        for name, joints in zip(skeletons.ids, skeletons.joints, strict=True):
            if np.isfinite(joints).all():
                rows.setdefault(name, []).append(((stamp - stamps[0]) * 1e-9, joints.astype(np.float64)))
    return [Track(np.array([t for t, _ in r]), np.stack([j for _, j in r])) for r in rows.values()]


def without_truth(tracks: Sequence[Track]) -> dict[str, float]:
    """``bone_cv``, ``jitter_m_s2``, ``foot_skating``."""
    return {
        "bone_cv": _mean([_bone_variation(t) for t in tracks if len(t.seconds) > 1]),
        "jitter_m_s2": _mean([a for t in tracks for a in _accelerations(t)]),
        "foot_skating": _mean([s for t in tracks for s in _slides(t)]),
    }


def _bone_variation(track: Track) -> float:
    a, b = np.array(H36M17.bones).T
    lengths = np.linalg.norm(track.joints[:, a] - track.joints[:, b], axis=-1)  # (T, bones)
    return float((lengths.std(axis=0) / np.maximum(lengths.mean(axis=0), 1e-9)).mean())


def _accelerations(track: Track) -> list[float]:
    """Mean over the joints about the pelvis, image by image."""
    relative = track.joints - track.joints[:, :1]
    steps = np.diff(track.seconds)
    found = []
    for i in range(1, len(relative) - 1):
        before, after = steps[i - 1], steps[i]
        if 0 < before < LONGEST_GAP_S and 0 < after < LONGEST_GAP_S:
            change = (relative[i + 1] - relative[i]) / after - (relative[i] - relative[i - 1]) / before
            found.append(float(np.linalg.norm(2 * change / (before + after), axis=-1).mean()))
    return found


def _slides(track: Track) -> list[float]:
    """1 or 0 for every foot that stands in two images: whether it slides."""
    feet = track.joints[:, FEET]
    floor = float(np.percentile(feet[..., 1].max(axis=1), 50))  # y points down
    steps = np.diff(track.seconds)
    found = []
    for i in np.flatnonzero((steps > 0) & (steps < LONGEST_GAP_S)):
        standing = (feet[i : i + 2, :, 1] > floor - STANDS_M).all(axis=0)
        speed = np.linalg.norm((feet[i + 1] - feet[i])[:, [0, 2]], axis=-1) / steps[i]
        found += [float(s > SLIDES_M_S) for s in speed[standing]]
    return found


def with_truth(recording: Recording, truth: Truth, bag: Path) -> dict[str, float]:
    """``mpjpe_mm``, ``p_mpjpe_mm``, ``mpjve_mm``, ``pck``, ``auc``, ``root_m``, ``answered``."""
    stamps = sorted(recording.people)
    if len(stamps) != len(truth.boxes):
        raise InputError(
            f"{bag} has {len(stamps)} images, its truth {len(truth.boxes)} frames; expected the same images"
        )
    rows: list[tuple[int, int, Doubles, Doubles]] = []  # person, image, found, true
    seen_people = 0
    for index, stamp in enumerate(stamps):
        people, skeletons = recording.people[stamp], recording.skeletons.get(stamp)
        seen = np.flatnonzero(np.isfinite(truth.boxes[index, :, 0]))
        seen_people += len(seen)
        for row, column in match(truth.boxes[index, seen], people.boxes):
            name, person = people.ids[column], int(seen[row])
            if skeletons is not None and name in skeletons.ids:
                joints = skeletons.joints[skeletons.ids.index(name)].astype(np.float64)
                if np.isfinite(joints).all():
                    rows.append((person, index, joints, truth.joints[index, person].astype(np.float64)))
    if not rows:
        nothing = dict.fromkeys(("mpjpe_mm", "p_mpjpe_mm", "mpjve_mm", "pck", "auc", "root_m"), NAN)
        return {**nothing, "answered": 0.0}
    rows.sort(key=lambda r: r[:2])
    found, true = np.stack([r[2] for r in rows]), np.stack([r[3] for r in rows])
    limbs = list(LIMBS)
    predicted, expected = (found - found[:, :1])[:, limbs], (true - true[:, :1])[:, limbs]
    follows = [a[0] == b[0] and a[1] + 1 == b[1] for a, b in pairwise(rows)]
    return {
        "mpjpe_mm": 1e3 * metrics.mpjpe(predicted, expected),
        "p_mpjpe_mm": 1e3 * metrics.p_mpjpe(predicted, expected),
        "mpjve_mm": 1e3 * metrics.mpjve(predicted, expected, follows),
        "pck": metrics.pck(predicted, expected),
        "auc": metrics.auc(predicted, expected),
        "root_m": float(np.linalg.norm(found[:, 0] - true[:, 0], axis=-1).mean()),
        "answered": len(rows) / seen_people,
    }


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else NAN
