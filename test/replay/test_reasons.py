"""In the report everybody's emotion, or its absence, has a reason in words and a drawing."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from posemo_ros.replay.page import _curve
from posemo_ros.replay.people_table import STATES, Person
from posemo_ros.replay.reasons import MOST_ANSWERS, answers_of
from posemo_ros.types import EmotionStatus, Frame, FrameResult

from .test_report import FRAMES, Clip, KnowsAll, run_offline

SAD, NONE = STATES.index("sadness"), STATES.index("not_enough_evidence")


def somebody(states: list[int], sure: list[float], evidence: dict[int, tuple[str, ...]]) -> Person:
    count = len(states)
    probabilities = np.full((count, 6), np.nan)
    for row, state in enumerate(states):
        if state < 6:
            probabilities[row] = 0.05
            probabilities[row, state] = sure[row]
    return Person(
        "p1",
        np.arange(count) / 10,
        np.full(count, 0.9),
        np.array(states),
        probabilities,
        np.arange(count),
        np.full(count, 2.0),
        tuple(evidence.get(row, ()) for row in range(count)),
    )


def test_answers_are_stretches_of_one_emotion() -> None:
    states = [NONE, SAD, SAD, SAD, 0, NONE, SAD]
    evidence = {
        1: ("slow arms", "head bowed"),
        2: ("head bowed",),
        3: ("head bowed", "hands low"),
        4: ("arms open",),
    }
    first, second, third = answers_of(somebody(states, [0, 0.4, 0.7, 0.5, 0.6, 0, 0.5], evidence))
    assert (first.emotion, first.rows, first.strongest) == ("sadness", range(1, 4), 2)
    assert first.reasons == ("head bowed", "slow arms", "hands low")
    assert (second.emotion, second.rows, second.reasons) == ("joy", range(4, 5), ("arms open",))
    assert (third.rows, third.reasons) == (range(6, 7), ())
    assert answers_of(somebody([NONE, NONE], [0, 0], {})) == []


def test_an_absence_parts_two_answers() -> None:
    """The same emotion before and after a minute outside the image is not one minute of it."""
    person = somebody([SAD] * 4, [0.4, 0.5, 0.7, 0.6], {})
    away = replace(person, seconds=np.array([0.0, 0.1, 60.0, 60.1]))
    assert [a.rows for a in answers_of(away)] == [range(2), range(2, 4)]
    slow = replace(person, seconds=np.array([0.0, 5.0, 10.0, 15.0]))
    assert [a.rows for a in answers_of(slow)] == [range(4)]
    curve = _curve(away)
    assert curve["t"] == [0.0, 0.1, 60.0, 60.0, 60.1]
    assert curve["p"][SAD] == [0.4, 0.5, None, 0.7, 0.6]


class Acts(KnowsAll):
    """Two people: one gets an answer from the fifth image on, the other is never seen well."""

    words = ("hands low", "head <b>bowed</b>")

    def step(self, frame: Frame) -> FrameResult:
        done = super().step(frame)
        assert done.emotions is not None
        assert done.skeletons is not None
        valid = done.emotions.status[0] is EmotionStatus.VALID
        scores = done.skeletons.scores.copy()
        scores[1, [2, 3, 5, 6]] = 0.1
        emotions = replace(
            done.emotions,
            status=(done.emotions.status[0], EmotionStatus.LOW_KEYPOINT_SCORES),
            evidence=(self.words if valid else (), ()),
        )
        return replace(done, emotions=emotions, skeletons=replace(done.skeletons, scores=scores))


def items_of(page: Path) -> list[str]:
    found = re.search(r"<ul class='reasons'>(.*?)</ul>", page.read_text(), re.S)
    assert found
    return re.findall(r"<li .*?</li>", found[1], re.S)


def test_everybody_has_a_reason(tmp_path: Path) -> None:
    run_offline(Clip(), Acts(people=2), tmp_path)
    first, second = items_of(tmp_path / "report.html")
    assert "<strong>joy</strong>, 0.4 to 1.1 s (8 images), at most 50%." in first
    assert "<strong>Why:</strong> hands low, head &lt;b&gt;bowed&lt;/b&gt;." in first
    assert "of the 1.5 s before it" in first
    assert "data-go='4'" in first
    assert "No answer in 4 of 12 images: the person had not been seen for long enough without a gap." in first
    assert first.count("<svg ") == 2
    assert "aria-label='from the side: left wrist, right wrist'" in first
    # Both wrists in both views: a path over the window, and a ring at its end.
    assert first.count("class='path'") == first.count("class='joint'") == 4
    assert "p2: no emotion" in second
    assert "in 12 of 12 images: arms or legs were not seen well enough" in second
    assert "(mean score of the arms 0.90, of the legs 0.10)" in second
    assert "<svg " not in second


def test_what_was_not_seen_well_is_the_movement_that_was_judged(tmp_path: Path) -> None:
    """The scores are those of the window, which starts before the images without an answer."""

    class Enters(Acts):
        def step(self, frame: Frame) -> FrameResult:
            done = super().step(frame)
            assert done.emotions is not None
            assert done.skeletons is not None
            scores = done.skeletons.scores.copy()
            early = frame.stamp_ns - 10**9 < 5.5e8
            scores[1, [2, 3, 5, 6]] = 0.1 if early else 0.7
            status = EmotionStatus.TOO_FEW_FRAMES if early else EmotionStatus.LOW_KEYPOINT_SCORES
            emotions = replace(done.emotions, status=(status, status), evidence=((), ()))
            return replace(done, emotions=emotions, skeletons=replace(done.skeletons, scores=scores))

    run_offline(Clip(), Enters(people=2), tmp_path)
    _, second = items_of(tmp_path / "report.html")
    assert "in 6 of 12 images: arms or legs were not seen well enough" in second
    assert "(mean score of the arms 0.90, of the legs 0.40)" in second


def test_a_flickering_answer_does_not_fill_the_page(tmp_path: Path) -> None:
    class Flickers(Acts):
        def step(self, frame: Frame) -> FrameResult:
            done = super().step(frame)
            assert done.emotions is not None
            odd = round((frame.stamp_ns - 10**9) / 1e8) % 2 == 1
            status = EmotionStatus.VALID if odd else EmotionStatus.NOT_ENOUGH_EVIDENCE
            return replace(done, emotions=replace(done.emotions, status=(status, status)))

    run_offline(Clip(), Flickers(people=2), tmp_path)
    first, _ = items_of(tmp_path / "report.html")
    assert first.count("<strong>joy</strong>") == MOST_ANSWERS
    assert f"{FRAMES // 2 - MOST_ANSWERS} shorter answers are in the timeline" in first
