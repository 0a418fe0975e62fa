"""Each node is killed with SIGKILL: the launch file starts it again, the others go on, results come again.

Run by ``test_launch``, or by hand: ``launch_test test/launch/respawn_launch.py``.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import launch
import launch_testing
import launch_testing.actions
import numpy as np
import pytest
import rclpy
from ament_index_python.packages import get_package_share_directory
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from pipeline_launch import tiny_parameters
from posemo_msgs.msg import EmotionArray
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from posemo_ros.nodes.conversion import MAKE
from posemo_ros.types import View

NODES = ("keypoints", "lifter", "emotion", "markers")


@pytest.mark.launch_test
def generate_test_description():
    file = Path(get_package_share_directory("posemo_ros")) / "launch" / "pipeline.launch.py"
    arguments = {
        "params_file": str(tiny_parameters()),
        "composition": "stations",
        "image": "/eye/picture",
        "namespace": "robot",
        "respawn_delay": "0.2",
    }
    include = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(file)), launch_arguments=arguments.items()
    )
    return launch.LaunchDescription([include, launch_testing.actions.ReadyToTest()])


def process_of(name: str) -> int | None:
    """The process of a node of this test; other tests have other domains."""
    domain = f"ROS_DOMAIN_ID={os.environ.get('ROS_DOMAIN_ID', '')}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            ours = domain in (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if ours and f"__node:={name}".encode() in words:
            return int(folder.name)
    return None


class TestRespawn(unittest.TestCase):
    """While the nodes run."""

    def setUp(self) -> None:
        rclpy.init()
        self.node = Node("launch_test")
        self.sent = 0
        self.heard: list[EmotionArray] = []
        self.node.create_subscription(EmotionArray, "/robot/emotions", self.heard.append, 100)
        self.images = self.node.create_publisher(Image, "/eye/picture", qos_profile_sensor_data)

    def tearDown(self) -> None:
        self.node.destroy_node()
        rclpy.shutdown()

    def feed_until(self, condition, what: str, timeout_s: float = 300.0) -> None:
        end = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end, f"timed out: {what}"
            self.sent += 1
            image = np.zeros((120, 160, 3), np.uint8)
            image[40:100, 50 + self.sent % 40 : 75 + self.sent % 40] = (40, 120, 250)
            stamp = self.node.get_clock().now().nanoseconds
            self.images.publish(MAKE.image(image, View(stamp, "eye_optical")))
            rclpy.spin_once(self.node, timeout_sec=0.05)

    def test_killed_nodes_come_back_and_results_go_on(self) -> None:
        self.feed_until(lambda: len(self.heard) > 3, "first results")
        for name in NODES:
            old = {other: process_of(other) for other in NODES}
            os.kill(old[name], signal.SIGKILL)
            self.feed_until(lambda n=name, o=old: process_of(n) not in (None, o[n]), f"a new {name}")
            self.heard.clear()
            self.feed_until(lambda: len(self.heard) > 3, f"results after {name} was killed")
            others = {other: process_of(other) for other in NODES if other != name}
            assert others == {other: pid for other, pid in old.items() if other != name}
