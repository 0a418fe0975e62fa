"""How far the results are from an exact ground truth, as the scene generator writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from ..metrics import joint_errors, mpjpe, p_mpjpe
from ..types import Floats, People2D, Skeletons3D
from .truth import Alignment, Truth, align, match

PCK_SHARE = 0.05  # of the box height
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
        keypoint_px: Median distance, pixels, of the visible keypoints of people who were found; one that was
            not given is farther than any other.
        pck: Share of these keypoints nearer than 5 % of the box height.
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


def compare(
    truth: Truth,
    stamps: Sequence[int],
    people: Mapping[int, People2D],
    skeletons: Mapping[int, Skeletons3D],
    origin_ns: int | None = None,
) -> Comparison:
    """Compare every frame of the truth with the results of the image that shows it.

    Args:
        truth: Of the clip.
        stamps: Of the images.
        people, skeletons: Results by stamp.
        origin_ns: Stamp of the truth's first frame, if somebody knows.

    Raises:
        InputError: Less than half of the truth's frames have a result, see ``align``.
    """
    aligned = align(truth, stamps, people, origin_ns)
    tally = _Tally()
    for index, stamp in aligned.shown.items():
        tally.add(truth, index, people[stamp], skeletons.get(stamp))
    return tally.result(aligned)


class _Tally:
    def __init__(self) -> None:
        self._persons = self._found = self._false = self._switches = 0
        self._names: dict[int, str] = {}
        self._pixels: list[NDArray[np.float64]] = []
        self._shares: list[NDArray[np.float64]] = []
        self._poses: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
        self._distances: list[tuple[float, float]] = []

    def add(self, truth: Truth, index: int, people: People2D, skeletons: Skeletons3D | None) -> None:
        seen = np.flatnonzero(np.isfinite(truth.boxes[index, :, 0]))
        pairs = match(truth.boxes[index, seen], people.boxes)
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
        if np.isfinite(root).all() and np.isfinite(true[0]).all():
            self._distances.append((float(np.linalg.norm(root)), float(np.linalg.norm(true[0]))))

    def result(self, aligned: Alignment) -> Comparison:
        nan = float("nan")
        pixels = np.concatenate(self._pixels) if self._pixels else np.zeros(0)
        shares = np.concatenate(self._shares) if self._shares else np.zeros(0)
        far = np.array(self._distances).reshape(-1, 2)
        gap = np.abs(far[:, 0] - far[:, 1])
        poses = np.array(self._poses or np.full((1, 2, len(LIMBS), 3), nan))  # (n, found and true, joints, 3)
        return Comparison(
            frames=len(aligned.shown),
            coverage=aligned.coverage,
            offset_s=aligned.offset_s,
            aligned_by=aligned.aligned_by,
            persons=self._persons,
            recall=self._found / self._persons if self._persons else nan,
            false_persons=self._false,
            id_switches=self._switches,
            # A keypoint that was not given is a miss.
            keypoint_px=_median(np.nan_to_num(pixels, nan=np.inf)),
            pck=float((np.nan_to_num(shares, nan=np.inf) < PCK_SHARE).mean()) if len(shares) else nan,
            mpjpe_mm=1e3 * mpjpe(poses[:, 0], poses[:, 1]) if self._poses else nan,
            p_mpjpe_mm=1e3 * p_mpjpe(poses[:, 0], poses[:, 1]) if self._poses else nan,
            distance_error_m=float(gap.mean()) if len(gap) else nan,
            distance_error_share=float((gap / far[:, 1]).mean()) if len(gap) else nan,
        )


def _median(values: NDArray[np.float64]) -> float:
    """NaN where there is none, or it is infinite."""
    middle = float(np.median(values)) if len(values) else float("nan")
    return middle if np.isfinite(middle) else float("nan")
