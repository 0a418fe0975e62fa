"""One table of parameters: for ROS, for the README, and the shipped file agrees with it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from posemo_ros.errors import InputError
from posemo_ros.nodes.parameters import NODES, check, models_of, parameter_table, settings_of
from posemo_ros.pipeline import Models, Settings

ROOT = Path(__file__).resolve().parent.parent.parent


def defaults(node: str) -> dict[str, object]:
    return {p.name: list(p.default) if isinstance(p.default, tuple) else p.default for p in NODES[node]}


def test_defaults_are_those_of_the_core():
    assert models_of(defaults("pipeline")) == Models()
    assert settings_of(defaults("pipeline")) == Settings()


def test_zero_detector_threshold_means_the_models_own():
    assert settings_of({"detector_threshold": 0.0}).detector_threshold is None
    assert settings_of({"detector_threshold": 0.25}).detector_threshold == 0.25


def test_shipped_file_has_known_parameters_at_their_defaults():
    text = (ROOT / "config" / "pipeline.yaml").read_text(encoding="utf-8")
    shipped = yaml.safe_load(text)["/**"]["ros__parameters"]
    known: dict[str, object] = {}
    for node in NODES:
        known |= defaults(node)
    assert shipped == {name: known[name] for name in shipped}
    assert set(defaults("pipeline")) - {"autostart"} <= set(shipped)


def test_choices_are_checked_and_named():
    runtime = next(p for p in NODES["pipeline"] if p.name == "runtime")
    assert check(runtime, "openvino") == ""
    assert "auto, onnxruntime" in check(runtime, "cuda")


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


def test_readme_has_the_table_and_the_topics():
    from posemo_ros import topics

    readme = ROOT / "README.md"
    if not readme.exists():
        pytest.skip("no README.md here")
    text = readme.read_text(encoding="utf-8")
    assert parameter_table() in text, "make the table anew: python -m posemo_ros.nodes.parameters"
    for name in (topics.PEOPLE, topics.SKELETONS, topics.EMOTIONS, topics.CONTEXT, topics.MARKERS):
        assert f"`{name}`" in text
