from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from posemo_ros.errors import InputError
from train.data.emotion_clips import (
    EmotionClip,
    EmotionWindows,
    Occlusion,
    check_disjoint,
    check_splits,
    unbroken,
)


def _clip(name: str, actor: str, seconds: float = 4.0, motion: str = "") -> EmotionClip:
    times = np.arange(0, seconds, 1 / 30)
    poses = np.broadcast_to(times[:, None, None], (len(times), 17, 3)).astype("f4")
    stamps = np.arange(0, seconds, 0.5)
    context = np.broadcast_to(stamps[:, None, None], (len(stamps), 2, 3)).astype("f2")
    return EmotionClip(name, 1, actor, motion or name, times, poses, stamps, context)


def test_middle_window_at_the_networks_rate() -> None:
    batch = EmotionWindows([_clip("a", "x")], 5, 2.0, context_frames=3)[[(0, 0)]]
    start = (4 - 1 / 30 - 2) / 2
    np.testing.assert_allclose(batch["movement"][0, :, 4, 1], start + np.arange(5) / 2, atol=1e-5)
    # the newest context known at the start, the middle and the end of the window
    np.testing.assert_allclose(batch["context"][0, :, 0, 0], [0.5, 1.5, 2.5])
    assert batch["label"].tolist() == [1]


def test_short_clips_stand_still_at_the_end() -> None:
    batch = EmotionWindows([_clip("a", "x", 1.0)], 5, 2.0)[[(0, 0)]]
    assert batch["movement"][0, -1, 0, 0] == pytest.approx(29 / 30)


def test_a_movement_ends_where_the_person_is_lost() -> None:
    """As in the station, where a new one begins; the scene of the piece that is kept stays its own."""
    clip = _clip("a", "x", 6.0)
    seen = (clip.times < 1) | (clip.times > 1.6)
    kept = unbroken(replace(clip, times=clip.times[seen], poses=clip.poses[seen]))
    assert (kept.times[0], kept.times[-1]) == (pytest.approx(1.6, abs=0.04), clip.times[-1])
    batch = EmotionWindows([kept], 5, 1.0, context_frames=1)[[(0, 0)]]
    assert batch["context"][0, 0, 0, 0] == np.floor(batch["movement"][0, 0, 0, 0] / 0.5) * 0.5
    whole = unbroken(replace(clip, times=clip.times[clip.times != 1], poses=clip.poses[clip.times != 1]))
    assert len(whole.times) == len(clip.times) - 1


def test_half_bodies_are_said(caplog: pytest.LogCaptureFixture) -> None:
    """The chain refuses them, whatever the figures on them are."""
    whole = _clip("whole", "x")
    half = replace(whole, name="half", scores=np.full(len(whole.times), 0.1, "f4"))
    EmotionWindows([whole, replace(whole, scores=half.scores + 0.5)], 5, 2.0)
    assert "keypoint scores" not in caplog.text
    EmotionWindows([whole, half], 5, 2.0)
    assert "1 of 2 clips show arms or legs with a mean score below 0.4, such as half." in caplog.text


def test_random_starts_repeat() -> None:
    data = EmotionWindows([_clip("a", "x", 10)], 5, 2.0, random_start=True, seed=1)
    starts = {float(data[[(e, 0)]]["movement"][0, 0, 0, 0]) for e in range(20)}
    assert len(starts) == 20
    assert 0 <= min(starts) < max(starts) <= 8
    np.testing.assert_array_equal(data[[(3, 0)]]["movement"], data[[(3, 0)]]["movement"])


def test_shuffled_context_is_another_clips() -> None:
    clips = [_clip(str(i), "x", 3 + i) for i in range(8)]
    for seed in range(5):
        data = EmotionWindows(clips, 3, 2.0, context_frames=1, shuffle_context=True, seed=seed)
        assert sorted(data.scene_of.tolist()) == list(range(8))
        assert (data.scene_of != np.arange(8)).all()


def test_occlusion() -> None:
    poses, rng = np.ones((40, 17, 3), "f4"), np.random.default_rng(0)
    hidden = np.mean([(Occlusion(joints=0.3).hide(poses, rng)[0] == 0).all(-1).mean() for _ in range(200)])
    assert hidden == pytest.approx(0.3, abs=0.03)
    parts = Occlusion(parts=1.0).hide(poses, rng)
    assert 2 <= (parts[0, :, 0] == 0).sum() <= 6
    moving = np.arange(40, dtype="f4")[:, None, None] * poses
    frozen = Occlusion(frames=0.5).hide(moving, rng)
    repeated = np.diff(frozen[:, 0, 0]) == 0
    assert 0.3 < repeated.mean() < 0.7
    np.testing.assert_array_equal(Occlusion().hide(moving, rng), moving)
    with pytest.raises(InputError, match="parts: 7; expected a probability, 0 to 1"):
        Occlusion(parts=7)


def test_splits_must_not_share_actors_or_recordings() -> None:
    check_disjoint([_clip("a", "x")], [_clip("b", "y")])
    with pytest.raises(InputError, match=r"actors in both train and test: \['x'\]"):
        check_disjoint([_clip("a", "x")], [_clip("b", "x")])
    with pytest.raises(InputError, match=r"motions in both train and test: \['m1'\]"):
        check_disjoint([_clip("a", "x", motion="m1")], [_clip("b", "y", motion="m1")])


def test_what_chooses_is_not_what_is_reported() -> None:
    """A checkpoint chosen on the actors of the test says too much of itself."""
    parts = {"train": [_clip("a", "x")], "val": [_clip("b", "y")], "test": [_clip("c", "y")]}
    with pytest.raises(InputError, match=r"actors in both val and test: \['y'\]"):
        check_splits(parts.__getitem__)
    check_splits(parts.__getitem__, val_is_test=True)  # of data that have no validation
    with pytest.raises(InputError, match=r"actors in both train and val: \['x'\]"):
        check_splits({**parts, "val": [_clip("d", "x")]}.__getitem__)


def test_missing_context_is_named() -> None:
    clip = _clip("a", "x")
    bare = EmotionClip("bare", 0, "x", "m", clip.times, clip.poses, np.zeros(0), np.zeros((0, 0, 0)))
    with pytest.raises(InputError, match=r"clips have no context: \['bare'\]"):
        EmotionWindows([clip, bare], 3, 2.0, context_frames=1)


def test_recordings_with_z_up_are_seen_by_a_level_camera() -> None:
    """Without ``upright`` a network is run on camera axes: x right, y down, z forward."""
    clip = replace(_clip("a", "x"), axes="world", poses=np.tile(np.float32([3, 2, 1]), (120, 17, 1)))
    batch = EmotionWindows([clip], 5, 2.0)[[(0, 0)]]
    np.testing.assert_allclose(batch["movement"][0, 0, 0], [-2, -1, 3], atol=1e-6)


def test_clips_that_the_chain_would_not_judge_are_named(caplog: pytest.LogCaptureFixture) -> None:
    none = np.zeros((0, 0, 0), np.float32)

    def clip(name: str, frames: int) -> EmotionClip:
        poses = np.zeros((frames, 17, 3), np.float32)
        return EmotionClip(name, 0, name, name, np.arange(frames) / 10, poses, np.zeros(0), none)

    EmotionWindows([clip("long", 11)], 11, 10.0)
    assert not caplog.records
    EmotionWindows([clip("long", 11), clip("short", 8)], 11, 10.0)
    assert "1 of 2 clips show a person for less than the 1.0 s" in caplog.text
    assert "such as short" in caplog.text
