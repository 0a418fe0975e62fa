"""What the error of lifted skeletons consists of: along the line of sight or across, size, lean, joint.

Symbols: N persons, T frames, J = 13 joints of pelvis and limbs (``LIMBS``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posemo_ros.replay.compare import LIMBS
from posemo_ros.skeleton import H36M17

Doubles = NDArray[np.float64]


def parts_of(
    found: NDArray[np.floating], joints: NDArray[np.floating], judged: NDArray[np.bool_]
) -> dict[str, Any]:
    """Parts of the mean error, in mm.

    Args:
        found: (N, T, 17, 3) answers, metres about the pelvis, the camera's axes.
        joints: (N, T, 17, 3) truth, metres, camera frame.
        judged: (N, T) which frames count.

    Returns:
        ``along_mm``: how far joints are off along the line of sight to the pelvis; ``across_mm``: across it.
        What the error would be if every person, in all frames alike, had ``best_size_mm``: the best size,
        ``best_turn_mm``: the best rotation, ``best_both_mm``: both. ``joints_mm``: of every joint the error,
        and how much farther away (+) than the truth it lies. Empty when nothing is judged.
    """
    limbs = list(LIMBS)
    people = [_Person(found[n, row], joints[n, row], limbs) for n, row in enumerate(judged) if row.any()]
    if not people:
        return {}
    error = np.concatenate([p.found - p.true for p in people])
    sight = np.concatenate([p.sight for p in people])[:, None]
    along = (error * sight).sum(-1)
    across = np.linalg.norm(error - along[..., None] * sight, axis=-1)
    each = 1e3 * np.linalg.norm(error, axis=-1).mean(0), 1e3 * along.mean(0)
    return {
        "along_mm": _mm(np.abs(along)),
        "across_mm": _mm(across),
        "best_size_mm": _mean_of([p.away(p.found * p.size(p.found)) for p in people]),
        "best_turn_mm": _mean_of([p.away(p.turned()) for p in people]),
        "best_both_mm": _mean_of([p.away(p.turned() * p.size(p.turned())) for p in people]),
        "joints_mm": {
            H36M17.joints[j]: [round(float(mm), 1), round(float(farther), 1)]
            for j, mm, farther in zip(limbs, *each, strict=True)
        },
    }


class _Person:
    """Frames of one person: (M, J, 3) answers and truth about the pelvis, (M, 3) the way to the pelvis."""

    def __init__(self, found: NDArray[np.floating], joints: NDArray[np.floating], limbs: list[int]) -> None:
        truth = joints.astype(np.float64)
        self.found = found.astype(np.float64)[:, limbs]
        self.true = truth[:, limbs] - truth[:, :1]
        self.sight = truth[:, 0] / np.linalg.norm(truth[:, 0], axis=-1, keepdims=True)

    def away(self, poses: Doubles) -> Doubles:
        """(M, J) metres from the truth."""
        return np.asarray(np.linalg.norm(poses - self.true, axis=-1))

    def size(self, poses: Doubles) -> float:
        """The factor that brings poses nearest to the truth (least squares)."""
        return float((poses * self.true).sum() / max((poses**2).sum(), 1e-9))

    def turned(self) -> Doubles:
        """The answers, turned as is best for all frames together (Kabsch, 1976)."""
        turn, _ = Rotation.align_vectors(self.true.reshape(-1, 3), self.found.reshape(-1, 3))
        return np.asarray(turn.apply(self.found.reshape(-1, 3)).reshape(self.found.shape))


def _mean_of(away: Sequence[Doubles]) -> float:
    return _mm(np.concatenate(away))


def _mm(metres: Doubles) -> float:
    return round(1e3 * float(metres.mean()), 2)
