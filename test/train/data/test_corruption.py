from __future__ import annotations

import numpy as np

from train.data.corruption import PERFECT, Corruption, corrupt


def _keypoints(count: int = 64, frames: int = 27) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.uniform(0, 1, (count, 1, 17, 2)) * (100, 400) + np.zeros((1, frames, 1, 1))).astype(
        np.float32
    )


def test_perfect_changes_nothing() -> None:
    xy = _keypoints()
    noisy, scores = corrupt(xy, PERFECT, np.random.default_rng(1))
    np.testing.assert_array_equal(noisy, xy)
    assert (scores == 1).all()


def test_jitter_has_the_stated_size() -> None:
    xy = _keypoints(512)
    noise = Corruption(jitter=0.01, jitter_range=0, mistakes=0, swaps=0, gaps=0, truncated=0, absent=0)
    noisy, _ = corrupt(xy, noise, np.random.default_rng(1))
    height = np.ptp(xy[..., 1], axis=2).mean(1)[:, None, None]
    error = (noisy - xy)[:, :, 5, 0] / height[..., 0]  # a shoulder: spread 1
    assert 0.009 < np.median(np.abs(error)) / 0.6745 < 0.013


def test_scores_tell_good_from_bad_and_missing() -> None:
    xy = _keypoints(512)
    noisy, scores = corrupt(xy, Corruption(), np.random.default_rng(2))
    error = np.linalg.norm(noisy - xy, axis=-1)
    assert scores[error < 2].mean() > scores[(error > 60)].mean() + 0.2
    assert 0.01 < (scores == 0).mean() < 0.3
    legs, arms = (scores[:, :, 15:] == 0).mean(), (scores[:, :, 7:11] == 0).mean()
    assert legs > arms + 0.2


def test_the_same_seed_gives_the_same_noise() -> None:
    a, b = (corrupt(_keypoints(), Corruption(), np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(a[0], b[0])
    np.testing.assert_array_equal(a[1], b[1])
