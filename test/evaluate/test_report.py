"""What is printed."""

from __future__ import annotations

import json

import pytest

from posemo_ros.evaluate.report import Report, Table, named

REPORT = Report(
    what="lift",
    samples={"frames": 12, "clips": 2},
    models={"lifter": "posemo-lifter"},
    runtime={"lifter": "onnxruntime fp32"},
    protocol={"frames_per_second": 30.0},
    results={"runs": [{"mpjpe_mm": 41.5, "placed": float("nan")}]},
    tables=[Table("poses", ["keypoints", "mm"], [["perfect", 41.5], ["noisy", float("nan")]])],
)


def test_json_is_strict() -> None:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    got = json.loads(REPORT.as_json(), parse_constant=refuse)
    assert got["results"] == {"runs": [{"mpjpe_mm": 41.5, "placed": None}]}
    assert got["samples"] == {"frames": 12, "clips": 2}
    assert {"evaluation", "posemo_ros", "machine", "models", "runtime", "protocol"} < set(got)


def test_text_says_what_was_measured() -> None:
    lines = REPORT.as_text().splitlines()
    assert "samples:    12 frames, 2 clips" in lines
    assert "networks:   lifter posemo-lifter (onnxruntime fp32)" in lines
    assert "frames per second: 30.0" in lines
    assert lines[-5:] == ["poses", "keypoints    mm", "---------------", "perfect    41.5", "noisy         -"]


@pytest.mark.parametrize(
    ("name", "one"),
    [
        ("recordings", "recording"),
        ("people_with_keypoints", "person with keypoints"),
        ("true boxes", "true box"),
        ("faces", "face"),
        ("scenes of each kind", "scene of each kind"),
        ("seconds each", "second each"),
    ],
)
def test_one_of_something_is_no_plural(name: str, one: str) -> None:
    assert (named(1, name), named(2, name), named(0, name)) == (
        one,
        name.replace("_", " "),
        name.replace("_", " "),
    )
