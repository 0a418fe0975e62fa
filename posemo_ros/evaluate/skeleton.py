"""Recorded 3D skeletons against the truth, and what can be measured of them without one.

With truth (Human3.6M's measures, see ``metrics``): the 13 joints of pelvis and limbs, which mean the same
point in every H36M-17 data set. Without: bones that change their length, joints that tremble, and feet that
slide while they stand (the ratio of Karunratanakul et al., "Guided Motion Diffusion", ICCV 2023: a foot
lower than 5 cm that moves by more than 2.5 cm in 1/20 s). "Up" is the camera's -y: a level camera.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import metrics
from ..errors import InputError
from ..losses import together
from ..replay.bag import Recording
from ..replay.compare import LIMBS
from ..replay.truth import Truth, align, match, read_truth
from ..skeleton import H36M17
from ..types import Floats, People2D
from .plots import Plot, bars
from .recorded import read_recorded, recordings, truths_of
from .report import Report, Table, rounded

Doubles = NDArray[np.float64]
FEET = tuple(H36M17.index(name) for name in ("right_ankle", "left_ankle"))
STANDS_M, SLIDES_M_S = 0.05, 0.5  # 2.5 cm in 1/20 s
LONGEST_GAP_S = 0.5  # between images of one track that count as neighbours
JOINTS = "joints_mm"
SAME_RATE = 1e-3
LESS, TURNED_DEG = 0.5, 45.0  # of the error, by so much of a turn: other axes
STEADINESS = (
    ("bone_cv", "How much bones change their length", "0 for a rigid body.", "standard deviation / mean"),
    ("jitter_m_s2", "Jitter", "Mean acceleration of the joints; real movement has some.", "m/s²"),
    ("foot_skating", "Sliding feet", "Share of standing feet that move faster than 0.5 m/s.", "share"),
)
NAN = float("nan")


@dataclass(frozen=True, eq=False)
class Track:
    """One person's skeletons in the order of time.

    Attributes:
        seconds: (T,) from the first image of the recording.
        relative: (T, 17, 3) metres about the pelvis, in the camera's axes.
        roots: (T, 3) metres, the pelvis in the camera's frame; NaN where it has no place.
    """

    seconds: Doubles
    relative: Doubles
    roots: Doubles


def evaluate_skeleton(paths: Sequence[Path], truths: Sequence[Path] = ()) -> Report:
    """Measure skeletons that are there already.

    Args:
        paths: Bags with results, folders of runs, ``.npz`` files (``recorded.read_recorded``).
        truths: Their truth files: one each, a folder or a pattern (``recorded.truths_of``), or none. Images
            and truth are brought together by time, as in the report (``replay.truth.align``).

    Returns:
        ``results``: ``recordings`` by name. Lengths in mm (``root_m`` in metres), ``mpjve_mm`` per image,
        shares in 0 to 1, ``jitter_m_s2`` the mean acceleration of the joints about the pelvis,
        ``bone_cv`` the mean coefficient of variation of the bones' lengths; ``joints_mm`` the mean error of
        every joint. NaN: nothing to measure.

    Raises:
        InputError: A file cannot be read, there are other numbers of files, or less than half of a
            truth's frames have a result.
    """
    files = recordings(paths)
    known = truths_of(files, truths)
    clips = {name: read_recorded(file) for name, file in files.items()}
    aligned = {name: _Aligned(clips[name], read_truth(file)) for name, file in known.items()}
    results: dict[str, dict[str, Any]] = {}
    for name, recording in clips.items():
        results[name] = dict(rounded(without_truth(tracks_of(recording))))
        if name in aligned:
            results[name] |= aligned[name].figures()
    without = [name for name in clips if name not in aligned] if truths else []
    return Report(
        what="skeleton",
        samples={"recordings": len(results), "skeletons": sum(map(_skeletons_in, clips.values()))},
        models={},
        runtime={},
        protocol={"joints": "pelvis and limbs (13) against the truth, else 17", "up": "-y of the camera"},
        results={"recordings": results},
        tables=_tables(results),
        notes=[
            *(f"{name}: truth: {a.alignment.words()}" for name, a in aligned.items()),
            *(f"{name}: its truth has no joints in 3D" for name, a in aligned.items() if not a.has_joints),
            *(f"{name}: {words}" for name, a in aligned.items() if (words := other_axes(a.pairs[0]))),
            *(f"{name}: no truth found for it" for name in without),
        ],
        plots=_plots(results),
        losses=together(*(clip.losses.as_dict() for clip in clips.values())),
    )


def _skeletons_in(recording: Recording) -> int:
    return sum(map(len, recording.skeletons.values()))


def _tables(results: Mapping[str, Mapping[str, Any]]) -> list[Table]:
    columns = list(dict.fromkeys(k for r in results.values() for k in r if k != JOINTS))
    tables = [Table("3D", ("recording", *columns), _rows(results, columns))]
    by_joint = {name: r[JOINTS] for name, r in results.items() if JOINTS in r}
    if by_joint:
        names = [H36M17.joints[i] for i in LIMBS]
        tables.append(Table("mean error of each joint, mm", ("recording", *names), _rows(by_joint, names)))
    return tables


def _plots(results: Mapping[str, Mapping[str, Any]]) -> list[Plot]:
    plots = []
    by_joint = {name: r[JOINTS] for name, r in results.items() if JOINTS in r}
    if by_joint:
        plots += [
            bars(
                "Mean error of each joint",
                "Pelvis of both at the origin; a joint of the limbs is off by so many millimetres on "
                "average.",
                by_joint,
                "mm",
            ),
            bars(
                "Error of the whole skeleton",
                "MPJPE, and P-MPJPE after the best turn, shift and scale of every pose.",
                {name: {k: results[name][k] for k in ("mpjpe_mm", "p_mpjpe_mm")} for name in by_joint},
                "mm",
            ),
        ]
    for key, title, text, unit in STEADINESS:
        rows = {"recordings": {name: r[key] for name, r in results.items()}}
        plots.append(bars(title, text, rows, unit))
    return plots


def _rows(results: Mapping[str, Mapping[str, Any]], columns: Sequence[str]) -> list[list[Any]]:
    return [[name, *(figures.get(column, NAN) for column in columns)] for name, figures in results.items()]


def tracks_of(recording: Recording) -> list[Track]:
    """Whole skeletons, person by person."""
    stamps = sorted(recording.skeletons)
    rows: dict[str, list[tuple[float, Floats, Floats]]] = {}
    for stamp in stamps:
        skeletons = recording.skeletons[stamp]
        for name, relative, root in zip(skeletons.ids, skeletons.relative, skeletons.roots, strict=True):
            if np.isfinite(relative).all():
                rows.setdefault(name, []).append(((stamp - stamps[0]) * 1e-9, relative, root))
    return [Track(*(np.array(column, np.float64) for column in zip(*r, strict=True))) for r in rows.values()]


def without_truth(tracks: Sequence[Track]) -> dict[str, float]:
    """``bone_cv``, ``jitter_m_s2``, ``foot_skating``."""
    return {
        "bone_cv": _bone_variation(tracks),
        "jitter_m_s2": _mean([a for t in tracks for a in _accelerations(t)]),
        "foot_skating": _mean([s for t in tracks for s in _slides(t)]),
    }


def _bone_variation(tracks: Sequence[Track]) -> float:
    """Every skeleton weighs the same: bones of tracks that soon break off hardly change."""
    a, b = np.array(H36M17.bones).T
    found = [(0.0, 0)]
    for track in tracks:
        lengths = np.linalg.norm(track.relative[:, a] - track.relative[:, b], axis=-1)  # (T, bones)
        variation = lengths.std(axis=0) / np.maximum(lengths.mean(axis=0), 1e-9)
        found += [(float(variation.mean()), len(lengths))] * (len(lengths) > 1)
    values, weights = np.array(found).T
    return float(np.average(values, weights=weights)) if weights.any() else NAN


def _accelerations(track: Track) -> list[float]:
    """Mean over the joints about the pelvis but the pelvis, image by image."""
    relative = track.relative[:, 1:]
    steps = np.diff(track.seconds)
    found = []
    for i in range(1, len(relative) - 1):
        before, after = steps[i - 1], steps[i]
        if 0 < before < LONGEST_GAP_S and 0 < after < LONGEST_GAP_S:
            change = (relative[i + 1] - relative[i]) / after - (relative[i] - relative[i - 1]) / before
            found.append(float(np.linalg.norm(2 * change / (before + after), axis=-1).mean()))
    return found


def _slides(track: Track) -> list[float]:
    """1 or 0 for every foot that stands in two images, where it is known: whether it slides."""
    placed = np.isfinite(track.roots).all(axis=1)
    if not placed.any():
        return []
    feet = (track.relative + track.roots[:, None])[placed][:, FEET]
    floor = float(np.percentile(feet[..., 1].max(axis=1), 50))  # y points down
    steps = np.diff(track.seconds[placed])
    found = []
    for i in np.flatnonzero((steps > 0) & (steps < LONGEST_GAP_S)):
        standing = (feet[i : i + 2, :, 1] > floor - STANDS_M).all(axis=0)
        speed = np.linalg.norm((feet[i + 1] - feet[i])[:, [0, 2]], axis=-1) / steps[i]
        found += [float(s > SLIDES_M_S) for s in speed[standing]]
    return found


class _Aligned:
    """A recording and the truth about it."""

    def __init__(self, recording: Recording, truth: Truth) -> None:
        self._recording, self._truth = recording, truth
        is_file = recording.path.suffix.lower() == ".npz"  # its first frame is the truth's
        origin_ns = 0 if is_file else recording.origin_ns
        found = align(truth, sorted(recording.people), recording.people, origin_ns)
        self.alignment = replace(found, aligned_by=_order_or_times(recording, truth)) if is_file else found

    @property
    def has_joints(self) -> bool:
        """Whether the truth knows where anybody is in 3D."""
        return bool(np.isfinite(self._truth.joints).any())

    def figures(self) -> dict[str, Any]:
        """See ``with_truth``."""
        return {"coverage": round(self.alignment.coverage, 4), **with_truth(*self.pairs)}

    @cached_property
    def pairs(self) -> tuple[list[Pair], int]:
        """Reported and true skeletons, and how many true persons there are."""
        rows, seen = list[Pair](), 0
        for index, stamp in self.alignment.shown.items():
            known = np.isfinite(self._truth.boxes[index, :, 0])
            known &= np.isfinite(self._truth.joints[index]).any(axis=(1, 2))
            there = np.flatnonzero(known)
            seen += len(there)
            rows += self._pairs(index, stamp, there)
        return rows, seen

    def _pairs(self, index: int, stamp: int, there: NDArray[np.intp]) -> list[Pair]:
        people, skeletons = self._recording.people[stamp], self._recording.skeletons.get(stamp)
        if skeletons is None:
            return []
        pairs = []
        for person, column in self._who(index, people, there):
            name = people.ids[column]
            if name in skeletons.ids:
                row = skeletons.ids.index(name)
                found, root = skeletons.relative[row], skeletons.roots[row]
                if np.isfinite(found).all():
                    true = self._truth.joints[index, person]
                    pairs.append(Pair(person, index, *(a.astype(np.float64) for a in (found, root, true))))
        return pairs

    def _who(self, index: int, people: People2D, there: NDArray[np.intp]) -> list[tuple[int, int]]:
        """Numbers of true and of reported persons who are the same."""
        if not np.isnan(people.boxes).all() or not len(people):
            return [
                (int(there[row]), column)
                for row, column in match(self._truth.boxes[index, there], people.boxes)
            ]
        seen = set(there.tolist())
        return [(self._order[name], i) for i, name in enumerate(people.ids) if self._order[name] in seen]

    @cached_property
    def _order(self) -> dict[str, int]:
        """Numbers of true persons by id, of a recording without boxes."""
        names = self._recording.columns
        if len(names) != self._truth.boxes.shape[1]:
            raise InputError(
                f"{self._recording.path}: {len(names)} people without 'boxes', the truth has "
                f"{self._truth.boxes.shape[1]}; expected the same people in the same order, or 'boxes'"
            )
        return {name: number for number, name in enumerate(names)}


def _order_or_times(recording: Recording, truth: Truth) -> str:
    """How the frames of an ``.npz`` file and those of the truth are known to belong together."""
    stamps, frames = sorted(recording.people), len(truth.boxes)
    rate_hz = 1e9 * (len(stamps) - 1) / (stamps[-1] - stamps[0]) if len(stamps) > 1 else 0.0
    if not (rate_hz and truth.fps) or abs(rate_hz / truth.fps - 1) < SAME_RATE:
        return "the order of the frames"
    doubt = f"; both have {frames} frames: is one of these wrong?" if len(stamps) == frames else ""
    return f"the times of the frames ({rate_hz:.4g} per second, the truth {truth.fps:.4g}{doubt})"


@dataclass(frozen=True, eq=False)
class Pair:
    """A true person in an image and the skeleton that was reported.

    Attributes:
        person, index: Of the truth: which person, in which frame.
        found: (17, 3) metres about the pelvis, reported.
        root: (3,) metres, where its pelvis was reported; NaN: nowhere.
        true: (17, 3) metres in the camera's frame.
    """

    person: int
    index: int
    found: Doubles
    root: Doubles
    true: Doubles


def with_truth(pairs: Sequence[Pair], seen: int) -> dict[str, Any]:
    """Errors of reported skeletons.

    Args:
        pairs: Reported and true skeletons.
        seen: True persons in all images.

    Returns:
        ``mpjpe_mm``, ``p_mpjpe_mm``, ``mpjve_mm``, ``pck``, ``auc`` (of the limbs alone), ``root_m``,
        ``answered`` and ``placed`` (shares of the true persons), and ``joints_mm`` by joint (about the
        pelvis).
    """
    if not pairs:
        nothing = dict.fromkeys(("mpjpe_mm", "p_mpjpe_mm", "mpjve_mm", "pck", "auc", "root_m"), NAN)
        return {**nothing, "answered": 0.0, "placed": 0.0}
    rows = sorted(pairs, key=lambda p: (p.person, p.index))
    found, true = np.stack([r.found for r in rows]), np.stack([r.true for r in rows])
    away = metrics.joint_errors(np.stack([r.root for r in rows]), true[:, 0])
    limbs = list(LIMBS)
    predicted, expected = (found - found[:, :1])[:, limbs], (true - true[:, :1])[:, limbs]
    follows = [a.person == b.person and a.index + 1 == b.index for a, b in pairwise(rows)]
    figures = {
        "mpjpe_mm": 1e3 * metrics.mpjpe(predicted, expected),
        "p_mpjpe_mm": 1e3 * metrics.p_mpjpe(predicted, expected),
        "mpjve_mm": 1e3 * metrics.mpjve(predicted, expected, follows),
        "pck": metrics.pck(predicted[:, 1:], expected[:, 1:]),  # without the pelvis, which is never off
        "auc": metrics.auc(predicted[:, 1:], expected[:, 1:]),
        "root_m": _known_mean(away),
        "answered": len(rows) / seen,
        "placed": float(np.mean([np.isfinite(r.root).all() for r in rows])) * len(rows) / seen,
    }
    errors = 1e3 * metrics.joint_errors(predicted, expected)
    by_joint = {H36M17.joints[i]: _known_mean(errors[:, n]) for n, i in enumerate(limbs)}
    return {**rounded(figures), JOINTS: rounded(by_joint, 2)}


def other_axes(pairs: Sequence[Pair]) -> str:
    """What to say where one turn, or a mirror, brings all skeletons onto the truth; nothing otherwise.

    Args:
        pairs: Reported and true skeletons.
    """
    if not pairs:
        return ""
    limbs = list(LIMBS)
    found, true = (np.stack([p.found for p in pairs]), np.stack([p.true for p in pairs]))
    a, b = ((j - j[:, :1])[:, limbs].reshape(-1, 3) for j in (found, true))
    known = np.isfinite(b).all(axis=1)
    u, _, vt = np.linalg.svd(a[known].T @ b[known])
    turn, mirrored = u @ vt, np.linalg.det(u @ vt) < 0
    angle = np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)))
    before, after = (1e3 * metrics.mpjpe(x[known], b[known]) for x in (a, a @ turn))
    if not after < LESS * before or (angle < TURNED_DEG and not mirrored):
        return ""
    how = "mirrored" if mirrored else f"turned by {angle:.0f} degrees"
    return (
        f"{how}, all its skeletons together would be {after:.0f} mm off, not {before:.0f}: are its axes the "
        "camera's (x right, y down, z away)?"
    )


def _known_mean(values: Doubles) -> float:
    return _mean(values[np.isfinite(values)])


def _mean(values: Sequence[float] | Doubles) -> float:
    return float(np.mean(values)) if len(values) else NAN
