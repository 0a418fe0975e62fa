"""One table of parameters: for ROS, for its page, and the shipped file agrees with it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from posemo_ros import topics
from posemo_ros.errors import InputError
from posemo_ros.nodes.declaration import checked, parameters_of
from posemo_ros.nodes.parameters import (
    NODES,
    CameraParameters,
    KeypointsParameters,
    PipelineParameters,
    RecorderParameters,
    models_of,
    parameter_table,
    settings_of,
)
from posemo_ros.pipeline import Models, Settings

ROOT = Path(__file__).resolve().parent.parent.parent


def defaults(node: str) -> dict[str, object]:
    return {p.name: list(p.default) if isinstance(p.default, tuple) else p.default for p in NODES[node]}


def test_defaults_are_those_of_the_core():
    assert models_of(PipelineParameters()) == Models()
    assert settings_of(PipelineParameters()) == Settings()


def test_zero_detector_threshold_means_the_models_own():
    assert settings_of(KeypointsParameters(detector_threshold=0.0)).detector_threshold is None
    assert settings_of(KeypointsParameters(detector_threshold=0.25)).detector_threshold == 0.25


def test_shipped_file_has_known_parameters_at_their_defaults():
    text = (ROOT / "config" / "pipeline.yaml").read_text(encoding="utf-8")
    shipped = yaml.safe_load(text)["/**"]["ros__parameters"]
    known: dict[str, object] = {}
    for node in NODES:
        known |= defaults(node)
    assert shipped == {name: known[name] for name in shipped}
    assert set(defaults("pipeline")) - {"autostart"} <= set(shipped)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("runtime", "openvino", "openvino"),
        ("stall_s", 3, 3.0),
        ("detect_every", 7, 7),
        ("manifests", ["a.yaml", "b.yaml"], ("a.yaml", "b.yaml")),
        ("autostart", False, False),
    ],
)
def test_values_come_in_the_type_of_the_parameter(name: str, value: object, expected: object):
    found = checked(parameters_of(PipelineParameters)[name], value)
    assert found == expected
    assert type(found) is type(expected)


def test_the_number_of_a_camera_is_a_source():
    assert checked(parameters_of(CameraParameters)["source"], 0) == "0"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("runtime", "cuda", "runtime is 'cuda'; it must be one of auto, "),
        ("stall_s", "slow", "stall_s is 'slow', a string; it must be a double from 0.5 to 3600"),
        ("stall_s", 0.1, "stall_s is 0.1; it must be a double from 0.5 to 3600"),
        ("stall_s", float("nan"), "stall_s is nan"),
        ("stall_s", True, "stall_s is True, a bool"),
        ("detect_every", 2.5, "detect_every is 2.5, a double; it must be an integer from 1 to 1000"),
        ("detect_every", 0, "detect_every is 0; it must be an integer from 1 to 1000"),
        ("detector", ["a"], "detector is ['a'], an array; it must be a string"),
        ("manifests", "a.yaml", "manifests is 'a.yaml', a string; it must be an array of strings"),
        ("manifests", [1, 2], "manifests is [1, 2], an array; it must be an array of strings"),
        ("autostart", 1, "autostart is 1, an integer; it must be a bool"),
        ("autostart", None, "autostart is None, not set; it must be a bool"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_what_is_allowed(name: str, value: object, message: str):
    with pytest.raises(InputError, match=re.escape(message)):
        checked(parameters_of(PipelineParameters)[name], value)


def test_same_name_means_the_same_everywhere():
    by_name = {p.name: p for node in NODES.values() for p in node}
    assert all(by_name[p.name] == p for node in NODES.values() for p in node)


def test_models_never_change_at_run_time_and_thresholds_do():
    live = {p.name: p.live for p in NODES["pipeline"]}
    assert not any(live[name] for name in ("detector", "keypoints", "lifter", "emotion", "runtime"))
    assert all(live[name] for name in ("detector_threshold", "keypoint_threshold", "context_rate_hz"))


def test_table_has_a_row_per_parameter():
    rows = parameter_table().splitlines()[2:]
    assert len(rows) == len({p.name for node in NODES.values() for p in node})
    assert any(row.startswith("| `runtime` | `auto` | `auto`, `onnxruntime`") for row in rows)


def test_unknown_node_is_named():
    with pytest.raises(InputError, match="'camra'"):
        parameter_table(["camra"])


def test_the_page_of_parameters_has_the_table():
    page = ROOT / "docs" / "parameters.md"
    if not page.exists():
        pytest.skip("no docs here")
    assert parameter_table() in page.read_text(encoding="utf-8"), (
        "make the table anew: python -m posemo_ros.nodes.parameters"
    )


def test_recorded_topics_follow_the_namespace():
    absolute = [name for name in RecorderParameters().topics if name.startswith("/")]
    assert absolute == [topics.DIAGNOSTICS]
