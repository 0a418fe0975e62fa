"""Two cameras, two chains: each works on its own images, in its own namespace.

Run by ``test_launch``, or by hand: ``launch_test test/launch/two_cameras_launch.py``.
"""

from __future__ import annotations

import importlib.util
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import launch
import launch_testing
import launch_testing.actions
import launch_testing.asserts
import numpy as np
import pytest
import rclpy
from ament_index_python.packages import get_package_share_directory
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from pipeline_launch import tiny_parameters
from posemo_msgs.msg import Person2DArray
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from posemo_ros.nodes.conversion import MAKE
from posemo_ros.types import View

CAMERAS = {"left": "front", "right": "right"}  # namespace by camera: one of them given, one the default
RESULTS = 5


@pytest.mark.launch_test
def generate_test_description():
    file = Path(get_package_share_directory("posemo_ros")) / "launch" / "two_cameras.launch.py"
    arguments = {"params_file": str(tiny_parameters()), "left_namespace": "front", "markers": "false"}
    if importlib.util.find_spec("aiohttp"):  # two pages, each on a port of its own
        arguments |= {"viewer": "browser", "left_port": "0", "right_port": "0"}
    include = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(file)), launch_arguments=arguments.items()
    )
    return launch.LaunchDescription([include, launch_testing.actions.ReadyToTest()])


class TestTwoCameras(unittest.TestCase):
    """While the nodes run."""

    def setUp(self) -> None:
        rclpy.init()
        self.node = Node("launch_test")

    def tearDown(self) -> None:
        self.node.destroy_node()
        rclpy.shutdown()

    def test_each_chain_answers_for_its_camera(self) -> None:
        heard: dict[str, list[Person2DArray]] = {camera: [] for camera in CAMERAS}
        send = {}
        for camera, namespace in CAMERAS.items():
            topic = f"/{namespace}/people"
            self.node.create_subscription(Person2DArray, topic, heard[camera].append, 100)
            send[camera] = self.node.create_publisher(Image, f"/{camera}/image_raw", qos_profile_sensor_data)
        end, number = time.monotonic() + 300, 0
        while not all(len(messages) >= RESULTS for messages in heard.values()):
            assert time.monotonic() < end, {camera: len(messages) for camera, messages in heard.items()}
            number += 1
            for camera, publisher in send.items():
                image = np.zeros((120, 160, 3), np.uint8)
                image[40:100, 50:75] = (40, 120, 250)
                publisher.publish(MAKE.image(image, View(number * 100_000_000, f"{camera}_eye")))
            rclpy.spin_once(self.node, timeout_sec=0.05)
            time.sleep(0.05)
        for camera, messages in heard.items():
            assert {m.header.frame_id for m in messages} == {f"{camera}_eye"}
            assert any(m.people for m in messages)


@launch_testing.post_shutdown_test()
class TestAfterwards(unittest.TestCase):
    """When everything was told to stop."""

    def test_exit_codes(self, proc_info) -> None:
        launch_testing.asserts.assertExitCodes(proc_info)
