"""Emotion figures: by hand, and through the station with a network that reads the height of the hands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from posemo_ros.emotion.estimator import EmotionEstimator
from posemo_ros.evaluate.clips import read_clips
from posemo_ros.evaluate.emotion import figures, judge, neutral_figures, selective
from posemo_ros.inference.manifest import EmotionSpec
from posemo_ros.inference.session import TensorSpec
from posemo_ros.types import EMOTIONS, EmotionStatus, Skeletons3D

from .conftest import STANDING, WRISTS

Write = Callable[..., Path]
JOY, ANGER, SADNESS = (EMOTIONS.index(name) for name in ("joy", "anger", "sadness"))
SPEC = EmotionSpec(frames=5, rate_hz=10.0, axes="upright", min_confidence=0.3)


class Hands:
    """Joy when the hands are above the pelvis' height + 0.5 m, sadness below, six alike between."""

    runtime, precision = "onnxruntime", "fp32"
    inputs = (TensorSpec("movement", (-1, 5, 17, 3), "float32"),)
    outputs = (TensorSpec("logits", (-1, 6), "float32"),)

    def run(self, feeds):
        height = feeds["movement"][:, :, WRISTS, 2].mean((1, 2))
        logits = np.zeros((len(height), 6), np.float32)
        logits[height > 0.4, JOY] = 3
        logits[height < 0.0, SADNESS] = 3
        return {"logits": logits}


def _poses(hands: float, frames: int) -> np.ndarray:
    pose = STANDING.copy()
    pose[WRISTS, 2] = 0.95 + hands
    return np.repeat(pose[None], frames, 0)


def test_the_station_answers_for_every_clip(clip_file: Write) -> None:
    """Up, down, in between (not enough evidence), too short; 30 Hz, a window spans 0.4 s."""
    parts = [_poses(0.8, 60), _poses(-0.3, 30), _poses(0.25, 60), _poses(0.8, 10)]
    start = np.cumsum([0, *map(len, parts)])
    path = clip_file(
        positions=np.concatenate(parts),
        clip_start=start,
        clip_names=["up", "down", "between", "short"],
        fps=30.0,
        emotion=["joy", "sadness", "joy", "joy"],
    )
    clips = read_clips(path, labelled=True)
    answers, _, status = judge(EmotionEstimator(Hands(), SPEC), clips, seed=3)
    sure = np.exp(3) / (np.exp(3) + 5)
    assert answers[0, JOY] == pytest.approx(sure, abs=1e-5)
    assert answers[1, SADNESS] == pytest.approx(sure, abs=1e-5)
    assert np.isnan(answers[2:]).all()
    # The first 12 frames of a clip span less than 0.4 s (a twentieth of a second is forgiven).
    assert status[EmotionStatus.VALID] == (60 - 11) + (30 - 11)
    assert status[EmotionStatus.NOT_ENOUGH_EVIDENCE] == 60 - 11
    assert status[EmotionStatus.TOO_FEW_FRAMES] == 3 * 11 + 10


def test_a_tilted_camera_sees_people_lean(clip_file: Write) -> None:
    """The station's "up" is the camera's: what it is given of a clip turns with the tilt."""
    clips = read_clips(
        clip_file(positions=_poses(0.3, 20), clip_start=[0, 10, 20], emotion=["joy", "joy"]), labelled=True
    )
    seen: dict[float, list[Skeletons3D]] = {0.0: [], 15.0: []}
    for tilt, given in seen.items():
        judge(EmotionEstimator(Hands(), SPEC), clips, 0, given.append, tilt_deg=tilt)
    level, tilted = (np.stack([s.relative[0] for s in given]) for given in seen.values())
    turn = np.radians(15)
    # Camera axes: x right, y down, z forward; looking down turns the world up, about x.
    expected = level @ np.array(
        [[1, 0, 0], [0, np.cos(turn), np.sin(turn)], [0, -np.sin(turn), np.cos(turn)]]
    )
    np.testing.assert_allclose(tilted, expected, atol=1e-5)


def test_damaged_frames_are_not_shown(clip_file: Write) -> None:
    poses = np.concatenate([_poses(0.8, 60), _poses(0.8, 60)])
    poses[30:40] = _poses(-0.6, 10)
    good = np.ones(120, bool)
    good[30:40] = False
    changes = {"positions": poses, "fps": 30.0, "clip_start": [0, 60, 120], "emotion": ["joy", "joy"]}
    estimator = EmotionEstimator(Hands(), SPEC)
    answers, _, _ = judge(estimator, read_clips(clip_file(**changes, frame_ok=good), labelled=True), 0)
    assert answers[0, JOY] == pytest.approx(answers[1, JOY])
    disturbed, _, _ = judge(estimator, read_clips(clip_file(**changes), labelled=True), 0)
    assert disturbed[0, SADNESS] > 0.1


