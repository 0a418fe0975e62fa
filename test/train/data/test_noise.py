from __future__ import annotations

import numpy as np

from posemo_ros.lift.window import Track
from train.data.noise import PERFECT, Noise, corrupt, fill


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
    noise = Noise(jitter=0.01, jitter_range=0, mistakes=0, swaps=0, gaps=0, truncated=0, absent=0)
    noisy, _ = corrupt(xy, noise, np.random.default_rng(1))
    height = np.ptp(xy[..., 1], axis=2).mean(1)[:, None, None]
    error = (noisy - xy)[:, :, 5, 0] / height[..., 0]  # a shoulder: spread 1
    assert 0.009 < np.median(np.abs(error)) / 0.6745 < 0.013


def test_scores_tell_good_from_bad_and_missing() -> None:
    xy = _keypoints(512)
    noisy, scores = corrupt(xy, Noise(), np.random.default_rng(2))
    error = np.linalg.norm(noisy - xy, axis=-1)
    assert scores[error < 2].mean() > scores[(error > 60)].mean() + 0.2
    assert 0.01 < (scores == 0).mean() < 0.3
    legs, arms = (scores[:, :, 15:] == 0).mean(), (scores[:, :, 7:11] == 0).mean()
    assert legs > arms + 0.2


def test_the_same_seed_gives_the_same_noise() -> None:
    a, b = (corrupt(_keypoints(), Noise(), np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(a[0], b[0])
    np.testing.assert_array_equal(a[1], b[1])


def test_filling_equals_what_the_lifting_station_does() -> None:
    rng = np.random.default_rng(4)
    xy = rng.normal(size=(3, 9, 17, 2)).astype(np.float32)
    known = rng.random((3, 9, 17)) < 0.5
    known[0, :, 4] = False
    filled = fill(xy, known)
    for i in range(3):
        track = Track()
        for f in range(9):
            points = np.where(known[i, f, :, None], xy[i, f], np.nan).astype(np.float32)
            track.append(f / 30, points, known[i, f].astype(np.float32))
        np.testing.assert_allclose(track.at(np.arange(9) / 30)[0], filled[i], atol=1e-5)
