"""The launch file brings the chain up, frames give results, and everything ends with exit code 0.

Runs where launch is installed: ``launch_test test/launch/pipeline_launch.py`` or ``colcon test``.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
import time
import unittest
from pathlib import Path

import pytest

pytest.importorskip("launch_testing", reason="launch_testing is not installed (it comes with ROS)")
pytest.importorskip("posemo_msgs", reason="posemo_msgs is not built")

import launch
import launch_testing
import launch_testing.actions
import launch_testing.asserts
import numpy as np
import rclpy
import yaml
from ament_index_python.packages import get_package_share_directory
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from lifecycle_msgs.srv import GetState
from posemo_msgs.msg import EmotionArray, Person2DArray, Skeleton3DArray
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from visualization_msgs.msg import MarkerArray

from posemo_ros.nodes.conversion import MAKE
from posemo_ros.types import View

NODES = {
    "single": ("pipeline", "markers"),
    "stations": ("keypoints", "lifter", "context", "emotion", "markers"),
}
TOPICS = {
    "people": Person2DArray,
    "skeletons": Skeleton3DArray,
    "emotions": EmotionArray,
    "markers": MarkerArray,
}
FRAMES = 5


def tiny_parameters() -> Path:
    """A parameter file with the tiny networks of the nodes' tests."""
    path = Path(__file__).resolve().parent.parent / "nodes" / "tiny_models.py"
    spec = importlib.util.spec_from_file_location("tiny_models", path)
    tiny = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tiny)
    folder = Path(tempfile.mkdtemp(prefix="posemo_launch_test_"))
    values = tiny.parameters(tiny.write_chain(folder), "pipeline")
    file = folder / "parameters.yaml"
    file.write_text(yaml.safe_dump({"/**": {"ros__parameters": values}}), encoding="utf-8")
    return file


@pytest.mark.launch_test
@launch_testing.parametrize("composition", list(NODES))
def generate_test_description(composition: str):
    file = Path(get_package_share_directory("posemo_ros")) / "launch" / "pipeline.launch.py"
    arguments = {
        "params_file": str(tiny_parameters()),
        "composition": composition,
        "context": "tiny-context",
        "image": "/eye/picture",
        "camera_info": "/eye/camera_info",
        "namespace": "robot",
    }
    include = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(file)), launch_arguments=arguments.items()
    )
    description = launch.LaunchDescription([include, launch_testing.actions.ReadyToTest()])
    return description, {"composition": composition}


class TestRunning(unittest.TestCase):
    """While the nodes run."""

    @classmethod
    def setUpClass(cls) -> None:
        rclpy.init()

    @classmethod
    def tearDownClass(cls) -> None:
        rclpy.shutdown()

    def setUp(self) -> None:
        self.node = Node("launch_test")

    def tearDown(self) -> None:
        self.node.destroy_node()

    def spin_until(self, condition, what: str, timeout_s: float = 300.0) -> None:
        end = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end, f"timed out: {what}"
            rclpy.spin_once(self.node, timeout_sec=0.05)

    def state(self, name: str) -> str:
        """The lifecycle state; asks again when an answer gets lost, as happens on a busy machine."""
        client = self.node.create_client(GetState, f"/robot/{name}/get_state")
        self.spin_until(client.service_is_ready, f"the services of {name}")
        for _ in range(60):
            answer = client.call_async(GetState.Request())
            end = time.monotonic() + 5
            while not answer.done() and time.monotonic() < end:
                rclpy.spin_once(self.node, timeout_sec=0.05)
            if answer.done():
                return answer.result().current_state.label
        return "silent"

    def test_nodes_become_active_and_frames_give_results(self, composition: str) -> None:
        for name in NODES[composition]:
            self.spin_until(lambda name=name: self.state(name) == "active", f"{name} is active")
        heard: dict[str, list] = {topic: [] for topic in TOPICS}
        for topic, kind in TOPICS.items():
            self.node.create_subscription(kind, f"/robot/{topic}", heard[topic].append, 100)
        send = self.node.create_publisher(Image, "/eye/picture", qos_profile_sensor_data)
        self.spin_until(send.get_subscription_count, "a subscriber of the image")
        for topic in TOPICS:
            self.spin_until(lambda t=topic: self.node.count_publishers(f"/robot/{t}"), topic)
        sent = 0

        def feed() -> bool:
            nonlocal sent
            sent += 1
            image = np.zeros((120, 160, 3), np.uint8)
            image[40:100, 50 + sent % 40 : 75 + sent % 40] = (40, 120, 250)
            send.publish(MAKE.image(image, View(sent * 100_000_000, "eye_optical")))
            time.sleep(0.05)
            return all(len(messages) >= FRAMES for messages in heard.values())

        self.spin_until(feed, "results on all topics")
        for topic in ("people", "skeletons", "emotions"):
            assert {m.header.frame_id for m in heard[topic]} == {"eye_optical"}
        assert heard["people"][-1].people


@launch_testing.post_shutdown_test()
class TestAfterwards(unittest.TestCase):
    """When everything was told to stop."""

    def test_exit_codes(self, proc_info) -> None:
        launch_testing.asserts.assertExitCodes(proc_info)


# A domain of its own, before any process of the test starts.
os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
