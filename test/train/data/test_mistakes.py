"""Measured errors, put onto other people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from posemo_ros.errors import InputError
from train.data.mistakes import Mistakes
from train.data.sightings import Sightings

FRAMES = 6


def sightings(error: float = 3.0, *, swap: bool = False) -> Sightings:
    """One person 200 px high, still; the left wrist is off to the right, or both wrists change places."""
    rng = np.random.default_rng(0)
    pose = rng.uniform(0, 200, (17, 2)).astype(np.float32)
    pose[0], pose[16] = (100, 0), (100, 200)
    pose[9], pose[10] = (20, 100), (150, 100)
    truth = np.concatenate([np.tile(pose, (1, FRAMES, 1, 1)), np.full((1, FRAMES, 17, 1), 2)], -1)
    found = truth.copy()
    found[..., 2] = 0.7
    if swap:
        found[..., [9, 10], :2] = truth[..., [10, 9], :2]
    found[..., 9, 0] += error
    found[:, 2, 9] = (np.nan, np.nan, 0)
    joints = np.zeros((1, FRAMES, 17, 3), np.float32)
    f32 = np.float32
    return Sightings(
        found.astype(f32),
        truth.astype(f32),
        joints,
        f32([[640, 480, 60]]),
        f32([[1.2, 0]]),
        np.zeros(1, np.int64),
        30.0,
    )


def test_errors_come_back_on_the_same_person() -> None:
    seen = sightings()
    mistakes = Mistakes.of(seen, FRAMES)
    assert len(mistakes) == 2  # and its mirror image
    xy = np.repeat(seen.truth[..., :2], 64, axis=0)
    found, scores = mistakes(xy, np.random.default_rng(1))
    off = (found - xy)[:, 0, 9, 0]
    assert np.median(off) == pytest.approx(3, rel=0.15)  # and about as strong
    assert off.std() > 0.3
    other = np.delete(np.arange(17), 9)
    np.testing.assert_allclose(found[:, :, other], xy[:, :, other], atol=1e-4)
    assert (scores[:, 2, 9] == 0).all()
    assert scores[:, 0].min() == pytest.approx(0.7)


def test_exchanged_sides_stay_exchanged_in_another_pose() -> None:
    mistakes = Mistakes.of(sightings(0.0, swap=True), FRAMES)
    xy = np.random.default_rng(2).uniform(0, 300, (8, FRAMES, 17, 2)).astype(np.float32)
    found, _ = mistakes(xy, np.random.default_rng(1))
    np.testing.assert_allclose(found[:, 0, [9, 10]], xy[:, 0, [10, 9]], atol=0.01)


def test_a_file_of_sightings_comes_back_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    seen = sightings()
    seen.save(tmp_path / "seen.npz")
    again = Sightings.load(tmp_path / "seen.npz")
    np.testing.assert_array_equal(again.found, seen.found)
    assert again.fps == 30.0
    np.savez(tmp_path / "other.npz", found=seen.found)
    with pytest.raises(InputError, match="no array 'camera'"):
        Sightings.load(tmp_path / "other.npz")
    with pytest.raises(InputError, match="train scenes films"):
        Sightings.load(tmp_path / "none.npz")
