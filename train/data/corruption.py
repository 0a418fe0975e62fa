"""What a 2D keypoint network does to perfect keypoints: jitter, mistakes, gaps, half bodies.

Lengths are fractions of the person's height in the image, so pixels and viewing rays go through
the same functions. Symbols: B samples, F frames, COCO-17 keypoints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posemo_ros.skeleton import COCO17

from .body import Floats

Flags = NDArray[np.bool_]

# Jitter per keypoint against the mean; the order follows the tolerances of COCO's OKS.
_SPREAD = np.array(
    [0.6, 0.6, 0.6, 0.7, 0.7, 1, 1, 1.1, 1.1, 1.2, 1.2, 1.4, 1.4, 1.1, 1.1, 1.2, 1.2], np.float32
)
_LEGS = np.arange(13, 17)
_HIPS = np.arange(11, 17)
_ARM_AND_LEG_PAIRS = COCO17.pairs[3:]


@dataclass(frozen=True)
class Corruption:
    """How bad the keypoints are; probabilities are per window of about a second.

    Attributes:
        jitter: Median standard deviation of a keypoint, fraction of the person's height.
        jitter_range: Natural log of the factor by which that varies from person to person.
        mistakes: Of a keypoint jumping elsewhere for some frames.
        swaps: Of left and right changing places for some frames (all, or one pair of joints).
        gaps: Of a keypoint missing for some frames; half as often for the whole window.
        truncated: Of the lower body outside the image.
        absent: Of the whole person missing for some frames.
    """

    jitter: float = 0.010
    jitter_range: float = 0.6
    mistakes: float = 0.03
    swaps: float = 0.08
    gaps: float = 0.06
    truncated: float = 0.3
    absent: float = 0.1

    def __call__(self, xy: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """See ``corrupt``."""
        return corrupt(xy, self, rng)


PERFECT = Corruption(jitter=0.0, mistakes=0, swaps=0, gaps=0, truncated=0, absent=0)


def corrupt(xy: Floats, noise: Corruption, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Noisy keypoints and the scores a network would give them.

    Args:
        xy: (B, F, 17, 2) true keypoints.
        noise: How bad.
        rng: Source of chance.

    Returns:
        (B, F, 17, 2) keypoints; (B, F, 17) scores, 0 where a keypoint is missing.
    """
    if noise == PERFECT:
        return xy, np.ones(xy.shape[:-1], np.float32)
    height = np.ptp(xy[..., 1], axis=2).mean(1)[:, None, None, None]  # (B, 1, 1, 1)
    width = np.ptp(xy[..., 0], axis=2).mean(1)[:, None, None, None]
    size = np.maximum(height, width)
    moved = _swap(xy, noise, rng)
    moved = moved + size * (_jitter(xy.shape[:3], noise, rng) + _jumps(xy.shape[:3], noise, rng))
    error = np.linalg.norm(moved - xy, axis=-1) / size[..., 0]
    scores = _scores(error, rng)
    scores[_missing(xy.shape[:3], noise, rng)] = 0
    return moved.astype(np.float32), scores


def _jitter(shape: tuple[int, int, int], noise: Corruption, rng: np.random.Generator) -> Floats:
    """(B, F, 17, 2): a constant part, one that wanders, and one new in every frame."""
    b, f, j = shape
    strength = noise.jitter * np.exp(rng.normal(0, noise.jitter_range, (b, 1, 1, 1)))
    hard = np.where(rng.random((b, 1, j, 1)) < 0.12, 2.5, 1.0)  # hidden or oddly dressed joints
    steps = rng.standard_normal((b, f, j, 2), np.float32)
    wander = np.empty_like(steps)
    wander[:, 0] = steps[:, 0]
    for i in range(1, f):
        wander[:, i] = 0.85 * wander[:, i - 1] + 0.527 * steps[:, i]  # variance stays 1
    fresh = rng.standard_normal((b, f, j, 2), np.float32)
    constant = rng.standard_normal((b, 1, j, 2), np.float32)
    return (strength * hard * _SPREAD[:, None] * (0.6 * constant + 0.65 * wander + 0.5 * fresh)).astype(
        np.float32
    )


def _jumps(shape: tuple[int, int, int], noise: Corruption, rng: np.random.Generator) -> Floats:
    b, _, j = shape
    where = _bursts(shape, noise.mistakes, 6, rng)
    jump = rng.normal(0, 0.12, (b, 1, j, 2)).astype(np.float32)
    return where[..., None] * jump


def _swap(xy: Floats, noise: Corruption, rng: np.random.Generator) -> Floats:
    b, f, _ = xy.shape[:3]
    everything = _bursts((b, f, 1), noise.swaps, 8, rng)[..., None]
    out = np.where(everything, xy[:, :, COCO17.flip_index], xy)
    pairs = np.array(_ARM_AND_LEG_PAIRS)
    one = _bursts((b, f, len(pairs)), noise.swaps / 3, 8, rng)[..., None]
    left, right = out[:, :, pairs[:, 0]], out[:, :, pairs[:, 1]]
    out[:, :, pairs[:, 0]], out[:, :, pairs[:, 1]] = np.where(one, right, left), np.where(one, left, right)
    return out


def _scores(error: Floats, rng: np.random.Generator) -> Floats:
    """High where the error is small, blurred, with a ceiling that differs from network to network."""
    b = len(error)
    ceiling = rng.uniform(0.55, 1.0, (b, 1, 1))
    tolerance = rng.uniform(0.04, 0.12, (b, 1, 1))
    clean = ceiling * np.exp(-0.5 * (error / tolerance) ** 2)
    return np.clip(clean + rng.normal(0, 0.06, error.shape), 0.02, 1.0).astype(np.float32)


def _missing(shape: tuple[int, int, int], noise: Corruption, rng: np.random.Generator) -> Flags:
    b, f, j = shape
    gone = _bursts(shape, noise.gaps, f, rng)
    gone |= rng.random((b, 1, j)) < noise.gaps / 2
    gone |= _bursts((b, f, 1), noise.absent, 6, rng)
    cut = rng.random(b)
    ankles, legs, hips = (cut < noise.truncated * share for share in (1.0, 0.8, 0.2))
    gone[:, :, 15:] |= ankles[:, None, None]
    gone[:, :, _LEGS] |= legs[:, None, None]
    gone[:, :, _HIPS] |= hips[:, None, None]
    return gone


def _bursts(shape: tuple[int, int, int], chance: float, longest: int, rng: np.random.Generator) -> Flags:
    """(B, F, J): with ``chance``, one run of 1 to ``longest`` frames of a window is marked."""
    b, f, j = shape
    start = rng.integers(-longest // 2, f, (b, 1, j))
    length = rng.integers(1, longest + 1, (b, 1, j))
    frame = np.arange(f)[None, :, None]
    return (rng.random((b, 1, j)) < chance) & (frame >= start) & (frame < start + length)
