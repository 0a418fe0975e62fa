"""The table of the tracker: scenes in, counts out."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from posemo_ros import cli
from posemo_ros.evaluate import crowds
from posemo_ros.evaluate.crowds import OURS, evaluate_tracker, switches, walkers


def test_switches_are_counted_by_person() -> None:
    who, boxes = np.array([0, 1]), np.zeros((2, 4), np.float32)
    frames = [(0.0, who, boxes), (1.0, who[::-1], boxes), (2.0, who, boxes)]
    answers = iter([["a", "b"], ["b", "a"], ["c", None]])
    assert switches(frames, lambda *_: next(answers)) == (1, 3)


def test_the_same_scene_again() -> None:
    for (time_s, who, boxes), (again_s, same, others) in zip(walkers(3, 5, 2), walkers(3, 5, 2), strict=True):
        assert time_s == again_s
        np.testing.assert_array_equal(who, same)
        np.testing.assert_array_equal(boxes, others)
        assert boxes.shape == (len(who), 4)


def test_the_command_prints_the_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(crowds, "RATES_HZ", (5, 10))
    monkeypatch.setitem(sys.modules, "trackers", None)  # not installed
    assert cli.main(["evaluate", "tracker", "--scenes", "2", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert list(report["results"]) == [OURS]
    assert "without ByteTrack" in report["notes"][0]
    counted = [switches(walkers(100 + i, 5), crowds.ours(5)) for i in range(2)]
    assert list(report["results"][OURS]["5 Hz"].values()) == np.mean(counted, axis=0).tolist()


def test_beside_byte_track(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("trackers")
    monkeypatch.setattr(crowds, "RATES_HZ", (10,))
    ours, theirs = evaluate_tracker(2).results.values()
    assert ours["10 Hz"]["id_switches"] < theirs["10 Hz"]["id_switches"]
