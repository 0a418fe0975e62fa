"""Figures of the lifter behind keypoints, on answers whose errors are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from posemo_ros.errors import InputError
from train.data.sightings import Sightings
from train.skeleton_report import Watched, errors_of, with_true_keypoints

FLOOR = np.float32([[1.2, 0]])


def walk(frames: int = 40) -> Sightings:
    """One person whose left wrist swings; everything else stands still."""
    joints = np.random.default_rng(0).normal(0, 0.4, (1, 1, 17, 3)).repeat(frames, 1)
    joints[0, :, 13, 0] += 0.5 * np.sin(np.arange(frames) / 3)
    keypoints = np.full((1, frames, 17, 3), 2.0)
    f32 = np.float32
    return Sightings(
        f32(keypoints), f32(keypoints), f32(joints), f32([[640, 480, 60]]), FLOOR, np.zeros(1, int), 30.0
    )


def about_pelvis(seen: Sightings, score: float = 0.9) -> np.ndarray:
    joints = seen.joints[0] - seen.joints[0, :, :1]
    return np.concatenate([joints, np.full_like(joints[..., :1], score)], -1)


def test_perfect_answers_have_no_error_and_no_lag() -> None:
    seen = walk()
    figures = errors_of([about_pelvis(seen)], seen)
    assert figures["frames"] == 40
    assert figures["reliability"]["ece"] == pytest.approx(0.1)  # said 0.9, all are right
    for name in ("mpjpe_mm", "p_mpjpe_mm", "limbs_mm", "seen_mm", "mpjve_mm", "jitter_mm", "lag_frames"):
        assert figures[name] == pytest.approx(0, abs=0.01), name


def test_the_pelvis_does_not_count_as_a_joint_that_is_right() -> None:
    seen = walk()
    off = about_pelvis(seen).copy()
    off[:, 1:, 1] += 0.17
    figures = errors_of([off], seen)["reliability"]
    assert figures["ece"] == pytest.approx(0.9)  # said 0.9, none is right
    assert figures["joints"] == 40 * 16


def test_an_error_of_one_joint_a_tremble_and_a_delay_are_seen() -> None:
    seen = walk()
    off = about_pelvis(seen).copy()
    off[:, 10, 1] += 0.17
    assert errors_of([off], seen)["mpjpe_mm"] == pytest.approx(10, rel=1e-3)
    trembling = about_pelvis(seen).copy()
    trembling[::2, 1:, 2] += 0.004
    assert errors_of([trembling], seen)["jitter_mm"] == pytest.approx(4, rel=0.02)
    late = about_pelvis(seen).copy()
    late[2:] = late[:-2]
    assert errors_of([late], seen)["lag_frames"] == pytest.approx(2, abs=0.05)


def test_frames_without_answer_or_person_do_not_count() -> None:
    seen = walk()
    answers = about_pelvis(seen).copy()
    answers[:10] = np.nan
    seen.joints[0, 30:] = np.nan
    assert errors_of([answers], seen)["frames"] == 20


def test_right_keypoints_are_all_of_them_or_those_that_are_seen() -> None:
    seen = walk()
    seen.truth[0, :, :9, 2] = 1  # hidden
    seen.truth[0, 20:] = np.nan  # out of view
    told = with_true_keypoints(seen)
    everything, visible = (told[k].found[0] for k in ("true_keypoints", "true_keypoints_seen"))
    np.testing.assert_array_equal(everything[:20], np.where([True, True, False], seen.truth[0, :20], 1))
    assert (visible[:20, :9, 2] == 0).all()
    assert np.isnan(visible[:20, :9, :2]).all()
    np.testing.assert_array_equal(visible[:20, 9:], everything[:20, 9:])
    assert (everything[20:, :, 2] == 0).all()


def test_a_file_beside_the_peer_comes_back_and_another_one_is_named(tmp_path: Path) -> None:
    rows = np.zeros(2, np.int64)
    watched = Watched(
        np.array(["walk"]),
        np.array([[640, 480]]),
        rows,
        rows / 30.0,
        np.array(["1", "2"]),
        np.full((2, 17, 3), 7, np.float32),
        np.zeros((2, 12, 3), np.float32),
        np.ones((2, 12), np.float32),
    )
    watched.save(tmp_path / "peer.npz")
    again = Watched.load(tmp_path / "peer.npz")
    for name, value in vars(watched).items():
        np.testing.assert_array_equal(getattr(again, name), value)
    np.savez(tmp_path / "other.npz", found=rows)
    with pytest.raises(InputError, match="no array 'joints'; `python -m train peer` writes it anew"):
        Watched.load(tmp_path / "other.npz")