def _row(**probabilities: float) -> np.ndarray:
    row = np.full(6, (1 - sum(probabilities.values())) / (6 - len(probabilities)))
    for name, value in probabilities.items():
        row[EMOTIONS.index(name)] = value
    return row


def test_figures_by_hand() -> None:
    labels = ["joy", "joy", "joy", "anger", "anger", "sadness"]
    answers = np.stack(
        [
            _row(joy=0.6),  # right
            _row(fear=0.5, joy=0.3, anger=0.1, sadness=0.05),  # right among the labels, wrong of six
            _row(anger=0.6),  # wrong
            _row(anger=0.6),  # right
            np.full(6, np.nan),  # no answer
            _row(sadness=0.6),  # right
        ]
    )
    got = figures(answers, labels)
    assert got["labels"] == ["joy", "anger", "sadness"]
    assert got["clips"] == {"joy": 3, "anger": 2, "sadness": 1}
    assert got["without_answer"] == pytest.approx(1 / 6, abs=1e-4)
    assert got["accuracy"] == pytest.approx(4 / 5)
    assert got["accuracy_no_answer_is_wrong"] == pytest.approx(4 / 6, abs=1e-4)
    assert got["accuracy_six"] == pytest.approx(3 / 5)
    assert got["accuracy_of_the_commonest_label"] == pytest.approx(0.5)
    # F1 of joy: 2 of 3 found, none wrongly: 0.8; anger: 1 of 1, one wrongly: 2/3; sadness: 1.
    assert got["macro_f1"] == pytest.approx((0.8 + 2 / 3 + 1) / 3, abs=1e-4)
    assert got["recall"] == pytest.approx({"joy": 2 / 3, "anger": 1, "sadness": 1}, abs=1e-4)
    assert got["confusion"]["joy"] == {"joy": 2, "anger": 1, "sadness": 0, "no answer": 0}
    assert got["confusion"]["anger"] == {"joy": 0, "anger": 1, "sadness": 0, "no answer": 1}
    # 0.6 of 0.6 + 2 x 0.08 is 0.789 (bin 11: three right, one wrong); 0.3 of 0.45 is 2/3 (bin 10, right).
    expected = 4 / 5 * abs(0.75 - 0.6 / 0.76) + 1 / 5 * abs(1 - 2 / 3)
    assert got["expected_calibration_error"] == pytest.approx(expected, abs=1e-4)


def test_one_label_alone_is_no_choice() -> None:
    """Among itself it would be right always: of all six one of these three is."""
    answers = np.stack([_row(joy=0.6), _row(fear=0.6), _row(anger=0.6)])
    got = figures(answers, ["joy"] * 3)
    assert got["accuracy"] == got["accuracy_six"] == pytest.approx(1 / 3, abs=1e-4)
    assert got["recall"] == {"joy": pytest.approx(1 / 3, abs=1e-4)}
    assert got["confusion"]["joy"]["fear"] == got["confusion"]["joy"]["anger"] == 1
    assert got["expected_calibration_error"] == pytest.approx(abs(1 / 3 - 0.6), abs=1e-4)
    assert got["selective"][-1] == [1.0, pytest.approx(1 / 3, abs=1e-4)]


def test_nobody_answered() -> None:
    got = figures(np.full((2, 6), np.nan), ["joy", "fear"])
    assert got["without_answer"] == 1
    assert got["accuracy_no_answer_is_wrong"] == 0
    assert np.isnan([got["accuracy"], got["macro_f1"], got["accuracy_six"]]).all()
    assert got["confusion"]["fear"]["no answer"] == 1


def test_an_emotion_for_a_neutral_clip_is_wrong(clip_file: Write) -> None:
    parts = [_poses(0.8, 60), _poses(0.25, 60), _poses(0.8, 60)]
    path = clip_file(
        positions=np.concatenate(parts),
        clip_start=np.cumsum([0, *map(len, parts)]),
        clip_names=["waves", "stands", "cheers"],
        fps=30.0,
        emotion=["neutral", "neutral", "joy"],
    )
    clips = read_clips(path, labelled=True)
    answers, answered, _ = judge(EmotionEstimator(Hands(), SPEC), clips, seed=3)
    quiet = neutral_figures(answered[:2], clips[:2])["neutral"]
    assert (quiet["clips"], quiet["with_an_emotion"], quiet["frames"]) == (2, 1, 120)
    assert quiet["frames_share"] == pytest.approx(answered[0] / 120, abs=1e-4)
    assert figures(answers[2:], ["joy"])["accuracy"] == 1.0
    assert neutral_figures(answered[2:2], []) == {}


def test_selective_accuracy_by_hand() -> None:
    confidence = np.array([0.5, np.nan, 0.9, 0.7])
    right = np.array([False, False, True, True])
    assert selective(confidence, right) == [[0.25, 1.0], [0.5, 1.0], [0.75, 0.6667]]
