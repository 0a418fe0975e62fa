"""Names and types that people give: whose they are, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from posemo_ros.errors import InputError
from posemo_ros.nodes.declaration import parameters_of
from posemo_ros.nodes.given import checked_values, shared_names
from posemo_ros.nodes.parameters import PipelineParameters

KNOWN = parameters_of(PipelineParameters)


def test_values_are_converted_and_ros_own_names_left_alone():
    given = {
        "stall_s": 2,
        "use_sim_time": True,
        "qos_overrides./image_raw.subscription.reliability": "reliable",
        "lifetime_s": 3.0,  # of markers, from a file for all
    }
    assert checked_values(KNOWN, given, set()) == ({"stall_s": 2.0}, [])


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("detector_treshold", "detector_threshold"),
        ("emotoin", "emotion"),
        ("detectEvery", "detect_every"),
        ("x", None),
    ],
)
def test_a_wrong_name_for_this_node_is_refused(name: str, nearest: str | None):
    with pytest.raises(InputError, match=f"there is no parameter {name}") as caught:
        checked_values(KNOWN, {name: 1}, set())
    if nearest:
        assert f"did you mean {nearest}?" in str(caught.value)


def test_in_a_file_for_many_nodes_only_what_is_meant_for_us_is_refused():
    foreign = {"max_velocity": 1.0, "rate_hz": 3, "map": "a", "robot.base_frame": "b", "loops": 3}
    values, warnings = checked_values(KNOWN, foreign, set(foreign))
    assert values == {}
    assert len(warnings) == len(foreign)
    assert all("left alone" in text for text in warnings)
    with pytest.raises(InputError, match="did you mean detector_threshold"):
        checked_values(KNOWN, {"detector_treshold": 0.3}, {"detector_treshold"})


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(InputError, match="detect_every.*no parameter colour"):
        checked_values(KNOWN, {"detect_every": "x", "colour": 1}, set())


def test_names_are_shared_when_they_stand_for_many_nodes_only(tmp_path: Path):
    file = tmp_path / "p.yaml"
    file.write_text(
        """
/**:
  ros__parameters:
    foreign: 1
    both: 1
    robot: {base: {frame: a}}
/posemo:
  pipeline:
    ros__parameters: {own: 1, both: 2}
/other/*:
  ros__parameters: {many: 1}
"""
    )
    files = ["--params-file", str(file), "--params-file", "gone.yaml"]
    assert shared_names(["--ros-args", "-p", "many:=2", *files]) == {"foreign", "robot.base.frame"}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "/image_raw.subscription.reliability",
            "wobbly",
            "is 'wobbly'; it must be one of reliable, best_ef",
        ),
        ("/image_raw.subscription.history", True, "is True; it must be one of keep_last, keep_all"),
        ("/image_raw.subscription.depth", -1, "is -1; it must be an integer, 0 or more"),
        ("/image_raw.subscription.depth", "5", "is '5'; it must be an integer, 0 or more"),
        (
            "/image_raw.subscription.durability",
            "volatile",
            "no effect; what can be overridden is reliab",
        ),
        ("image_raw.subscription.depth", 5, "no effect; its form is qos_overrides./TOPIC.subscription"),
        ("/image_raw.reliability", "reliable", "no effect; its form is qos_overrides./TOPIC.subscription"),
    ],
)
def test_a_quality_of_service_that_cannot_be_is_refused(name: str, value: object, message: str):
    name = f"qos_overrides.{name}"
    with pytest.raises(InputError, match=re.escape(f"parameter {name} ")) as caught:
        checked_values(KNOWN, {name: value}, set())
    assert message in str(caught.value)
    assert checked_values(KNOWN, {name: value}, {name}) == ({}, [])  # in a file for many it may be another's


def test_qualities_of_service_that_ros_has():
    given = {
        "qos_overrides./image_raw.subscription.reliability": "RELIABLE",
        "qos_overrides./robot/people.publisher.depth": 100,
        "qos_overrides./people.publisher.history": "keep_all",
        "qos_overrides./parameter_events.publisher.durability": "volatile",
    }
    assert checked_values(KNOWN, given, set()) == ({}, [])
