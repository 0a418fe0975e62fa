"""What RViz and Foxglove are told to show exists, and is seen from behind the camera."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy.spatial.transform import Rotation

from posemo_ros import topics

ROOT = Path(__file__).resolve().parent.parent
LAUNCH = ROOT / "launch" / "rviz.launch.py"
NAMES = {topics.MARKERS, topics.OVERLAY, topics.OVERLAY + topics.COMPRESSED}


@pytest.fixture(scope="module")
def rviz() -> dict[str, object]:
    return yaml.safe_load((ROOT / "config" / "posemo.rviz").read_text(encoding="utf-8"))


def view_in_optical() -> Rotation:
    """The frame that RViz looks from, in the camera's optical frame, as the launch file publishes it."""
    text = LAUNCH.read_text(encoding="utf-8")
    found = [re.search(rf'"--{axis}", "([-.0-9]+)"', text) for axis in ("qx", "qy", "qz", "qw")]
    return Rotation.from_quat([float(match[1]) for match in found if match])


def test_the_view_frame_is_that_of_rep_103():
    forward, left, up = view_in_optical().apply(np.eye(3))
    np.testing.assert_allclose([forward, left, up], [[0, 0, 1], [-1, 0, 0], [0, -1, 0]], atol=1e-9)


def test_rviz_looks_from_behind_the_camera(rviz):
    manager = rviz["Visualization Manager"]
    view = manager["Views"]["Current"]
    assert view["Target Frame"] == "posemo_view"
    focus = np.array([view["Focal Point"][axis] for axis in "XYZ"], float)
    yaw, pitch, distance = view["Yaw"], view["Pitch"], view["Distance"]
    # RViz's Orbit: the eye lies at these angles about the focus; the z axis of the target frame is up.
    eye = focus + distance * np.array(
        [np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), np.sin(pitch)]
    )
    x, y, z = view_in_optical().apply(eye)
    assert z < -1, "the eye is behind the camera"
    assert abs(x) < 0.1, "and looks straight on"
    assert -2 < y < -0.5, "a little from above; y points down"


def test_rviz_shows_topics_that_exist(rviz):
    shown = [d["Topic"]["Value"] for d in rviz["Visualization Manager"]["Displays"] if "Topic" in d]
    assert shown
    assert {name.removeprefix("/posemo/") for name in shown} <= NAMES


def test_foxglove_shows_topics_that_exist():
    text = (ROOT / "config" / "foxglove_layout.json").read_text(encoding="utf-8")
    layout = json.loads(text)
    shown = set(re.findall(r'"(?:/posemo/|/)([a-z/_]+)[".]', text)) - {"diagnostics", "pipeline/statistics"}
    assert shown
    assert shown <= NAMES
    panels = set(re.findall(r'"(?:first|second)": "([^"]+)"', text))
    assert panels == set(layout["configById"])


def test_foxglove_plots_numbers_that_exist():
    text = (ROOT / "config" / "foxglove_layout.json").read_text(encoding="utf-8")
    fields = set(re.findall(r"statistics\.([a-z0-9_]+)", text))
    definition = (ROOT / "msg" / "Statistics.msg").read_text(encoding="utf-8")
    assert fields
    assert fields <= set(re.findall(r"^\S+ (\w+)$", definition, flags=re.MULTILINE))


# Keys of a layout's panels as Foxglove exports them: by type (before the "!" of a panel's name), with the
# keys of what lies below. Foxglove ignores others without a word. From its published layouts module
# (foxglove-sdk, ``foxglove.layouts``) and, for the types' names in exported files, from Studio's last source.
TITLE = "foxglovePanelTitle"
RENDERER = f"scene transforms layers topics synchronize {TITLE}"
KEYS = {
    "3D": f"cameraState followTf fixedFrame followMode publish {RENDERER}",
    "Image": f"imageMode {RENDERER}",
    "Plot": f"paths isSynced showLegend legendDisplay xAxisVal minYValue maxYValue {TITLE}",
    "DiagnosticSummary": "minLevel pinnedIds topicToRender hardwareIdFilter sortByLevel secondsUntilStale",
}
PANELS = {kind: set(keys.split()) for kind, keys in KEYS.items()}
KEYS_BELOW = {
    "cameraState": "distance perspective phi target targetOffset targetOrientation thetaOffset fovy near far",
    "scene": "enableStats backgroundColor labelScaleFactor ignoreColladaUpAxis meshUpAxis syncCamera",
    "imageMode": "imageTopic imageSchemaName calibrationTopic annotations rotation flipHorizontal",
    "topics": "visible color showOutlines selectedIdVariable namespaces",
    "paths": "value enabled color label timestampMethod showLine lineSize lineStyle",
}
PARTS = {part: set(keys.split()) for part, keys in KEYS_BELOW.items()}


def strange_keys(layout: dict[str, Any]) -> list[str]:
    """Panels of a Foxglove layout that have no such type, and keys that their types do not have."""
    found = []
    for name, config in layout["configById"].items():
        kind = name.partition("!")[0]
        found += [] if kind in PANELS else [name]
        found += [f"{name}.{key}" for key in config if key not in PANELS.get(kind, ())]
        for part, known in PARTS.items():
            inside = config.get(part, {})
            several = {"topics": dict.values, "paths": list}.get(part)
            for one in several(inside) if several and inside else [inside]:
                found += [f"{name}.{part}.{key}" for key in one if key not in known]
    return found


def test_foxglove_knows_every_panel_and_key():
    layout = json.loads((ROOT / "config" / "foxglove_layout.json").read_text(encoding="utf-8"))
    assert strange_keys(layout) == []
    assert set(layout) == {"configById", "globalVariables", "userNodes", "playbackConfig", "layout"}
    view = layout["configById"]["3D!skeletons"]
    assert view["followMode"] in ("follow-pose", "follow-heading", "follow-position", "follow-none")
    stamps = {path["timestampMethod"] for path in layout["configById"]["Plot!latency"]["paths"]}
    assert stamps <= {"receiveTime", "publishTime", "headerStamp", "customField"}


def test_what_foxglove_would_ignore_is_found():
    odd = {
        "Plot!a": {"title": "", "paths": [{"value": "", "colour": ""}]},
        "Image!b": {"cameraState": {}},
        "3D!c": {"topics": {"/t": {"shown": True}}, "cameraState": {"pitch": 1}},
        "DiagnosticsSummary!d": {},
    }
    assert strange_keys({"configById": odd}) == [
        *("Plot!a.title", "Plot!a.paths.colour", "Image!b.cameraState", "3D!c.cameraState.pitch"),
        *("3D!c.topics.shown", "DiagnosticsSummary!d"),
    ]


def test_foxglove_looks_from_behind_the_camera():
    """Its 3D panel turns the camera by Rz(-thetaOffset) Rx(phi); it looks along -z, and its y is up."""
    panels = json.loads((ROOT / "config" / "foxglove_layout.json").read_text(encoding="utf-8"))["configById"]
    view = panels["3D!skeletons"]
    state = view["cameraState"]
    turned = Rotation.from_euler("ZX", [-state["thetaOffset"], state["phi"]], degrees=True)
    right, up, back = turned.apply(np.eye(3))
    assert view["followTf"] == "camera_optical_frame"
    np.testing.assert_allclose(right, [1, 0, 0], atol=1e-9)
    assert up[1] < -0.9, "the optical frame's y points down"
    eye = np.array(state["targetOffset"]) + state["distance"] * back
    assert eye[2] < -1, "the eye is behind the camera"
    assert -2 < eye[1] < -0.5, "a little from above"
