"""How a keypoint network was really wrong, put onto other people: measured errors instead of invented ones.

``python -m train scenes films`` films rendered people and keeps what detector, tracker and keypoint
network made of them. Here stretches of these errors are drawn again: of some at random that of the
person who looks most alike, so that hidden arms, people seen from behind and half bodies get the
errors of such people. Joint, time, score, missing frames and exchanged sides stay as they were measured.

Symbols: B samples, F frames, K stretches, COCO-17 keypoints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posemo_ros.skeleton import COCO17

from .body import Floats
from .sightings import Sightings

Flags = NDArray[np.bool_]
_CANDIDATES = 24  # of whom the most alike gives its errors
_STEP = 4  # frames between two stretches of a person
_STRENGTH = 0.3  # natural log of the factor by which an error varies, standard deviation
_PAIRS = np.array(COCO17.pairs)


@dataclass(frozen=True, eq=False)
class Mistakes:
    """Stretches of measured errors.

    Attributes:
        looks: (K, 34) true keypoints of the middle frame, about their mean, in units of the person's size.
        moved: (K, F, 17, 2) error in units of the size; where sides are exchanged, from the other side.
        swapped: (K, F, 17) bool, whether the keypoint sits on the other side.
        scores: (K, F, 17); 0 where nothing was found.
    """

    looks: Floats
    moved: Floats
    swapped: Flags
    scores: Floats

    @classmethod
    def of(cls, seen: Sightings, frames: int) -> Mistakes:
        """Every stretch of so many frames in which the person is in view and mostly found; also mirrored."""
        moved, swapped, scores = _measure(seen)
        rows = [
            Mistakes(
                _looks(seen.truth[i, None, start + frames // 2, :, :2]),
                moved[i, None, start : start + frames],
                swapped[i, None, start : start + frames],
                scores[i, None, start : start + frames],
            )
            for i in range(len(seen))
            for start in range(0, seen.truth.shape[1] - frames + 1, _STEP)
            if _usable(seen, i, slice(start, start + frames))
        ]
        stretches = cls(*(np.concatenate([vars(r)[name] for r in rows]) for name in vars(rows[0])))
        both = (stretches, stretches._mirrored())
        return cls(*(np.concatenate([vars(r)[name] for r in both]) for name in vars(stretches)))

    def __len__(self) -> int:
        return len(self.looks)

    def __call__(self, xy: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Keypoints as the network might have found them.

        Args:
            xy: (B, F, 17, 2) true keypoints, F as in the stretches.
            rng: Source of chance.

        Returns:
            (B, F, 17, 2) keypoints; (B, F, 17) scores, 0 where missing.
        """
        count, middle = len(xy), xy.shape[1] // 2
        candidates = rng.integers(0, len(self), (count, _CANDIDATES))
        unlike = np.square(self.looks[candidates] - _looks(xy[:, middle])[:, None]).sum(-1)
        chosen = candidates[np.arange(count), unlike.argmin(1)]
        base = np.where(self.swapped[chosen][..., None], xy[:, :, COCO17.flip_index], xy)
        strength = np.exp(rng.normal(0, _STRENGTH, (count, 1, 1, 1))).astype(np.float32)
        moved = base + strength * _size(xy)[..., None, None] * self.moved[chosen]
        return moved.astype(np.float32), self.scores[chosen]

    def _mirrored(self) -> Mistakes:
        flip = COCO17.flip_index
        away = np.array([-1, 1], np.float32)
        looks = self.looks.reshape(-1, 17, 2)[:, flip] * away
        return Mistakes(
            looks.reshape(len(self), -1),
            self.moved[:, :, flip] * away,
            self.swapped[:, :, flip],
            self.scores[:, :, flip],
        )


def _usable(seen: Sightings, person: int, part: slice) -> bool:
    inside = np.isfinite(seen.truth[person, part]).all()
    return bool(inside and (seen.found[person, part, :, 2] > 0).any(1).mean() > 0.3)


def _measure(seen: Sightings) -> tuple[Floats, Flags, Floats]:
    """``moved``, ``swapped`` and ``scores`` of all frames, (N, T, ...)."""
    found, true = seen.found[..., :2], seen.truth[..., :2]
    swapped = np.zeros(found.shape[:-1], np.bool_)
    for left, right in _PAIRS:
        own = _away(found, true, left, left) + _away(found, true, right, right)
        other = _away(found, true, left, right) + _away(found, true, right, left)
        apart = _away(true, true, left, right)
        swapped[..., left] = swapped[..., right] = (other < 0.5 * own) & (other < apart)
    expected = np.where(swapped[..., None], true[..., COCO17.flip_index, :], true)
    moved = (found - expected) / _size(true)[..., None, None]
    return np.nan_to_num(moved).astype(np.float32), swapped, np.nan_to_num(seen.found[..., 2])


def _away(a: Floats, b: Floats, i: int, j: int) -> Floats:
    return np.asarray(np.linalg.norm(a[..., i, :] - b[..., j, :], axis=-1))


def _size(xy: Floats) -> Floats:
    """(...,) of (..., 17, 2): the longer side of a person in the image."""
    return np.asarray(np.ptp(xy, axis=-2).max(-1))


def _looks(pose: Floats) -> Floats:
    """(B, 34) of poses (B, 17, 2): where the keypoints are about their mean, in units of the size."""
    centred = pose - pose.mean(-2, keepdims=True)
    return (centred / _size(pose)[:, None, None]).reshape(len(pose), -1).astype(np.float32)
