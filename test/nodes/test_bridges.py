"""The bridges to ROS4HRI and vision_msgs as nodes: what they say without those, what comes with them."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (make test brings it)")
pytest.importorskip("posemo_msgs", reason="posemo_msgs is not built (make test does it)")

from posemo_msgs.msg import Person2DArray
from std_msgs.msg import String

from posemo_ros.nodes import hri_bridge
from posemo_ros.nodes.conversion import MAKE, class_of
from posemo_ros.nodes.hri_bridge import HriBridgeNode
from posemo_ros.nodes.vision_bridge import VisionBridgeNode
from posemo_ros.settings import Models
from posemo_ros.types import People2D, View

from .bench import FAILURE, Bench

pytestmark = pytest.mark.usefixtures("ros")
INSTALLED = importlib.util.find_spec("hri_msgs") is not None


@pytest.mark.skipif(INSTALLED, reason="hri_msgs is installed")
def test_without_hri_msgs_it_says_what_to_install(bench: Bench):
    node = bench.add(HriBridgeNode)
    assert node.trigger_configure() == FAILURE
    assert "needs the ROS package 'hri_msgs'" in node.monitor.snapshot().message


@pytest.mark.skipif(importlib.util.find_spec("vision_msgs") is not None, reason="vision_msgs is installed")
def test_without_vision_msgs_it_says_what_to_install(bench: Bench):
    node = bench.add(VisionBridgeNode)
    assert node.trigger_configure() == FAILURE
    assert "needs the ROS package 'vision_msgs'" in node.monitor.snapshot().message


@pytest.mark.skipif(not INSTALLED, reason="hri_msgs is not installed")
def test_people_come_and_go(bench: Bench, tmp_path: Path):
    bench.up(HriBridgeNode)
    tracked = bench.heard(class_of("hri_msgs/msg/IdsList"), "/humans/bodies/tracked")
    send = bench.publisher(Person2DArray, "people")
    view = View(time.time_ns(), "eye", None, 640, 480)
    box, keypoints = np.array([[0, 0, 10, 10]], np.float32), np.zeros((1, 17, 3), np.float32)
    send.publish(MAKE.people(People2D(("p1",), box, np.ones(1, np.float32), keypoints, view=view), Models()))
    bench.until(lambda: bench.world.count_publishers("/humans/bodies/p1/skeleton2d"), "the person's topics")
    send.publish(MAKE.people(People2D(view=view), Models()))
    bench.until(lambda: not bench.world.count_publishers("/humans/bodies/p1/roi"), "the person to leave")
    bench.until(lambda: len(tracked) == 2, "the lists")
    assert [m.ids for m in tracked] == [["p1"], []]


def test_two_bridges_in_a_robot_are_named(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    """Both cameras have a p1, and REP-155 one place for it."""
    monkeypatch.setattr(hri_bridge, "class_of", lambda _: String)  # hri_msgs is seldom installed
    node = bench.up(HriBridgeNode)
    other = bench.world.create_publisher(String, hri_bridge.ALL_BODIES, 1)
    bench.until(lambda: "run one hri_bridge in a robot" in node.monitor.snapshot().message, "the complaint")
    assert "/world (std_msgs/msg/String" in node.monitor.snapshot().message
    bench.world.destroy_publisher(other)
    bench.until(lambda: "run one hri_bridge" not in node.monitor.snapshot().message, "the end of it")
