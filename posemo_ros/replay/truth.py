"""Exact ground truth, as the scene generator writes it, and which of its frames an image shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..archives import read_npz
from ..detect.boxes import iou, pairs
from ..errors import InputError
from ..skeleton import H36M17
from ..types import Floats, People2D
from .run_folder import plain_name

MATCH_IOU = 0.3
LONGEST_BONE_M = 3.0
LARGEST_SHARE = 2.0
ENOUGH = 0.5  # of the truth's frames; fewer say more about the recording than about the chain
TRIED = 50  # images that are looked at to find where a recording begins
FITS = 0.6  # mean overlap of true people that leaves no doubt
CLEARLY = 1.2  # times as much overlap somewhere else says that a recording begins there


@dataclass(frozen=True, eq=False)
class Truth:
    """Ground truth of F frames with P people; NaN where somebody is out of view.

    Attributes:
        keypoints: (F, P, 17, 3) COCO-17: x px, y px, 2 visible or 1 hidden.
        boxes: (F, P, 4) xyxy px.
        joints: (F, P, 17, 3) H36M-17, metres, camera frame.
        fps: Frames per second; 0 when the file does not say.
    """

    keypoints: Floats
    boxes: Floats
    joints: Floats
    fps: float = 0.0


def read_truth(path: Path) -> Truth:
    """Read a truth file.

    Raises:
        InputError: The file cannot be read or has other contents.
    """
    arrays = read_npz(path, "the ground truth")
    missing = [name for name in ("keypoints", "boxes", "joints3d") if name not in arrays]
    if missing:
        raise InputError(f"{path}: cannot read the ground truth (no array {', '.join(missing)})")
    for name in ("keypoints", "boxes", "joints3d"):
        if arrays[name].dtype.kind not in "fiu":
            raise InputError(f"{path}: {name!r} holds {arrays[name].dtype}; expected numbers")
    truth = Truth(arrays["keypoints"], arrays["boxes"], arrays["joints3d"], stated_fps(path, arrays) or 0.0)
    shape = truth.boxes.shape[:2]
    if truth.keypoints.shape != (*shape, 17, 3) or truth.joints.shape != (*shape, 17, 3):
        raise InputError(
            f"{path}: expected keypoints (F, P, 17, 3), boxes (F, P, 4) and joints3d (F, P, 17, 3); got "
            f"{truth.keypoints.shape}, {truth.boxes.shape} and {truth.joints.shape}"
        )
    _check_content(path, truth)
    return truth


def stated_fps(path: Path, arrays: Mapping[str, NDArray[Any]]) -> float | None:
    """Frames per second of a file; None when it does not say.

    Raises:
        InputError: What it says is no frame rate.
    """
    if "fps" not in arrays:
        return None
    stated = arrays["fps"]
    if stated.size != 1 or stated.dtype.kind not in "fiu" or not 0 < float(stated.reshape(-1)[0]) < 10_000:
        raise InputError(
            f"{path}: 'fps' is {stated.tolist()}; expected frames per second, one number above 0"
        )
    return float(stated.reshape(-1)[0])


def check_metres(path: Path, joints: Floats) -> None:
    """Refuse (…, 17, 3) joints whose bones are longer than anybody's.

    Raises:
        InputError: They are; most likely these are millimetres.
    """
    a, b = np.array(H36M17.bones).T
    lengths = np.linalg.norm(joints[..., a, :] - joints[..., b, :], axis=-1)
    known = lengths[np.isfinite(lengths)]
    if len(known) and np.median(known) > LONGEST_BONE_M:
        raise InputError(f"{path}: 'joints3d' has bones of {np.median(known):.3g} m; expected metres")


def _check_content(path: Path, truth: Truth) -> None:
    there = np.isfinite(truth.boxes).all(axis=-1)
    if not there.any():
        raise InputError(
            f"{path}: nobody is in its {len(truth.boxes)} frames ('boxes' has no finite numbers)"
        )
    boxes = truth.boxes[there]
    if np.abs(boxes).max() <= LARGEST_SHARE:
        raise InputError(f"{path}: 'boxes' lie between 0 and 1; expected pixels, not shares of the image")
    if not (boxes[:, 2:] > boxes[:, :2]).all():
        raise InputError(
            f"{path}: 'boxes' has right or lower ends before left or upper ones; expected xyxy in pixels"
        )
    check_metres(path, truth.joints)


@dataclass(frozen=True)
class Truths:
    """Where the truth of each of several recordings lies.

    Attributes:
        given: A file, a folder with ``NAME.npz`` or ``NAME_truth.npz``, or a pattern with ``{name}``, such
            as ``truth/{name}.npz``.
    """

    given: Path

    @property
    def by_name(self) -> bool:
        """Whether it names more than one file."""
        return "{name}" in str(self.given) or self.given.is_dir()

    def of(self, name: str, *, several: bool = False) -> Path | None:
        """The truth file of a recording of that name; None where a folder or pattern has none.

        Args:
            name: Of the recording: its file's name without the ending.
            several: There is more than one recording, so one file cannot be the truth of all.

        Raises:
            InputError: A single file was given for several recordings.
        """
        if "{name}" in str(self.given):
            file = Path(str(self.given).replace("{name}", name))
            return file if file.is_file() else None
        if self.given.is_dir():
            return _in_folder(self.given, plain_name(name))
        if several:
            raise InputError(
                f"one truth file ({self.given}) for several recordings; expected a folder with NAME.npz or "
                "NAME_truth.npz, or a pattern with {name}, such as 'truth/{name}.npz'"
            )
        return self.given


def _in_folder(folder: Path, name: str) -> Path | None:
    """``NAME.npz`` or ``NAME_truth.npz``, whatever signs a name of a result folder cannot have."""
    files = {plain_name(file.stem): file for file in sorted(folder.glob("*.npz"))}
    return files.get(name) or files.get(f"{name}_truth")


@dataclass(frozen=True, eq=False)
class Alignment:
    """Which image shows which frame of the truth.

    Attributes:
        shown: Index of the truth's frame -> stamp of the image that shows it, for the frames that have a
            result, in order.
        coverage: Their share of the truth's frames.
        offset_s: Stamp of the truth's first frame minus that of the first image, seconds: negative
            when the recording begins later than the truth.
        aligned_by: How that is known.
        met: Share of the true people who lie near a reported one; NaN where nobody can tell.
    """

    shown: Mapping[int, int]
    coverage: float
    offset_s: float
    aligned_by: str
    met: float = float("nan")

    def words(self) -> str:
        """For people: ``125 of its frames compared (50.0 %), …``."""
        return words_of_alignment(
            len(self.shown), self.coverage, self.offset_s, self.aligned_by, met=self.met
        )


def words_of_alignment(
    frames: int, coverage: float, offset_s: float, aligned_by: str, *, met: float | None
) -> str:
    """What a reader has to know about a comparison with the truth; see ``Alignment``."""
    first = "is the first image"
    if abs(offset_s) >= 0.0005:
        first = f"{abs(offset_s):.3f} s {'before' if offset_s < 0 else 'after'} the first image"
    nobody = "; none of its people lies near a result: do both belong together (pixels, x1 y1 x2 y2)?"
    return (
        f"{frames} of its frames compared ({100 * coverage:.1f} %), its first {first}, known by {aligned_by}"
        f"{nobody if met == 0 else ''}"
    )


def align(
    truth: Truth, stamps: Sequence[int], people: Mapping[int, People2D], origin_ns: int | None = None
) -> Alignment:
    """Find the image that shows each frame of the truth.

    They belong together by time: frame i is shown by the image whose stamp is nearest to
    ``origin + i / fps``, by half a frame at most.

    Args:
        truth: Of the clip.
        stamps: Of the images.
        people: Results by stamp.
        origin_ns: Stamp of the truth's first frame, if somebody knows.

    Raises:
        InputError: Less than half of the truth's frames have a result.
    """
    count, persons = truth.boxes.shape[:2]
    if count < ENOUGH * len(stamps) <= persons:
        raise InputError(
            f"not compared with the truth: it has {count} frames of {persons} people, the recording "
            f"{len(stamps)} images; expected (frames, people, …): are these two the other way round?"
        )
    period_ns = 1e9 / truth.fps if truth.fps > 0 else _usual_gap(stamps)
    origin, aligned_by = _origin(truth, period_ns, stamps, people, origin_ns)
    if not truth.fps:
        rate = f"{1e9 / period_ns:.3g} images per second, as the recording has them, are assumed"
        aligned_by += f" (the truth does not say its fps: {rate})"
    shown = sorted(_shown(len(truth.boxes), period_ns, stamps, origin).items())
    answered = {index: stamp for index, stamp in shown if stamp in people}
    coverage = len(answered) / max(len(truth.boxes), 1)
    if coverage < ENOUGH:
        raise InputError(
            f"not compared with the truth: only {len(answered)} of its {len(truth.boxes)} frames have a "
            f"result in the recording ({coverage:.0%}; at least {ENOUGH:.0%} are needed). Record the whole "
            "clip, at its own rate"
        )
    met = _met(truth, answered, people)
    return Alignment(answered, coverage, (origin - min(stamps)) * 1e-9, aligned_by, met)


def _met(truth: Truth, shown: Mapping[int, int], people: Mapping[int, People2D]) -> float:
    seen = met = 0
    for index, stamp in shown.items():
        true, found = truth.boxes[index], people[stamp].boxes
        true, found = (boxes[np.isfinite(boxes).all(axis=1)] for boxes in (true, found))
        seen += len(true) if len(found) else 0
        met += len(match(true, found)) if len(true) and len(found) else 0
    return met / seen if seen else float("nan")


def _usual_gap(stamps: Sequence[int]) -> float:
    gaps = np.diff(sorted(stamps))
    return float(np.median(gaps)) if len(gaps) and np.median(gaps) > 0 else 4e7


def _origin(
    truth: Truth,
    period_ns: float,
    stamps: Sequence[int],
    people: Mapping[int, People2D],
    origin_ns: int | None,
) -> tuple[int, str]:
    """The stamp of the truth's first frame, and how it is known."""
    if origin_ns is not None:
        return origin_ns, "the camera node"
    if min(stamps) >= 0 and max(stamps) < (len(truth.boxes) + 1) * period_ns:
        return 0, "stamps that count from the beginning of the clip" + _doubt(
            truth, period_ns, stamps, people
        )
    return _best_origin(truth, period_ns, sorted(stamps), people)[0], "the boxes that fit best"


