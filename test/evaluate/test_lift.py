"""Errors of lifted skeletons: by hand, and through the station with networks whose answers are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from posemo_ros.errors import InputError
from posemo_ros.evaluate.clips import read_clips
from posemo_ros.evaluate.film import Noise
from posemo_ros.evaluate.lift import Lifted, Take, errors, evaluate_lift, lift, shoot
from posemo_ros.inference.manifest import LiftSpec
from posemo_ros.inference.session import TensorSpec
from posemo_ros.inference.store import ModelStore
from posemo_ros.lift.lifter import Lifter
from posemo_ros.lift.normalise import encode_screen
from posemo_ros.pipeline import Models

SPEC = LiftSpec(frames=5, normalisation="screen", channels=2)
Write = Callable[..., Path]


class Network:
    """A session that answers (N, 5, 17, 2) windows with a function of the middle frame."""

    runtime, precision = "onnxruntime", "fp32"
    inputs = (TensorSpec("in", (-1, 5, 17, 2), "float32"),)
    outputs = (TensorSpec("out", (-1, 1, 17, 3), "float32"),)

    def __init__(self, answer: Callable[[np.ndarray], np.ndarray]) -> None:
        self.answer = answer

    def run(self, feeds):
        return {"out": np.stack([self.answer(window[2]) for window in feeds["in"]])[:, None]}


def _random_takes(frames: tuple[int, ...] = (6, 4)) -> list[Take]:
    rng = np.random.default_rng(0)
    truths = [rng.normal(0, 0.4, (t, 17, 3)).astype(np.float32) + [0, 0, 4] for t in frames]
    return [
        Take("clip", 30.0, np.ones((len(t), 17, 3), np.float32), t.astype(np.float32), np.float32([0, -1, 0]))
        for t in truths
    ]


def _perfect(takes: list[Take]) -> list[Lifted]:
    return [Lifted(t.truth - t.truth[:, :1], t.truth[:, 0]) for t in takes]


def test_perfect_answers_have_no_error() -> None:
    takes = _random_takes()
    got = errors(_perfect(takes), takes)
    for name in ("mpjpe_mm", "p_mpjpe_mm", "mpjve_mm", "place_error_m", "place_error_percent"):
        assert got[name] == pytest.approx(0, abs=1e-3), name
    assert got["answered"] == got["placed"] == 1


def test_one_joint_off() -> None:
    takes = _random_takes()
    answers = [Lifted(a.relative.copy(), a.roots) for a in _perfect(takes)]
    for answer in answers:
        answer.relative[:, 3, 1] += 0.034
    got = errors(answers, takes)
    assert got["mpjpe_mm"] == pytest.approx(34 / 17, abs=1e-3)
    assert got["mpjve_mm"] == pytest.approx(0, abs=1e-3)
    assert got["joints_mm"]["right_ankle"] == pytest.approx(34, abs=0.01)
    assert got["joints_mm"]["left_ankle"] == pytest.approx(0, abs=0.01)
    assert got["p_mpjpe_mm"] > 0.1


def test_size_counts_in_mpjpe_alone() -> None:
    takes = _random_takes()
    answers = [Lifted(1.1 * a.relative, 1.1 * a.roots) for a in _perfect(takes)]
    got = errors(answers, takes)
    truth = np.concatenate([t.truth - t.truth[:, :1] for t in takes])
    assert got["mpjpe_mm"] == pytest.approx(100 * np.linalg.norm(truth, axis=-1).mean(), rel=1e-4)
    assert got["p_mpjpe_mm"] == pytest.approx(0, abs=1e-2)
    assert got["place_error_percent"] == pytest.approx(10, abs=1e-2)


def test_velocities_do_not_cross_from_take_to_take() -> None:
    takes = _random_takes((3, 5))
    answers = _perfect(takes)
    shaken = [a.relative + 0.01 * (np.arange(len(a.relative)) % 2)[:, None, None] for a in answers]
    got = errors([Lifted(r, a.roots) for r, a in zip(shaken, answers, strict=True)], takes)
    assert got["mpjve_mm"] == pytest.approx(10 * np.sqrt(3), rel=1e-4)


def test_missing_answers_are_counted_and_left_out() -> None:
    takes = _random_takes((4,))
    answer = _perfect(takes)[0]
    relative, roots = answer.relative.copy(), answer.roots.copy()
    relative[0], roots[:2] = np.nan, np.nan
    got = errors([Lifted(relative, roots)], takes)
    assert got["answered"] == 0.75
    assert got["placed"] == 0.5
    assert got["mpjpe_mm"] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("delay", [0, 1, 2])
def test_a_network_that_knows_the_truth(clip_file: Write, delay: int) -> None:
    takes = shoot(read_clips(clip_file()), None, views=3, seed=4)
    known = {}
    for take in takes:
        for pixels, truth in zip(encode_screen(take.keypoints[..., :2], 640, 480), take.truth, strict=True):
            known[_key(pixels)] = truth - truth[0]
    spec = LiftSpec(frames=5, normalisation="screen", channels=2, input_joints="coco17")
    lifter = Lifter(Network(lambda seen: known[_key(seen)]), spec, delay_frames=delay)
    answers = lift(lifter, takes)
    assert [len(a.relative) for a in answers] == [20, 20, 20, 40, 40, 40]
    got = errors(answers, takes)
    assert got["mpjpe_mm"] == pytest.approx(0, abs=0.01)
    assert got["mpjve_mm"] == pytest.approx(0, abs=0.01)
    assert got["placed"] == 1
    assert got["place_error_percent"] == pytest.approx(0, abs=0.05)


def _key(points: np.ndarray) -> bytes:
    return np.round(points * 1e4).astype(np.int32).tobytes()


def test_a_network_that_sees_nothing(clip_file: Write) -> None:
    """More takes than go through together, against the definition of the error."""
    takes = shoot(read_clips(clip_file()), Noise(), views=9, seed=1)
    pose = np.random.default_rng(0).normal(0, 0.3, (17, 3)).astype(np.float32)
    got = errors(lift(Lifter(Network(lambda _: pose), SPEC), takes), takes)
    truth = np.concatenate([t.truth - t.truth[:, :1] for t in takes]).astype(float)
    expected = np.sqrt(((pose - pose[0] - truth) ** 2).sum(-1)).mean()
    assert got["mpjpe_mm"] == pytest.approx(1e3 * expected, rel=1e-4)
    assert got["mpjve_mm"] == pytest.approx(0, abs=1e-2)  # the person glides, the pose stands still


def test_noise_changes_the_keypoints_and_not_the_cameras(clip_file: Write) -> None:
    clips = read_clips(clip_file())
    clean, noisy, again = (shoot(clips, n, views=1, seed=2) for n in (None, Noise(), Noise()))
    np.testing.assert_array_equal(clean[0].truth, noisy[0].truth)
    np.testing.assert_array_equal(noisy[1].keypoints, again[1].keypoints)
    assert np.nanmax(np.abs(clean[0].keypoints - noisy[0].keypoints)) > 0.5


def test_hips_up_loses_knees_and_ankles_alone(clip_file: Write) -> None:
    clips = read_clips(clip_file())
    whole = shoot(clips, Noise(), views=1, seed=2)
    half = shoot(clips, Noise(hips_up=True), views=1, seed=2)
    np.testing.assert_array_equal(half[0].keypoints[:, :13], whole[0].keypoints[:, :13])
    assert np.isnan(half[0].keypoints[:, 13:, :2]).all()
    assert not half[0].keypoints[:, 13:, 2].any()


def test_bad_requests(clip_file: Write) -> None:
    store = ModelStore()
    with pytest.raises(InputError, match="--lifter"):
        evaluate_lift(clip_file(), Models(lifter=""), store)
    with pytest.raises(InputError, match="views: 0"):
        evaluate_lift(clip_file(), Models(), store, views=0)
    with pytest.raises(InputError, match="two good frames"):
        shoot(read_clips(clip_file(frame_ok=np.arange(120) == 8)), None, views=1, seed=0)
