"""The node ``frames`` and ``target_frame``: with tf2 what it publishes, without it what it says."""

from __future__ import annotations

import importlib.util
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (make test brings it)")
pytest.importorskip("posemo_msgs", reason="posemo_msgs is not built (make test does it)")

from geometry_msgs.msg import TransformStamped
from posemo_msgs.msg import Skeleton3DArray
from scipy.spatial.transform import Rotation
from visualization_msgs.msg import Marker, MarkerArray

from posemo_ros.messages import skeletons_from_message
from posemo_ros.nodes import qos
from posemo_ros.nodes.conversion import MAKE, class_of
from posemo_ros.nodes.frames import FramesNode
from posemo_ros.nodes.markers import MarkersNode
from posemo_ros.nodes.monitor import ERROR
from posemo_ros.settings import Models
from posemo_ros.types import Skeletons3D, View

from ..test_frames import standing
from .bench import FAILURE, Bench

pytestmark = pytest.mark.usefixtures("ros")
TF2 = all(importlib.util.find_spec(name) for name in ("tf2_ros", "tf2_msgs"))
with_tf2 = pytest.mark.skipif(not TF2, reason="tf2 is not installed (it comes with ROS)")
without_tf2 = pytest.mark.skipif(TF2, reason="tf2 is installed")


def somebody(stamp_ns: int) -> Skeletons3D:
    relative = standing().astype(np.float32)[None]
    root = np.array([[1.0, 0.2, 3.0]], np.float32)
    return Skeletons3D(("p4",), relative, root, np.ones((1, 17), np.float32), view=View(stamp_ns, "eye"))


def message(stamp_ns: int) -> Skeleton3DArray:
    return MAKE.skeletons(somebody(stamp_ns), Models())


def now_ns() -> int:
    return time.time_ns()


class Robot:
    """Publishes base_link -> eye, which moves 1 m/s along x from ``start_ns`` on."""

    turn = Rotation.from_euler("xyz", [-90, 0, -90], degrees=True)

    def __init__(self, bench: Bench, start_ns: int) -> None:
        self._make = class_of("tf2_msgs/msg/TFMessage")
        self._start = start_ns
        self._publisher = bench.publisher(self._make, "/tf", qos.results(100))

    def place(self, stamp_ns: int) -> np.ndarray:
        return np.array([(stamp_ns - self._start) * 1e-9, 0.0, 1.0])

    def say(self, stamp_ns: int) -> None:
        made = TransformStamped(child_frame_id="eye")
        made.header.frame_id = "base_link"
        made.header.stamp = MAKE.header(View(stamp_ns)).stamp
        x, y, z = self.place(stamp_ns).tolist()
        made.transform.translation.x, made.transform.translation.y, made.transform.translation.z = x, y, z
        q = self.turn.as_quat().tolist()
        r = made.transform.rotation
        r.x, r.y, r.z, r.w = q
        self._publisher.publish(self._make(transforms=[made]))


@without_tf2
@pytest.mark.parametrize(
    ("values", "package"),
    [({}, "tf2_msgs"), ({"tf": False, "target_frame": "base_link"}, "tf2_ros_py")],
)
def test_without_tf2_it_says_what_to_install(bench: Bench, values: dict, package: str) -> None:
    node = bench.add(FramesNode, **values)
    assert node.trigger_configure() == FAILURE
    assert f"needs the ROS package '{package}'" in node.monitor.snapshot().message


@without_tf2
def test_markers_in_a_target_frame_need_tf2(bench: Bench) -> None:
    node = bench.add(MarkersNode, target_frame="base_link")
    assert node.trigger_configure() == FAILURE
    assert "target_frame needs the ROS package 'tf2_ros_py'" in node.monitor.snapshot().message


def test_with_nothing_to_do_it_is_switched_off(bench: Bench) -> None:
    node = bench.up(FramesNode, tf=False)
    assert "switched off" in node.monitor.snapshot().message


@with_tf2
def test_joints_are_frames_with_the_stamp_of_the_image(bench: Bench) -> None:
    bench.up(FramesNode, frame_prefix="front_")
    heard = bench.heard(class_of("tf2_msgs/msg/TFMessage"), "/tf")
    stamp = now_ns()
    bench.publisher(Skeleton3DArray, "skeletons").publish(message(stamp))
    bench.until(lambda: heard, "frames")
    frames = {t.child_frame_id: t for t in heard[0].transforms}
    assert frames["front_body_p4"].header.frame_id == "eye"
    assert frames["front_head_top_p4"].header.frame_id == "front_body_p4"
    assert all(t.header.stamp == message(stamp).header.stamp for t in frames.values())
    at = frames["front_head_top_p4"].transform.translation
    np.testing.assert_allclose([at.x, at.y, at.z], [0, 0, 0.8], atol=1e-5)


