"""What RViz and Foxglove are told to show exists, and is seen from behind the camera."""

from __future__ import annotations

import json
import re
from pathlib import Path

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
