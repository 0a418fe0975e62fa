"""Do the transforms move the body the way their literature says? On real neutral walking."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from posemo_ros.types import EMOTIONS
from train.data import cmu
from train.data.body import NAMES, PARENTS, heading
from train.data.emotion import lifting_errors
from train.data.expression import express, random_styles

pytestmark = pytest.mark.shared
RATE_HZ = 12.0
COUNT = 200


@pytest.fixture(scope="module")
def neutral(shared_data: Path) -> np.ndarray:
    motion = cmu.load(shared_data, "train")
    offsets = np.arange(-26, 1) / RATE_HZ
    return cmu.sample(motion, np.random.default_rng(0), COUNT, offsets)


def _expressed(neutral: np.ndarray, emotion: str, intensity: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(1)
    style = random_styles(np.full(COUNT, EMOTIONS.index(emotion)), np.full(COUNT, intensity), rng)
    return express(neutral, style, RATE_HZ, rng)


def _own(body: np.ndarray, name: str) -> np.ndarray:
    """(B, F, 3) forward, left, up of a joint from the pelvis."""
    return ((body[:, :, None, NAMES.index(name)] - body[:, :, :1]) @ heading(body))[:, :, 0]


def _mean(body: np.ndarray, name: str, axis: int) -> float:
    return float(_own(body, name)[..., axis].mean())


def test_no_intensity_changes_nothing(neutral) -> None:
    for emotion in EMOTIONS:
        np.testing.assert_allclose(_expressed(neutral, emotion, 0.0), neutral, atol=1e-4)


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_bones_keep_their_length(neutral, emotion: str) -> None:
    expressed = _expressed(neutral, emotion)
    assert np.abs(expressed - neutral).max() > 0.1
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            before, after = (
                np.linalg.norm(b[:, :, joint] - b[:, :, parent], axis=-1) for b in (neutral, expressed)
            )
            np.testing.assert_allclose(after, before, atol=2e-4)


def test_sadness_sinks_the_head_and_calms_the_limbs(neutral) -> None:
    sad = _expressed(neutral, "sadness")
    assert _mean(sad, "head_top", 2) < _mean(neutral, "head_top", 2) - 0.05
    assert _mean(sad, "head_top", 0) > _mean(neutral, "head_top", 0) + 0.1
    assert _own(sad, "left_ankle").std(1).mean() < 0.8 * _own(neutral, "left_ankle").std(1).mean()


def test_joy_lifts_head_and_hands_and_moves_more(neutral) -> None:
    joy = _expressed(neutral, "joy")
    assert _mean(joy, "left_wrist", 2) > _mean(neutral, "left_wrist", 2) + 0.1
    assert _mean(joy, "head_top", 0) < _mean(neutral, "head_top", 0)
    assert _own(joy, "left_wrist").std(1).mean() > 1.2 * _own(neutral, "left_wrist").std(1).mean()
    assert _mean(joy, "left_elbow", 1) > _mean(neutral, "left_elbow", 1) + 0.04


def test_anger_leans_forward_and_fear_crouches(neutral) -> None:
    assert _mean(_expressed(neutral, "anger"), "thorax", 0) > _mean(neutral, "thorax", 0) + 0.05
    fear = _expressed(neutral, "fear")
    assert _mean(fear, "left_ankle", 2) > _mean(neutral, "left_ankle", 2) + 0.04


def test_disgust_turns_away(neutral) -> None:
    def turned(body: np.ndarray) -> np.ndarray:
        nose, head = _own(body, "nose"), _own(body, "neck_nose")
        return np.abs((nose - head)[..., 1]).mean(1)

    assert turned(_expressed(neutral, "disgust")).mean() > 1.5 * turned(neutral).mean()


def test_surprise_is_sudden(neutral) -> None:
    def largest_step(body: np.ndarray) -> float:
        extra = _own(body, "left_wrist") - _own(neutral, "left_wrist")
        return float(np.linalg.norm(np.diff(extra, axis=1), axis=-1).max(1).mean())

    assert largest_step(_expressed(neutral, "surprise")) > 1.5 * largest_step(_expressed(neutral, "disgust"))


def test_lifting_errors_are_those_of_a_weak_lifter() -> None:
    errors = lifting_errors((400, 27, 17), np.random.default_rng(0))
    size = np.linalg.norm(errors, axis=-1)
    assert 0.03 < size[:, :, 12].mean() < 0.09
    assert np.abs(errors[..., 2]).mean() > 1.5 * np.abs(errors[..., 0]).mean()
    assert np.linalg.norm(np.diff(errors, axis=1), axis=-1).mean() < 0.6 * size.mean()
