"""An answer needs consistent windows, stays for a while, and does not flicker."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from posemo_ros.emotion.evidence import Evidence
from posemo_ros.types import EMOTIONS

JOY, SADNESS = EMOTIONS.index("joy"), EMOTIONS.index("sadness")
THRESHOLDS = np.full(6, 0.4, np.float32)
RATE_HZ = 10.0


def window(emotion: int, share: float) -> np.ndarray:
    row = np.zeros(7, np.float32)
    row[emotion], row[6] = share, 1 - share
    return row


def play(evidence: Evidence, windows: list[np.ndarray], start: float = 0.0) -> list[int]:
    answers = [evidence.add(start + i / RATE_HZ, w) for i, w in enumerate(windows)]
    return [-1 if a is None else int(a.argmax()) for a in answers]


def test_consistent_windows_are_said_after_a_moment() -> None:
    answers = play(Evidence(THRESHOLDS), [window(SADNESS, 0.8)] * 20)
    first = answers.index(SADNESS)
    assert 0.3 < first / RATE_HZ < 0.6
    assert set(answers[first:]) == {SADNESS}


def test_one_window_says_nothing() -> None:
    neutral = window(JOY, 0.0)
    answers = play(Evidence(THRESHOLDS), [neutral] * 10 + [window(JOY, 0.95)] * 2 + [neutral] * 10)
    assert set(answers) == {-1}


def test_an_answer_survives_a_weak_moment_and_fades() -> None:
    strong, weak = window(JOY, 0.9), window(JOY, 0.3)
    answers = play(Evidence(THRESHOLDS), [strong] * 15 + [weak] * 5 + [strong] * 5 + [window(JOY, 0.0)] * 30)
    first = answers.index(JOY)
    assert set(answers[first:25]) == {JOY}
    assert answers[-1] == -1


def test_alternating_windows_do_not_flicker() -> None:
    windows = [window(JOY if i // 2 % 2 else SADNESS, 0.9) for i in range(100)]
    answers = play(Evidence(THRESHOLDS), windows)
    changes = sum(a != b for a, b in itertools.pairwise(answers))
    assert changes <= 2


def test_the_rate_of_the_windows_does_not_matter() -> None:
    slow, fast = Evidence(THRESHOLDS), Evidence(THRESHOLDS)
    for i in range(21):
        a = slow.add(i / 10, window(JOY, 0.7 + 0.01 * i))
    for i in range(61):
        b = fast.add(i / 30, window(JOY, 0.7 + 0.01 * (i / 3)))
    assert a is not None
    assert b is not None
    np.testing.assert_allclose(a, b, atol=0.02)


def test_each_emotion_has_its_own_threshold() -> None:
    thresholds = THRESHOLDS.copy()
    thresholds[JOY] = 0.9
    assert set(play(Evidence(thresholds), [window(JOY, 0.8)] * 20)) == {-1}


def test_probabilities_are_those_given_that_an_emotion_is_shown() -> None:
    evidence = Evidence(THRESHOLDS)
    row = np.array([0.1, 0.0, 0.0, 0.0, 0.5, 0.0, 0.4], np.float32)
    for i in range(20):
        said = evidence.add(i / RATE_HZ, row)
    assert said is not None
    assert said.sum() == pytest.approx(1, abs=1e-6)
    assert said[SADNESS] == pytest.approx(0.5 / 0.6, abs=1e-5)
