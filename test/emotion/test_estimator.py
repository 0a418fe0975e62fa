"""The estimator around stand-ins for networks whose logits can be computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from posemo_ros.emotion.estimator import EmotionEstimator
from posemo_ros.inference.manifest import EmotionSpec
from posemo_ros.inference.session import TensorSpec
from posemo_ros.types import EMOTIONS, Context, EmotionStatus, Skeletons3D, View

UNIFORM = np.full(6, 1 / 6)
SPEC = EmotionSpec(frames=5, rate_hz=10.0)
Z = 2  # the coordinate the stand-in reads its logits from


class Echo:
    """Logit k of a person is coordinate z of joint k + 1 in the newest pose."""

    runtime, precision = "onnxruntime", "fp32"
    inputs = (
        TensorSpec("movement", (-1, 5, 17, 3), "float32"),
        TensorSpec("context", (-1, 3, 2, 4), "float32"),
    )
    outputs = (TensorSpec("logits", (-1, 6), "float32"),)

    def __init__(self) -> None:
        self.feeds: list[dict[str, np.ndarray]] = []

    def run(self, feeds):
        self.feeds.append(feeds)
        return {"logits": feeds["movement"][:, -1, 1:7, Z]}


def _skeletons(
    index: int, logits: dict[str, np.ndarray], fps: float = 10.0, score: float = 0.9
) -> Skeletons3D:
    relative = np.zeros((len(logits), 17, 3), np.float32)
    for i, row in enumerate(logits.values()):
        relative[i, 1:7, Z] = row
        relative[i, 16, 0] = index
    return Skeletons3D(
        tuple(logits),
        relative,
        np.zeros((len(logits), 3), np.float32),
        np.full((len(logits), 17), score, np.float32),
        view=View(round(index / fps * 1e9)),
    )


def _softmax(x: np.ndarray) -> np.ndarray:
    return np.exp(x) / np.exp(x).sum()


LOGITS = np.array([2.0, 0, 1, 0, 0, -1])


def _last(estimator: EmotionEstimator, frames: int = 5, **kwargs):
    for i in range(frames):
        emotions = estimator.judge(_skeletons(i, {"a": LOGITS}, **kwargs))
    return emotions


def test_probabilities_are_the_softmax() -> None:
    emotions = _last(EmotionEstimator(Echo(), SPEC))
    assert emotions.status == (EmotionStatus.VALID,)
    np.testing.assert_allclose(emotions.probabilities[0], _softmax(LOGITS), rtol=1e-5)
    assert emotions.windows_s[0] == pytest.approx(0.4)
    assert np.isnan(emotions.context_ages_s[0])
    assert emotions.stamp_ns == 400_000_000


def test_temperature_and_label_order() -> None:
    labels = ("anger", "joy", "sadness", "fear", "surprise", "disgust")
    spec = EmotionSpec(frames=5, rate_hz=10.0, labels=labels, temperature=2.0)
    row = _last(EmotionEstimator(Echo(), spec)).probabilities[0]
    expected = dict(zip(labels, _softmax(LOGITS / 2), strict=True))
    np.testing.assert_allclose(row, [expected[name] for name in EMOTIONS], rtol=1e-5)


def test_too_few_frames() -> None:
    session = Echo()
    emotions = _last(EmotionEstimator(session, SPEC), frames=4)
    assert emotions.status == (EmotionStatus.TOO_FEW_FRAMES,)
    np.testing.assert_allclose(emotions.probabilities[0], UNIFORM)
    assert emotions.windows_s[0] == pytest.approx(0.3)
    assert session.feeds == []


def test_low_scores() -> None:
    emotions = _last(EmotionEstimator(Echo(), SPEC), score=0.1)
    assert emotions.status == (EmotionStatus.LOW_KEYPOINT_SCORES,)
    np.testing.assert_allclose(emotions.probabilities[0], UNIFORM)


def test_an_unsure_answer_is_not_given() -> None:
    emotions = _last(EmotionEstimator(Echo(), SPEC, min_confidence=0.9))
    assert emotions.status == (EmotionStatus.NOT_ENOUGH_EVIDENCE,)
    np.testing.assert_allclose(emotions.probabilities[0], UNIFORM)
    spec = EmotionSpec(frames=5, rate_hz=10.0, min_confidence=0.9)
    assert _last(EmotionEstimator(Echo(), spec)).status == (EmotionStatus.NOT_ENOUGH_EVIDENCE,)
    assert _last(EmotionEstimator(Echo(), spec, min_confidence=0.1)).status == (EmotionStatus.VALID,)


def test_several_people_in_one_batch_each_with_their_own_window() -> None:
    session = Echo()
    estimator = EmotionEstimator(session, SPEC)
    other = LOGITS[::-1].copy()
    for i in range(7):
        people = {"b": other, "a": LOGITS} if i != 3 else {"b": other}
        people |= {"late": LOGITS} if i > 4 else {}
        emotions = estimator.judge(_skeletons(i, people))
    assert len(session.feeds[-1]["movement"]) == 2
    assert emotions.status == (EmotionStatus.VALID, EmotionStatus.VALID, EmotionStatus.TOO_FEW_FRAMES)
    np.testing.assert_allclose(emotions.probabilities[0], _softmax(other), rtol=1e-5)
    np.testing.assert_allclose(emotions.probabilities[1], _softmax(LOGITS), rtol=1e-5)
    np.testing.assert_allclose(emotions.probabilities[2], UNIFORM)


@pytest.mark.parametrize("fps", [10.0, 25.0, 30.0])
def test_the_window_is_resampled_to_the_networks_rate(fps: float) -> None:
    session = Echo()
    estimator = EmotionEstimator(session, SPEC)
    for i in range(int(fps) + 1):
        estimator.judge(_skeletons(i, {"a": LOGITS}, fps))
    seconds = session.feeds[-1]["movement"][0, :, 16, 0] / fps
    np.testing.assert_allclose(seconds, int(fps) / fps - np.array([0.4, 0.3, 0.2, 0.1, 0]), atol=1e-4)


def test_an_unknown_skeleton_is_not_judged() -> None:
    estimator = EmotionEstimator(Echo(), SPEC)
    for i in range(6):
        skeletons = _skeletons(i, {"a": LOGITS})
        if i == 5:
            skeletons.relative[0, 4] = np.nan
        emotions = estimator.judge(skeletons)
    assert emotions.status == (EmotionStatus.TOO_FEW_FRAMES,)


def test_a_person_gone_too_long_starts_anew_and_memory_is_bounded() -> None:
    estimator = EmotionEstimator(Echo(), SPEC)
    for i in range(5):
        estimator.judge(_skeletons(i, {"a": LOGITS}))
    for i in range(5, 200):
        estimator.judge(_skeletons(i, {f"p{i}": LOGITS}))
    assert len(estimator._movements) <= 7
    assert estimator.judge(_skeletons(200, {"a": LOGITS})).status == (EmotionStatus.TOO_FEW_FRAMES,)


def test_nobody() -> None:
    emotions = EmotionEstimator(Echo(), SPEC).judge(_skeletons(0, {}))
    assert emotions.probabilities.shape == (0, 6)
    assert emotions.status == ()


CONTEXT_SPEC = EmotionSpec(frames=5, rate_hz=10.0, context_frames=3, context_model="clip")


def _context(index: int) -> Context:
    return Context(np.full((2, 4), index, np.float32), "clip", view=View(round(index * 1e8)))


def test_a_network_that_needs_context_says_so() -> None:
    emotions = _last(EmotionEstimator(Echo(), CONTEXT_SPEC))
    assert emotions.status == (EmotionStatus.NO_CONTEXT,)


def test_context_at_each_time_is_the_newest_of_then() -> None:
    session = Echo()
    estimator = EmotionEstimator(session, CONTEXT_SPEC)
    for i in range(9):
        estimator.remember(_context(i // 3 * 3))  # encoded at 0, 3, 6
        emotions = estimator.judge(_skeletons(i, {"a": LOGITS, "b": LOGITS}))
    tokens = session.feeds[-1]["context"]
    assert tokens.shape == (2, 3, 2, 4)
    np.testing.assert_array_equal(tokens[1, :, 0, 0], [3, 6, 6])  # wanted at 4, 6, 8
    np.testing.assert_allclose(emotions.context_ages_s, 0.2, rtol=1e-5)
    assert len(estimator._contexts) <= 3


def test_upright_axes_are_what_the_network_gets() -> None:
    session = Echo()
    estimator = EmotionEstimator(session, EmotionSpec(frames=5, rate_hz=10.0, axes="upright"))
    for i in range(5):
        skeletons = _skeletons(i, {"a": np.zeros(6)})
        skeletons.relative[0, 10] = (0.0, -0.7, 0.0)  # the head, above the pelvis
        skeletons.relative[0, (4, 11), 0] = 0.2  # left is at the right of the image: faces the camera
        skeletons.relative[0, (1, 14), 0] = -0.2
        skeletons.relative[0, 13] = (0.2, 0.0, -0.3)  # left wrist, towards the camera
        estimator.judge(skeletons)
    pose = session.feeds[-1]["movement"][0, -1]
    np.testing.assert_allclose(pose[10], [0, 0, 0.7], atol=1e-6)
    np.testing.assert_allclose(pose[13], [0.3, 0.2, 0], atol=1e-6)


def test_context_may_come_before_anybody_and_only_what_was_known_then_counts() -> None:
    session = Echo()
    estimator = EmotionEstimator(session, CONTEXT_SPEC)
    estimator.remember(_context(0))
    for i in range(5):
        estimator.remember(_context(i + 13))  # the lifter is 13 images behind
        emotions = estimator.judge(_skeletons(i, {"a": LOGITS}))
    assert emotions.status == (EmotionStatus.VALID,)
    np.testing.assert_array_equal(session.feeds[-1]["context"][0, :, 0, 0], [0, 0, 0])
    assert emotions.context_ages_s[0] == pytest.approx(0.4)


@pytest.mark.parametrize(("age_s", "status"), [(2.0, "valid"), (2.1, "no_context")])
def test_a_context_older_than_the_limit_is_not_used(age_s: float, status: str) -> None:
    estimator = EmotionEstimator(Echo(), CONTEXT_SPEC, max_context_age_s=2.0)
    estimator.remember(_context(0))
    first = round(age_s * 10) - 4
    for i in range(first, first + 5):
        emotions = estimator.judge(_skeletons(i, {"a": LOGITS}))
    assert emotions.status[0].value == status
    assert np.isnan(emotions.context_ages_s[0]) == (status == "no_context")


@pytest.mark.parametrize("first", ["context", "people"])
def test_encodings_from_before_a_jump_back_are_used_for_the_people_of_then(first: str) -> None:
    estimator = EmotionEstimator(Echo(), CONTEXT_SPEC)
    estimator.remember(_context(90))
    for i in range(90, 96):
        if i == 95 and first == "context":
            estimator.remember(_context(0))
        emotions = estimator.judge(_skeletons(i, {"a": LOGITS}))
    assert emotions.context_ages_s[0] == pytest.approx(0.5)
    estimator.forget_people()
    if first == "people":
        estimator.remember(_context(0))
    for i in range(5):
        emotions = estimator.judge(_skeletons(i, {"a": LOGITS}))
    assert emotions.status == (EmotionStatus.VALID,)
    assert emotions.context_ages_s[0] == pytest.approx(0.4)


def test_at_rest_it_repeats_itself_about_the_same_people() -> None:
    """The network is asked at its own rate, whatever the images', and at once about newcomers."""
    network = Echo()
    estimator = EmotionEstimator(network, SPEC)
    estimator.rest_s = 0.9 / estimator.rate_hz
    said = [estimator.judge(_skeletons(i, {"a": LOGITS}, fps=30.0)) for i in range(60)]
    valid = [e for e in said if e.status == (EmotionStatus.VALID,)]
    assert len(valid) >= 40
    assert len(network.feeds) <= len(valid) / 2
    assert [e.stamp_ns for e in said] == [round(i / 30 * 1e9) for i in range(60)]
    np.testing.assert_allclose(valid[-1].probabilities, valid[0].probabilities)
    both = estimator.judge(_skeletons(60, {"a": LOGITS, "b": LOGITS}, fps=30.0))
    assert both.ids == ("a", "b")
    assert both.status == (EmotionStatus.VALID, EmotionStatus.TOO_FEW_FRAMES)
    alone = estimator.judge(_skeletons(61, {"b": LOGITS}, fps=30.0))
    assert alone.ids == ("b",)
    estimator.forget_people()
    assert estimator.judge(_skeletons(0, {"a": LOGITS})).status == (EmotionStatus.TOO_FEW_FRAMES,)
