"""Clip files: what is read, what is refused."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from posemo_ros.errors import InputError
from posemo_ros.evaluate.clips import read_clips, stretches
from posemo_ros.skeleton import H36M17

from .conftest import STANDING, arrays

Write = Callable[..., Path]
NOSE, LEFT_EAR, CROWN = 17, 20, 10


def test_clips_are_filmed_at_thirty_frames_per_second(clip_file: Write) -> None:
    first, second = read_clips(clip_file())
    assert (first.name, second.name) == ("first", "second")
    assert first.rate_hz == second.rate_hz == 30
    assert first.body.shape == (20, 22, 3)
    assert second.body.shape == (40, 22, 3)
    np.testing.assert_allclose(second.body[:, 0, 0], 40 / 60 + np.arange(40) / 30, atol=1e-5)
    assert first.ok.all()


def test_frames_between_those_of_the_recording(clip_file: Write) -> None:
    first, _ = read_clips(clip_file(fps=50.0))
    assert len(first.body) == int(39 / 50 * 30) + 1
    np.testing.assert_allclose(first.body[:, 0, 0], np.arange(24) / 30 * 50 / 60, atol=1e-5)


def test_slow_recordings_keep_their_rate(clip_file: Write) -> None:
    first, _ = read_clips(clip_file(fps=12.5))
    assert first.rate_hz == 12.5
    assert len(first.body) == 40


def test_the_crown_lies_twice_as_far_as_the_middle_of_the_head(clip_file: Write) -> None:
    body = read_clips(clip_file())[0].body[0]
    np.testing.assert_allclose(body[CROWN], [0, 0, 1.7], atol=1e-6)
    np.testing.assert_allclose(body[NOSE], [0.105, 0, 1.6 - 0.035], atol=1e-6)


def test_a_file_may_give_the_crown_itself(clip_file: Write) -> None:
    body = read_clips(clip_file(head_joint="crown"))[0].body[0]
    np.testing.assert_allclose(body[CROWN], [0, 0, 1.6], atol=1e-6)
    np.testing.assert_allclose(body[NOSE], [0.105, 0, 1.55 - 0.035], atol=1e-6)


def test_the_face_follows_the_head_where_its_axes_are_given(clip_file: Write) -> None:
    left = np.tile([-1.0, 0, 0], (120, 1))  # looks to the person's left, +y
    body = read_clips(clip_file(head_forward=np.tile([0, 1.0, 0], (120, 1)), head_left=left))[0].body[0]
    np.testing.assert_allclose(body[NOSE], [0, 0.105, 1.565], atol=1e-6)
    np.testing.assert_allclose(body[LEFT_EAR], [-0.075, 0, 1.59], atol=1e-6)


def test_the_test_split_alone(clip_file: Write) -> None:
    assert [c.name for c in read_clips(clip_file(split=["train", "test"]))] == ["second"]


def test_damaged_frames_split_a_clip(clip_file: Write) -> None:
    good = np.ones(120, bool)
    good[60:64] = False  # frames 20 .. 23 of the second clip, 10 and 11 of its film
    positions = arrays()["positions"].copy()
    positions[80, 3] = np.nan  # frame 40 of the second clip, 20 of its film
    clips = read_clips(clip_file(frame_ok=good, positions=positions))
    assert np.flatnonzero(~clips[1].ok).tolist() == [10, 11, 20]
    runs = [(c.name, r.start, r.stop) for c, r in stretches(clips)]
    assert runs == [("first", 0, 20), ("second", 0, 10), ("second", 12, 20), ("second", 21, 40)]


def test_labels(clip_file: Write) -> None:
    clips = read_clips(clip_file(emotion=["joy", "sadness"]), labelled=True)
    assert [c.emotion for c in clips] == ["joy", "sadness"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"positions": None}, "no array 'positions'"),
        ({"clip_start": None}, "no array 'clip_start'"),
        ({"clip_names": None}, "no array 'clip_names'"),
        ({"fps": None}, "no array 'fps'"),
        ({"emotion": None}, "no array 'emotion'"),
        ({"positions": np.zeros((120, 16, 3))}, r"\(120, 16, 3\); expected \(120, 17, 3\)"),
        ({"positions": np.float32(1)}, "'positions' has shape"),
        ({"clip_start": [0, 120]}, r"'clip_start' has shape \(2,\); expected \(3,\)"),
        ({"clip_start": [0, 200, 120]}, "must rise from 0 to 120"),
        ({"clip_start": [0, 40, 119]}, "must rise from 0 to 120"),
        ({"fps": 0.0}, "'fps' is 0"),
        ({"fps": [60.0, 60.0]}, "'fps' is"),
        ({"positions": np.full((120, 17, 3), "x")}, "expected numbers"),
        ({"frame_ok": np.ones(119, bool)}, "'frame_ok' has shape"),
        ({"frame_ok": np.zeros(120, bool)}, "no frame can be used"),
        ({"head_forward": np.zeros((120, 2))}, "'head_forward' has shape"),
        ({"split": ["train", "val"]}, "no clip 'test', only train, val"),
        ({"emotion": ["joy"]}, "'emotion' has shape"),
        ({"emotion": ["joy", "happy"]}, "clip 'second' has the emotion 'happy'; known: joy, anger"),
        ({"head_joint": "chin"}, "'middle' or 'crown'"),
    ],
)
def test_refused_with_a_reason(clip_file: Write, changes: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_clips(clip_file(**{"emotion": ["joy", "fear"], **changes}), labelled=True)


def test_files_that_are_no_clips(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="absent"):
        read_clips(tmp_path / "absent.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(InputError, match=r"text\.npz"):
        read_clips(tmp_path / "text.npz")
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(InputError, match=r"one\.npy"):
        read_clips(tmp_path / "one.npy")
    np.savez(tmp_path / "objects.npz", **{**arrays(), "emotion": np.array([{}, None], object)})
    with pytest.raises(InputError, match="objects"):
        read_clips(tmp_path / "objects.npz")


def test_warnings_about_axes_and_units(clip_file: Write, caplog: pytest.LogCaptureFixture) -> None:
    positions = arrays()["positions"]
    with caplog.at_level(logging.WARNING):
        read_clips(clip_file())
        assert not caplog.records
        read_clips(clip_file(positions=positions[..., [0, 2, 1]]))
    assert "expected z up" in caplog.text
    for scale in (1000, 0):
        with pytest.raises(InputError, match="pelvis and thorax are .* apart; expected metres"):
            read_clips(clip_file(positions=positions * scale))


def test_clips_of_one_name_are_refused(clip_file: Write) -> None:
    """Reports and comparisons are by name: the second would replace the first."""
    with pytest.raises(InputError, match="several clips are called 'a'"):
        read_clips(clip_file(clip_names=np.array(["a", "a"])))


@pytest.mark.shared
def test_the_development_clips(shared_data: Path) -> None:
    clips = read_clips(shared_data / "cmu_mocap" / "cmu_h36m17.npz")
    assert len(clips) == 24
    assert clips[0].name.startswith("test/")
    good = sum(int(c.ok.sum()) for c in clips)
    assert good == pytest.approx(14050 / 4, rel=0.01)  # the README counts 14,050 at 120 Hz
    heights = np.concatenate([c.body[c.ok, CROWN, 2] - c.body[c.ok, 3:7:3, 2].mean(1) for c in clips])
    assert np.percentile(heights, 90) == pytest.approx(1.60, abs=0.05)  # crown above the ankles
    assert STANDING.shape == clips[0].body[0, : len(H36M17)].shape
