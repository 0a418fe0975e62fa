"""Over the deadline the least important work is left out, and comes back when there is time."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from posemo_ros.bench.crowd import crowd
from posemo_ros.budget import LATER, LEFT_OUT, REST, SOON, Budget, Resting
from posemo_ros.pipeline import Models, Pipeline, Settings
from posemo_ros.types import People2D

VGA = (640, 480)


def test_levels_rise_and_fall_slowly() -> None:
    budget, levels = Budget(50), []
    for ms in [80] * (4 * SOON) + [20] * (4 * LATER):
        budget.spent(ms)
        levels.append(budget.level)
    assert levels[: 3 * SOON : SOON] == [0, 1, 2] or levels[SOON - 1] == 1
    assert max(levels) == len(LEFT_OUT) - 1 == len(REST) - 1
    assert levels[-1] == 0
    assert all(abs(b - a) <= 1 for a, b in itertools.pairwise(levels))
    assert budget.text == ""


def test_between_the_limits_nothing_changes_and_it_says_what_is_left_out() -> None:
    budget = Budget(50)
    for ms in [52] * SOON + [45] * 100:
        budget.spent(ms)
    assert budget.level == 1
    assert budget.text == "over the deadline of 50 ms: the detector looks half as often"


def test_without_a_deadline_nothing_is_left_out() -> None:
    budget = Budget()
    for _ in range(100):
        budget.spent(10_000)
    assert budget.level == 0
    budget.deadline_ms = 5
    for _ in range(100):
        budget.spent(10)
    assert budget.level == 3
    budget.deadline_ms = 0
    budget.spent(10)
    assert budget.level == 0


def person(x: float, height: float, at: float = 0.0) -> tuple[list[float], np.ndarray]:
    keypoints = np.full((17, 3), 0.9, np.float32)
    keypoints[:, 0], keypoints[:, 1] = x + 10 + at, np.linspace(5, height - 5, 17)
    return [x, 0, x + height / 3, height], keypoints


def people(*those: tuple[list[float], np.ndarray]) -> People2D:
    boxes = np.array([box for box, _ in those], np.float32)
    keypoints = np.stack([k for _, k in those])
    return People2D(
        tuple(f"p{i}" for i in range(len(those))), boxes, np.ones(len(those), np.float32), keypoints
    )


def test_the_far_and_the_still_rest_by_turns_and_the_near_who_move_never() -> None:
    resting = Resting()
    looked_at = np.zeros(3, int)
    for frame in range(12):
        near_moves, near_still, far_moves = (
            person(0, 400, at=8.0 * frame),
            person(300, 400),
            person(500, 100, at=8.0 * frame),
        )
        everybody = people(near_moves, near_still, far_moves)
        rests, kept = resting.kept(everybody.boxes, 2)
        assert np.isfinite(kept[rests]).all()
        assert np.isnan(kept[~rests][..., :2]).all()
        looked_at += ~rests
        seen = np.where(rests[:, None, None], kept, everybody.keypoints)
        resting.remember(replace(everybody, keypoints=seen), rests)
    assert looked_at[0] == 12
    assert 5 <= looked_at[1] <= 8
    assert 5 <= looked_at[2] <= 8
    assert not resting.kept(everybody.boxes, 1)[0].any()


def test_newcomers_are_looked_at() -> None:
    resting = Resting()
    for _ in range(3):
        rests, _ = resting.kept(people(person(0, 400)).boxes, 3)
        resting.remember(people(person(0, 400)), rests)
    rests, _ = resting.kept(people(person(0, 400), person(300, 80)).boxes, 3)
    assert not rests[1]
    assert resting.kept(np.zeros((0, 4), np.float32), 3)[0].shape == (0,)


@pytest.fixture(scope="module")
def chain() -> Pipeline:
    models = Models(keypoints="posemo-keypoints-fast", runtime="onnxruntime", threads=1)
    return Pipeline(models, Settings())


def test_a_chain_over_its_deadline_goes_on_with_less_work(chain: Pipeline) -> None:
    clip = crowd(3, 40, VGA)
    chain.settings = replace(chain.settings, deadline_ms=1e-3)
    chain.reset()
    crops = []
    estimate = chain.people.keypoints.estimate
    chain.people.keypoints.estimate = lambda f, b: (crops.append(len(b)), estimate(f, b))[1]  # type: ignore
    try:
        found = [len(chain.step(frame).people) for frame in clip]
    finally:
        chain.people.keypoints.estimate = estimate  # type: ignore[method-assign]
    assert found[5:] == [3] * 35
    assert chain.budget.level == 3
    assert sum(crops) < sum(found)
    assert "every 3rd image" in chain.budget.text


def test_a_deadline_that_is_kept_changes_no_bit(chain: Pipeline) -> None:
    answers = []
    for deadline in (0.0, 1e6):
        chain.settings = replace(chain.settings, deadline_ms=deadline)
        chain.start()
        answers.append([chain.step(frame) for frame in crowd(2, 12, VGA)])
    for one, other in zip(*answers, strict=True):
        np.testing.assert_array_equal(one.people.keypoints, other.people.keypoints)
        np.testing.assert_array_equal(one.skeletons.joints, other.skeletons.joints)