@with_tf2
def test_skeletons_are_moved_with_the_transform_of_their_stamp(bench: Bench) -> None:
    """The camera moves; the image lies between two transforms, of which the second comes after it."""
    bench.up(FramesNode, tf=False, target_frame="base_link")
    heard = bench.heard(Skeleton3DArray, "skeletons_in_target_frame")
    start = now_ns()
    stamp = start + 50_000_000
    robot = Robot(bench, start)
    robot.say(start)
    bench.publisher(Skeleton3DArray, "skeletons").publish(message(stamp))
    robot.say(start + 100_000_000)
    bench.until(lambda: heard, "skeletons")
    assert heard[0].header.frame_id == "base_link"
    assert heard[0].header.stamp == message(stamp).header.stamp
    moved = skeletons_from_message(heard[0]).joints[0]
    expected = robot.turn.apply(somebody(stamp).joints[0]) + robot.place(stamp)
    np.testing.assert_allclose(moved, expected, atol=1e-4)


@with_tf2
def test_what_has_no_transform_is_left_out_and_said(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    node = bench.up(FramesNode, tf=False, target_frame="base_link")
    heard = bench.heard(Skeleton3DArray, "skeletons_in_target_frame")
    send = bench.publisher(Skeleton3DArray, "skeletons")
    for _ in range(3):
        send.publish(message(now_ns()))
    bench.until(lambda: node.monitor.snapshot().level == ERROR, "a complaint")
    assert "no transform from 'eye' to target_frame 'base_link'" in node.monitor.snapshot().message
    bench.until(lambda: node.monitor.snapshot().totals.get("failed", 0) == 3, "all three")
    assert not heard
    assert capfd.readouterr().err.count("no transform from") == 1
    start = now_ns()
    robot = Robot(bench, start)
    robot.say(start)
    robot.say(start + 10**9)
    send.publish(message(start + 10**8))
    bench.until(lambda: heard, "skeletons")
    assert node.monitor.snapshot().level != ERROR


@with_tf2
def test_a_bag_that_loops_goes_on(bench: Bench) -> None:
    """tf2 refuses what is more than ten seconds older than its newest, unless it is told to forget."""
    bench.up(FramesNode, tf=False, target_frame="base_link")
    heard = bench.heard(Skeleton3DArray, "skeletons_in_target_frame")
    send = bench.publisher(Skeleton3DArray, "skeletons")
    start = now_ns()
    robot = Robot(bench, start)
    for second in (100, 0):

        def came(at: int = start + second * 10**9) -> bool:
            robot.say(at)
            robot.say(at + 10**8)
            send.publish(message(at + 10**7))
            for _ in range(15):
                bench.executor.spin_once(timeout_sec=0.02)
            return any(m.header.stamp == message(at + 10**7).header.stamp for m in heard)

        bench.until(came, f"skeletons of second {second}")


@with_tf2
def test_markers_stand_in_the_target_frame(bench: Bench) -> None:
    bench.up(MarkersNode, target_frame="base_link")
    heard = bench.heard(MarkerArray, "markers")
    start = now_ns()
    robot = Robot(bench, start)
    robot.say(start)
    robot.say(start + 10**9)
    bench.publisher(Skeleton3DArray, "skeletons").publish(message(start + 10**8))
    bench.until(lambda: heard, "markers")
    markers = [m for m in heard[0].markers if m.action == Marker.ADD]
    assert {m.header.frame_id for m in markers} == {"base_link"}
    joints = robot.turn.apply(somebody(0).joints[0]) + robot.place(start + 10**8)
    (spheres,) = [m for m in markers if m.ns == "joints"]
    points = np.array([(p.x, p.y, p.z) for p in spheres.points])
    np.testing.assert_allclose(points, joints, atol=1e-4)
    (text,) = [m for m in markers if m.ns == "emotions"]
    assert text.pose.position.z > joints[:, 2].max() + 0.1  # base_link's z points up


@pytest.mark.parametrize("name", ["target_frame", "frame_prefix"])
def test_frames_have_no_slash_in_front(bench: Bench, name: str) -> None:
    node = bench.add(FramesNode, **{name: "/left"})
    assert node.trigger_configure() == FAILURE
    assert f"parameter {name} is '/left'; frames have no slash" in node.monitor.snapshot().message


@with_tf2
def test_images_without_a_frame_id_are_said(bench: Bench) -> None:
    node = bench.up(FramesNode)
    send = bench.publisher(Skeleton3DArray, "skeletons")
    nameless = message(now_ns())
    nameless.header.frame_id = ""
    send.publish(nameless)
    bench.until(lambda: "images carry no frame_id" in node.monitor.snapshot().message, "the complaint")
    assert node.monitor.snapshot().level == ERROR
    assert "Traceback" not in node.monitor.snapshot().message
