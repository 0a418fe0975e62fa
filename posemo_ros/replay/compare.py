"""How far the results are from an exact ground truth, as the scene generator writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ..archives import read_npz
from ..detect.boxes import iou
from ..errors import InputError
from ..metrics import joint_errors, mpjpe, p_mpjpe
from ..types import Floats, People2D, Skeletons3D

MATCH_IOU = 0.3
PCK_SHARE = 0.05  # of the box height
ENOUGH = 0.5  # of the truth's frames; fewer say more about the recording than about the chain
TRIED = 50  # images that are looked at to find where a recording begins
# The torso ends and limbs, which mean the same point in every H36M-17 data set; spine, neck and
# head differ by convention.
LIMBS = (0, 1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16)


@dataclass(frozen=True)
class Comparison:
    """Errors of a whole clip; NaN where there was nothing to compare.

    Attributes:
        frames: With truth and a result.
        coverage: The same as a share of the truth's frames.
        offset_s: Stamp of the truth's first frame minus that of the first image, seconds: negative
            when the recording begins later than the truth.
        aligned_by: How that is known.
        persons: True persons in them, all frames added up.
        recall: Share of them that was found (box IoU of at least 0.3).
        false_persons: Reported persons that match nobody, all frames added up.
        id_switches: How often a true person's id changed.
        keypoint_px: Median distance of the visible keypoints, pixels.
        pck: Share of the visible keypoints nearer than 5 % of the box height.
        mpjpe_mm: Mean distance of the 13 joints of pelvis and limbs, about the pelvis.
        p_mpjpe_mm: The same after scaling and turning every pose onto the truth.
        distance_error_m: Mean error of the pelvis' distance from the camera.
        distance_error_share: The same as a share of the distance.
    """

    frames: int
    coverage: float
    offset_s: float
    aligned_by: str
    persons: int
    recall: float
    false_persons: int
    id_switches: int
    keypoint_px: float
    pck: float
    mpjpe_mm: float
    p_mpjpe_mm: float
    distance_error_m: float
    distance_error_share: float

    def as_dict(self) -> dict[str, float | str | None]:
        """Values rounded for people; None instead of NaN."""
        return {k: _rounded(v) for k, v in asdict(self).items()}


def _rounded(value: float | str) -> float | str | None:
    if isinstance(value, str):
        return value
    return None if np.isnan(value) else round(value, 4)


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
    fps = float(arrays["fps"]) if "fps" in arrays and arrays["fps"].size == 1 else 0.0
    truth = Truth(arrays["keypoints"], arrays["boxes"], arrays["joints3d"], fps)
    shape = truth.boxes.shape[:2]
    if truth.keypoints.shape != (*shape, 17, 3) or truth.joints.shape != (*shape, 17, 3):
        raise InputError(
            f"{path}: expected keypoints (F, P, 17, 3), boxes (F, P, 4) and joints3d (F, P, 17, 3); got "
            f"{truth.keypoints.shape}, {truth.boxes.shape} and {truth.joints.shape}"
        )
    return truth


def compare(
    truth: Truth,
    stamps: Sequence[int],
    people: Mapping[int, People2D],
    skeletons: Mapping[int, Skeletons3D],
    origin_ns: int | None = None,
) -> Comparison:
    """Compare every frame of the truth with the results of the image that shows it.

    They belong together by time: frame i is shown by the image whose stamp is nearest to
    ``origin + i / fps``, by half a frame at most.

    Args:
        truth: Of the clip.
        stamps: Of the images.
        people, skeletons: Results by stamp.
        origin_ns: Stamp of the truth's first frame, if somebody knows.

    Raises:
        InputError: Less than half of the truth's frames have a result.
    """
    period_ns = 1e9 / truth.fps if truth.fps > 0 else _usual_gap(stamps)
    origin, aligned_by = _origin(truth, period_ns, stamps, people, origin_ns)
    tally = _Tally()
    for index, stamp in sorted(_shown(len(truth.boxes), period_ns, stamps, origin).items()):
        if stamp in people:
            tally.add(truth, index, people[stamp], skeletons.get(stamp))
    coverage = tally.frames / max(len(truth.boxes), 1)
    if coverage < ENOUGH:
        raise InputError(
            f"not compared with the truth: only {tally.frames} of its {len(truth.boxes)} frames have a "
            f"result in the recording ({coverage:.0%}; at least {ENOUGH:.0%} are needed). Record the whole "
            "clip, at its own rate"
        )
    return tally.result(coverage, (origin - min(stamps)) * 1e-9, aligned_by)


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
        return 0, "stamps that count from the beginning of the clip"
    return _best_origin(truth, period_ns, sorted(stamps), people), "the boxes that fit best"


def _best_origin(
    truth: Truth, period_ns: float, stamps: Sequence[int], people: Mapping[int, People2D]
) -> int:
    """Try every frame of the truth as the first image; the one whose boxes overlap most is it."""
    chosen = stamps[:: max(1, len(stamps) // TRIED)]
    origins = [round(stamps[0] - first * period_ns) for first in range(len(truth.boxes))]
    return max(origins, key=lambda origin: _overlap(truth, period_ns, chosen, people, origin))


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


class _Tally:
    def __init__(self) -> None:
        self.frames = self._persons = self._found = self._false = self._switches = 0
        self._names: dict[int, str] = {}
        self._pixels: list[NDArray[np.float64]] = []
        self._shares: list[NDArray[np.float64]] = []
        self._poses: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
        self._distances: list[tuple[float, float]] = []

    def add(self, truth: Truth, index: int, people: People2D, skeletons: Skeletons3D | None) -> None:
        seen = np.flatnonzero(np.isfinite(truth.boxes[index, :, 0]))
        pairs = match(truth.boxes[index, seen], people.boxes)
        self.frames += 1
        self._persons += len(seen)
        self._found += len(pairs)
        self._false += len(people) - len(pairs)
        for row, column in pairs:
            person, name = int(seen[row]), people.ids[column]
            self._switches += self._names.get(person, name) != name
            self._names[person] = name
            self._add_2d(truth.keypoints[index, person], truth.boxes[index, person], people.keypoints[column])
            if skeletons is not None and name in skeletons.ids:
                self._add_3d(truth.joints[index, person], skeletons, skeletons.ids.index(name))

    def _add_2d(self, true: Floats, box: Floats, found: Floats) -> None:
        errors = joint_errors(found[:, :2], true[:, :2])[true[:, 2] == 2]
        self._pixels.append(errors)
        self._shares.append(errors / max(float(box[3] - box[1]), 1.0))

    def _add_3d(self, true: Floats, skeletons: Skeletons3D, row: int) -> None:
        relative = skeletons.relative[row]
        if np.isfinite(relative).all():
            limbs = list(LIMBS)
            self._poses.append(
                (relative[limbs].astype(np.float64), (true - true[0])[limbs].astype(np.float64))
            )
        root = skeletons.roots[row]
        if np.isfinite(root).all():
            self._distances.append((float(np.linalg.norm(root)), float(np.linalg.norm(true[0]))))

    def result(self, coverage: float, offset_s: float, aligned_by: str) -> Comparison:
        nan = float("nan")
        pixels = np.concatenate(self._pixels) if self._pixels else np.zeros(0)
        shares = np.concatenate(self._shares) if self._shares else np.zeros(0)
        far = np.array(self._distances).reshape(-1, 2)
        gap = np.abs(far[:, 0] - far[:, 1])
        poses = np.array(self._poses or np.full((1, 2, len(LIMBS), 3), nan))  # (n, found and true, joints, 3)
        return Comparison(
            frames=self.frames,
            coverage=coverage,
            offset_s=offset_s,
            aligned_by=aligned_by,
            persons=self._persons,
            recall=self._found / self._persons if self._persons else nan,
            false_persons=self._false,
            id_switches=self._switches,
            keypoint_px=float(np.nanmedian(pixels)) if np.isfinite(pixels).any() else nan,
            # A keypoint that was not given is a miss.
            pck=float((np.nan_to_num(shares, nan=np.inf) < PCK_SHARE).mean()) if len(shares) else nan,
            mpjpe_mm=1e3 * mpjpe(poses[:, 0], poses[:, 1]) if self._poses else nan,
            p_mpjpe_mm=1e3 * p_mpjpe(poses[:, 0], poses[:, 1]) if self._poses else nan,
            distance_error_m=float(gap.mean()) if len(gap) else nan,
            distance_error_share=float((gap / far[:, 1]).mean()) if len(gap) else nan,
        )


def match(true: Floats, found: Floats) -> list[tuple[int, int]]:
    """Pairs of true and found boxes, (N, 4) and (M, 4) xyxy px, with an IoU of at least 0.3."""
    if not len(true) or not len(found):
        return []
    overlap = iou(true.astype(np.float32), found)
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if overlap[r, c] >= MATCH_IOU]
