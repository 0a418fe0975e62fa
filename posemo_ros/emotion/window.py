"""How one person moved lately, at the rate and in the axes a network was trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..interpolate import at_times
from ..types import Floats

Doubles = NDArray[np.float64]
MAX_GAP_S = 0.5  # a person unseen for longer starts a new movement
CAMERA_UP = (0.0, -1.0, 0.0)
_LEFT, _RIGHT = (4, 11), (1, 14)  # hips and shoulders
_LEGS, _ARMS = [2, 3, 5, 6], [11, 12, 13, 14, 15, 16]


class Movement:
    """The poses of one person, oldest first, no further back than needed.

    Args:
        span_s: Length of the longest window that will be asked for.
    """

    def __init__(self, span_s: float) -> None:
        self._span_s = span_s
        self._times: list[float] = []
        self._poses: list[Floats] = []
        self._scores: list[float] = []

    @property
    def newest(self) -> float:
        """Time of the newest pose; -inf without one."""
        return self._times[-1] if self._times else -np.inf

    @property
    def length_s(self) -> float:
        """From the oldest to the newest pose, at most the span that is kept."""
        return self._times[-1] - self._times[0] if self._times else 0.0

    @property
    def score(self) -> float:
        """Mean joint score of the window, 0 .. 1: of the arms or the legs, whichever is lower."""
        return float(np.mean(self._scores)) if self._scores else 0.0

    def append(self, time: float, pose: Floats, scores: Floats) -> None:
        """Add the pose at ``time``, seconds, not before the newest.

        Args:
            time: Seconds. A pose with the time of the newest replaces it; one more than
                ``MAX_GAP_S`` later starts anew.
            pose: (17, 3) metres, pelvis at the origin. One with NaN is not kept.
            scores: (17,) of the joints.
        """
        if not np.isfinite(pose).all():
            return
        if time - self.newest > MAX_GAP_S:
            self._cut(len(self._times))
        elif self._times and time == self.newest:
            self._times.pop(), self._poses.pop(), self._scores.pop()
        self._times.append(time)
        self._poses.append(pose)
        self._scores.append(body_score(scores))
        self._cut(int(np.searchsorted(self._times, time - self._span_s, side="right")) - 1)

    def at(self, times: Doubles) -> Floats:
        """(T, 17, 3) poses at ``times``; straight lines between, at rest before the first."""
        return at_times(np.asarray(self._times), np.stack(self._poses), times)

    def _cut(self, count: int) -> None:
        if count > 0:
            del self._times[:count], self._poses[:count], self._scores[:count]


def body_score(scores: Floats) -> float:
    """How well a body is seen, 0 .. 1: of (17,) joint scores the mean of arms or legs, the lower one."""
    return float(min(scores[part].mean() for part in (_ARMS, _LEGS)))


def in_axes(poses: Floats, axes: str) -> Floats:
    """Movements of a level camera's axes in those of a network.

    Args:
        poses: (..., T, 17, 3) metres, camera axes.
        axes: See ``inference.manifest.EmotionSpec``.

    Returns:
        (..., T, 17, 3) float32.
    """
    if axes == "upright":
        return upright(poses)
    plane = np.array([1, 1, 0], np.float32)
    return np.asarray(poses * plane if axes == "image" else poses, np.float32)


def upright(poses: NDArray[np.floating], up: ArrayLike = CAMERA_UP) -> Floats:
    """Turn movements about the vertical so that each person faces +x on average; z up, y left.

    The way a person faces is across the line from the right to the left hips and shoulders,
    averaged over the window. Training uses this same function.

    Args:
        poses: (..., T, 17, 3) metres, H36M-17, in any axes.
        up: (3,) or (..., 3) the vertical in those axes. By default minus y of the camera frame,
            which is true for a camera that is not tilted: a tilted one makes people lean.

    Returns:
        (..., T, 17, 3) float32.
    """
    source = np.asarray(poses, np.float64)
    z = _unit(np.broadcast_to(np.asarray(up, np.float64), (*source.shape[:-3], 3)))
    left = (source[..., _LEFT, :] - source[..., _RIGHT, :]).mean((-3, -2))
    left = left - (left * z).sum(-1, keepdims=True) * z
    degenerate = np.linalg.norm(left, axis=-1, keepdims=True) < 1e-6
    left = np.where(degenerate, _any_across(z), left)
    y = _unit(left)
    x = np.cross(y, z)
    axes = np.stack([x, y, z], -1)
    return np.asarray(source @ axes[..., None, :, :], np.float32)


def _unit(vectors: Doubles) -> Doubles:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def _any_across(vectors: Doubles) -> Doubles:
    """Some vector perpendicular to each."""
    helper = np.where(np.abs(vectors[..., :1]) < 0.9, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    return np.asarray(np.cross(vectors, helper))