def _doubt(truth: Truth, period_ns: float, stamps: Sequence[int], people: Mapping[int, People2D]) -> str:
    """What to say of a film that seems to lack its beginning, so that its stamps count from elsewhere."""
    shown, some = _shown(len(truth.boxes), period_ns, stamps, 0), _some(sorted(stamps))
    overlap = _overlap(truth, period_ns, some, people, 0)
    looked_at = list(_shown(len(truth.boxes), period_ns, some, 0))
    fits = overlap >= FITS * np.isfinite(truth.boxes[looked_at, :, 0]).sum()
    if len(shown) == len(truth.boxes) or fits:  # the search takes seconds
        return ""
    best, most = _best_origin(truth, period_ns, sorted(stamps), people)
    if most <= CLEARLY * overlap:
        return ""
    lacks = (min(stamps) - best) * 1e-9
    when = f"{abs(lacks):.2f} s {'after' if lacks > 0 else 'before'} the truth"
    return f" (but the boxes fit better with the film beginning {when}: was it cut?)"


def _best_origin(
    truth: Truth, period_ns: float, stamps: Sequence[int], people: Mapping[int, People2D]
) -> tuple[int, float]:
    """Where boxes overlap most, and how much: of every frame of the truth as the first image, and every image
    as the first frame."""
    chosen = _some(stamps)
    origins = [round(stamps[0] - first * period_ns) for first in range(len(truth.boxes))] + list(stamps[1:])
    fits = [_overlap(truth, period_ns, chosen, people, origin) for origin in origins]
    best = int(np.argmax(fits))
    return origins[best], fits[best]


