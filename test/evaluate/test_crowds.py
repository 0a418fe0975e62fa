"""The table of the tracker: scenes in, counts out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import numpy as np
import pytest

from posemo_ros import cli
from posemo_ros.evaluate import crowds
from posemo_ros.evaluate.crowds import OURS, Sighting, evaluate_tracker, passers, switches, walkers


def test_switches_are_counted_by_person() -> None:
    who, boxes = np.array([0, 1]), np.zeros((2, 4), np.float32)
    frames = [(0.0, who, boxes), (1.0, who[::-1], boxes), (2.0, who, boxes)]
    answers = iter([["a", "b"], ["b", "a"], ["c", None]])
    assert switches(frames, lambda *_: next(answers)) == (1, 3, 0)


def test_an_id_that_goes_to_somebody_else_is_counted() -> None:
    box = np.zeros((1, 4), np.float32)
    frames = [(0.0, np.array([0]), box), (1.0, np.array([1]), box), (2.0, np.array([1]), box)]
    assert switches(frames, lambda *_: ["a"]) == (0, 1, 1)


@pytest.mark.parametrize("scene", [walkers, passers])
def test_the_same_scene_again(scene: Callable[[int, float, float], list[Sighting]]) -> None:
    for (time_s, who, boxes), (again_s, same, others) in zip(scene(3, 5, 2), scene(3, 5, 2), strict=True):
        assert time_s == again_s
        np.testing.assert_array_equal(who, same)
        np.testing.assert_array_equal(boxes, others)
        assert boxes.shape == (len(who), 4)


def test_passers_come_in_and_leave_at_the_edges_and_boxes_end_there() -> None:
    scene = passers(3, 10)
    boxes = np.concatenate([b for _, _, b in scene])
    assert boxes.min() >= 0
    assert boxes[:, 2].max() <= 1280
    first = {int(p): b for _, who, found in reversed(scene) for p, b in zip(who, found, strict=True)}
    there_at_once = set(scene[0][1].tolist()) | set(scene[1][1].tolist())
    came = [b for p, b in first.items() if p not in there_at_once]
    assert len(came) > 3
    assert np.mean([b[0] < 100 or b[2] > 1180 for b in came]) > 0.7  # the others from behind somebody


def test_the_command_prints_the_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(crowds, "RATES_HZ", (5, 10))
    monkeypatch.setitem(sys.modules, "trackers", None)  # not installed
    assert cli.main(["evaluate", "tracker", "--scenes", "2", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert list(report["results"]) == [OURS]
    assert "without ByteTrack" in report["notes"][0]
    switched, ids, _ = np.mean([switches(walkers(100 + i, 5), crowds.ours(5)) for i in range(2)], axis=0)
    lost, _, taken = np.mean([switches(passers(100 + i, 5), crowds.ours(5)) for i in range(2)], axis=0)
    assert list(report["results"][OURS]["5 Hz"].values()) == [switched, ids, lost, taken]


def test_beside_byte_track(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("trackers")
    monkeypatch.setattr(crowds, "RATES_HZ", (10,))
    ours, theirs = evaluate_tracker(2).results.values()
    assert ours["10 Hz"]["id_switches"] < theirs["10 Hz"]["id_switches"]