def _some(stamps: Sequence[int]) -> Sequence[int]:
    return stamps[:: max(1, len(stamps) // TRIED)]


def _overlap(
    truth: Truth, period_ns: float, stamps: Sequence[int], people: Mapping[int, People2D], origin: int
) -> float:
    total = 0.0
    for index, stamp in _shown(len(truth.boxes), period_ns, stamps, origin).items():
        found = people[stamp].boxes if stamp in people else np.zeros((0, 4), np.float32)
        true = truth.boxes[index][np.isfinite(truth.boxes[index, :, 0])]
        if len(found) and len(true):
            total += float(iou(true.astype(np.float32), found).max(axis=1).sum())
    return total


def _shown(frames: int, period_ns: float, stamps: Sequence[int], origin: int) -> dict[int, int]:
    """Index of the truth's frame -> stamp of the image that shows it."""
    nearest: dict[int, tuple[float, int]] = {}
    for stamp in stamps:
        position = (stamp - origin) / period_ns
        index = round(position)
        if 0 <= index < frames:
            nearest[index] = min(nearest.get(index, (1.0, stamp)), (abs(position - index), stamp))
    return {index: stamp for index, (_, stamp) in nearest.items()}


def match(true: Floats, found: Floats) -> list[tuple[int, int]]:
    """Pairs of true and found boxes, (N, 4) and (M, 4) xyxy px, with an IoU of at least 0.3."""
    return pairs(true.astype(np.float32), found, MATCH_IOU)
