"""Nodes in this process: lifecycle, parameters at run time, and everything that can be wrong with input."""

from __future__ import annotations

import array
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy", reason="needs ROS 2 (make test brings it)")
pytest.importorskip("posemo_msgs", reason="posemo_msgs is not built (make test does it)")

from posemo_msgs.msg import EmotionArray, Person2DArray, Skeleton3DArray
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from posemo_ros.nodes import qos
from posemo_ros.nodes.base import PosemoNode
from posemo_ros.nodes.camera import CameraNode
from posemo_ros.nodes.conversion import MAKE
from posemo_ros.nodes.emotion import EmotionNode
from posemo_ros.nodes.keypoints import KeypointsNode
from posemo_ros.nodes.monitor import ERROR, OK, WARN
from posemo_ros.nodes.pipeline import PipelineNode
from posemo_ros.nodes.recorder import RecorderNode
from posemo_ros.types import View

from .bench import FAILURE, SUCCESS, Bench
from .tiny_models import parameters

pytestmark = pytest.mark.usefixtures("ros")

SECOND = 1_000_000_000


@pytest.fixture
def pipeline(bench: Bench, tiny_manifest: Path) -> PosemoNode:
    return bench.up(PipelineNode, **parameters(tiny_manifest, "pipeline"))


def picture(step: int = 0) -> np.ndarray:
    image = np.zeros((120, 160, 3), np.uint8)
    image[40:100, 50 + step : 75 + step] = (40, 120, 250)
    return image


def image(step: int = 0, stamp_ns: int | None = None) -> Image:
    stamp = SECOND * (step + 1) // 10 if stamp_ns is None else stamp_ns
    return MAKE.image(picture(step), View(stamp, "eye"))


def problems(node: PosemoNode) -> tuple[bytes, str]:
    snapshot = node.monitor.snapshot()
    return snapshot.level, snapshot.message


def now_ns() -> int:
    return time.time_ns()


# --- lifecycle -------------------------------------------------------------------------------------


def test_full_round_and_again(bench: Bench, tiny_manifest: Path):
    node = bench.up(PipelineNode, **parameters(tiny_manifest, "pipeline"))
    for _ in range(2):
        assert node.state == "active"
        assert node.trigger_deactivate() == SUCCESS
        assert node.trigger_cleanup() == SUCCESS
        assert node.state == "unconfigured"
        assert bench.world.count_publishers("people") == 0
        assert node.trigger_configure() == SUCCESS
        assert node.trigger_activate() == SUCCESS


@pytest.mark.parametrize("station", [PipelineNode, EmotionNode])
def test_whose_poses_the_emotion_network_learned_from(
    bench: Bench, tiny_manifest: Path, tmp_path: Path, station: type[PosemoNode]
):
    data = yaml.safe_load(tiny_manifest.read_text())
    for entry in data["models"].values():
        entry["file"] = str(tiny_manifest.parent / entry["file"])
    for poses in ("tiny-lifter", "motion capture"):
        data["models"]["tiny-emotion"]["emotion"]["poses"] = poses
        manifest = tmp_path / "models.yaml"
        manifest.write_text(yaml.safe_dump(data))
        node = bench.up(station, **parameters(manifest, station.kind))
        if station is EmotionNode:  # skeletons tell
            node._estimate(node._loaded, Skeleton3DArray(joint_set="h36m17", lifter_model="tiny-lifter"))
        told = "learned from motion capture, here they come from 'tiny-lifter'" in problems(node)[1]
        assert told == (poses == "motion capture")


@pytest.mark.parametrize(
    ("station", "values", "message"),
    [
        (PipelineNode, {"detector": "nobody"}, "there is no model 'nobody'"),
        (PipelineNode, {"detector": "tiny-lifter"}, "is for the task 'lifter'"),
        (PipelineNode, {"manifests": ["/no/such/file.yaml"]}, "/no/such/file.yaml"),
        (KeypointsNode, {"keypoints": ""}, "there is no model ''"),
        (CameraNode, {}, "parameter source is empty"),
        (CameraNode, {"source": "/no/such.mp4"}, "'/no/such.mp4' does not exist"),
    ],
)
def test_configure_fails_with_a_reason_and_can_be_tried_again(
    bench: Bench, tiny_manifest: Path, station: type[PosemoNode], values: dict[str, object], message: str
):
    base = {} if station is CameraNode else parameters(tiny_manifest, station.kind)
    node = bench.add(station, **{**base, **values})
    assert node.trigger_configure() == FAILURE
    assert node.state == "unconfigured"
    level, text = problems(node)
    assert level == ERROR
    assert message in text


def test_changed_model_file_is_refused(bench: Bench, tiny_manifest: Path, tmp_path: Path):
    data = yaml.safe_load(tiny_manifest.read_text())
    for entry in data["models"].values():
        entry["file"] = str(tiny_manifest.parent / entry["file"])
    data["models"]["tiny-lifter"]["sha256"] = "0" * 64
    manifest = tmp_path / "models.yaml"
    manifest.write_text(yaml.safe_dump(data))
    node = bench.add(PipelineNode, **parameters(manifest, "pipeline"))
    assert node.trigger_configure() == FAILURE
    assert "tiny-lifter" in problems(node)[1]
    assert "0000" in problems(node)[1]


def test_unexpected_error_in_a_transition_is_logged_and_ends_in_a_usable_state(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    class Faulty(CameraNode):
        def load(self) -> None:
            raise RuntimeError("out of cheese")

    node = bench.add(Faulty)
    assert node.trigger_configure() == TransitionCallbackReturn.ERROR
    assert node.state == "unconfigured"
    assert "out of cheese" in problems(node)[1]


# --- the chain --------------------------------------------------------------------------------------


def test_results_carry_the_images_header_and_frames_without_people_count(bench: Bench, pipeline: PosemoNode):
    people = bench.heard(Person2DArray, "people")
    skeletons = bench.heard(Skeleton3DArray, "skeletons")
    emotions = bench.heard(EmotionArray, "emotions")
    send = bench.publisher(Image, "image_raw")
    empty = MAKE.image(np.zeros((120, 160, 3), np.uint8), View(7 * SECOND + 9, "eye"))
    send.publish(empty)
    bench.until(lambda: people and skeletons and emotions, "results")
    for message in (people[0], skeletons[0], emotions[0]):
        assert message.header == empty.header
    assert not people[0].people
    send.publish(image(stamp_ns=8 * SECOND))
    bench.until(lambda: len(people) == 2, "results")
    assert len(people[1].people) == 1


def test_more_people_than_may_be_are_said(bench: Bench, pipeline: PosemoNode):
    send = bench.publisher(Image, "image_raw")

    def said(text: str) -> bool:
        return text in pipeline.monitor.snapshot().values.get("people limit", "")

    limit = pipeline.params.max_people
    send.publish(image(stamp_ns=SECOND))
    bench.until(lambda: said(f"not reached ({limit})"), "the limit")
    pipeline.set_parameters([Parameter("max_people", value=1)])
    send.publish(image(stamp_ns=2 * SECOND))
    bench.until(lambda: said("reached: others than these 1"), "the limit that is reached")


def test_time_that_jumps_back_breaks_nothing(bench: Bench, pipeline: PosemoNode):
    people = bench.heard(Person2DArray, "people")
    send = bench.publisher(Image, "image_raw")
    for number, stamp in enumerate((100, 101, 5, 6, 7), start=1):
        send.publish(image(stamp_ns=stamp * SECOND))
        bench.until(lambda n=number: len(people) == n, "results")
    assert [m.header.stamp.sec for m in people] == [100, 101, 5, 6, 7]
    assert pipeline.monitor.level in (OK, WARN)


def test_compressed_transport_is_subscribed_after_remapping(bench: Bench, tiny_manifest: Path):
    node = PipelineNode(
        parameter_overrides=[
            Parameter(name, value=value)
            for name, value in (
                parameters(tiny_manifest, "pipeline") | {"image_transport": "compressed"}
            ).items()
        ],
        cli_args=["--ros-args", "-r", "image_raw:=/eye/picture"],
    )
    bench.nodes.append(node)
    bench.executor.add_node(node)
    node.trigger_configure()
    node.trigger_activate()
    import cv2

    people = bench.heard(Person2DArray, "people")
    send = bench.publisher(CompressedImage, "/eye/picture/compressed")
    _, jpeg = cv2.imencode(".jpg", picture())
    send.publish(MAKE.jpeg(jpeg, View(SECOND, "eye")))
    bench.until(lambda: people, "people from a JPEG")
    assert len(people[0].people) == 1


def test_thresholds_change_at_run_time_and_models_do_not(bench: Bench, pipeline: PosemoNode):
    people = bench.heard(Person2DArray, "people")
    send = bench.publisher(Image, "image_raw")
    send.publish(image(0))
    bench.until(lambda: len(people) == 1, "results")
    results = pipeline.set_parameters(
        [Parameter("detector_threshold", value=0.95), Parameter("detect_every", value=1)]
    )
    assert all(r.successful for r in results)
    pipeline.set_parameters([Parameter("detect_every", value=0)])
    assert pipeline.params.detect_every == 1
    refused = pipeline.set_parameters([Parameter("detector", value="other")])[0]
    assert not refused.successful
    # The tiny detector's score is 0.9: after a jump of time nobody is followed any more.
    send.publish(image(0, stamp_ns=50 * SECOND))
    bench.until(lambda: len(people) == 2, "results")
    assert [len(m.people) for m in people] == [1, 0]


# --- bad input ---------------------------------------------------------------------------------------


def bad(**values: object) -> Image:
    message = image()
    for name, value in values.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (bad(encoding="bgr9"), "image encoding 'bgr9' is unknown"),
        (bad(data=array.array("B", bytes(100))), "image data has 100 bytes; expected step x rows"),
        (bad(height=0), "image of 160 x 0 pixels"),
        (bad(width=0, height=0, step=0, data=array.array("B")), "image of 0 x 0 pixels"),
        (bad(step=10), "image step is 10 bytes"),
    ],
    ids=["encoding", "short", "no rows", "empty", "step"],
)
def test_a_bad_image_is_reported_and_the_next_one_works(
    bench: Bench, pipeline: PosemoNode, message: Image, complaint: str
):
    people = bench.heard(Person2DArray, "people")
    send = bench.publisher(Image, "image_raw")
    send.publish(message)
    bench.until(lambda: complaint in problems(pipeline)[1], complaint)
    assert problems(pipeline)[0] == ERROR
    send.publish(image())
    bench.until(lambda: people, "the good image's results")
    bench.until(lambda: complaint not in problems(pipeline)[1], "the end of the problem")


def test_missing_camera_info_says_what_is_assumed(bench: Bench, pipeline: PosemoNode):
    people = bench.heard(Person2DArray, "people")
    bench.publisher(Image, "image_raw").publish(image())
    bench.until(lambda: people, "results")
    level, text = problems(pipeline)
    assert level == WARN
    assert "there is no CameraInfo" in text
    assert "60 degrees" in text
    assert people[0].camera_assumed


def test_camera_info_of_zeros_says_what_is_assumed_until_a_good_one_comes(bench: Bench, pipeline: PosemoNode):
    from posemo_ros.camera import Camera

    people = bench.heard(Person2DArray, "people")
    info, send = bench.publisher(CameraInfo, "camera_info"), bench.publisher(Image, "image_raw")
    info.publish(MAKE.camera_info(View(SECOND, "eye", None, 160, 120)))
    bench.until(lambda: pipeline._input._info is not None, "the CameraInfo")
    send.publish(image(0))
    bench.until(lambda: len(people) == 1, "results")
    assert "all zeros" in problems(pipeline)[1]
    info.publish(MAKE.camera_info(View.through(Camera.from_fov(160, 120, 90), SECOND, "eye")))
    bench.until(lambda: np.any(pipeline._input._info.k), "the CameraInfo")

    def well() -> bool:  # an image that waited for a slow machine is late
        send.publish(image(1, stamp_ns=now_ns()))
        return len(people) > 1 and problems(pipeline) == (OK, "running")

    bench.until(well, "everything to be well")
    assert not people[-1].camera_assumed
    assert people[-1].camera_info.k[0] == pytest.approx(80)


def test_camera_info_of_another_frame_is_said(bench: Bench, pipeline: PosemoNode):
    """The intrinsics of the depth camera, beside images of the colour camera: nothing else gives it away."""
    from posemo_ros.camera import Camera

    people = bench.heard(Person2DArray, "people")
    info, send = bench.publisher(CameraInfo, "camera_info"), bench.publisher(Image, "image_raw")
    info.publish(MAKE.camera_info(View.through(Camera.from_fov(160, 120, 90), SECOND, "depth_eye")))
    bench.until(lambda: pipeline._input._info is not None, "the CameraInfo")
    send.publish(image(0))
    bench.until(lambda: people, "results")
    assert problems(pipeline)[0] == WARN
    assert "of the frame 'depth_eye', the images of 'eye'" in problems(pipeline)[1]


def test_no_such_topic_names_it_and_the_topics_there_are(bench: Bench, tiny_manifest: Path):
    other = bench.world.create_publisher(Image, "/eye/picture", 1)
    node = bench.up(PipelineNode, **parameters(tiny_manifest, "pipeline"), stall_s=0.5)
    bench.until(lambda: "/eye/picture" in problems(node)[1], "the complaint")
    level, text = problems(node)
    assert level == ERROR
    assert "no message on /image_raw for 0.5 s: nobody publishes it" in text
    assert other.topic == "/eye/picture"


def test_silent_camera_is_named_and_its_return_clears_the_problem(bench: Bench, tiny_manifest: Path):
    node = bench.up(PipelineNode, **parameters(tiny_manifest, "pipeline"), stall_s=0.5)
    send = bench.publisher(Image, "image_raw", qos.newest())
    bench.until(lambda: "publishers seen: /world" in problems(node)[1], "the complaint")

    def again() -> bool:
        send.publish(image())
        return "no message" not in problems(node)[1]

    bench.until(again, "the end of the problem")


def test_incompatible_quality_is_logged_with_both_sides(bench: Bench, tiny_manifest: Path, capfd):
    values = parameters(tiny_manifest, "pipeline") | {"stall_s": 0.5}
    node = bench.up(
        PipelineNode, **values, **{"qos_overrides./image_raw.subscription.reliability": "reliable"}
    )
    bench.world.create_publisher(Image, "image_raw", qos.newest())
    said: list[str] = []

    def complained() -> bool:
        said.append("".join(capfd.readouterr()))
        return "incompatible QoS on /image_raw" in "".join(said)

    bench.until(complained, "the warning")
    assert "incompatible QoS" in problems(node)[1]
    text = "".join(said)
    assert "this node asks for reliable" in text
    assert "/world (sensor_msgs/msg/Image, best_effort" in text
    bench.until(lambda: "no message on /image_raw" in problems(node)[1], "that nothing comes")
    assert "this node asks for best_effort" not in problems(node)[1]
    assert node.state == "active"


def test_recorder_overwrites_nothing(bench: Bench, tmp_path: Path):
    path = tmp_path / "precious.mcap"
    path.write_text("mine")
    node = bench.add(RecorderNode, output=str(path))
    assert node.trigger_configure() == FAILURE
    assert f"{path} exists already" in problems(node)[1]
    assert path.read_text() == "mine"


def test_what_was_published_once_before_is_recorded_too(bench: Bench, tmp_path: Path):
    """As /tf_static: its publisher keeps it for those who come late."""
    from rosbags.highlevel import AnyReader

    latched = qos.results(1)
    latched.durability = DurabilityPolicy.TRANSIENT_LOCAL
    send = bench.world.create_publisher(CameraInfo, "kept", latched)
    send.publish(MAKE.camera_info(View(SECOND, "eye", None, 160, 120)))
    path = tmp_path / "r.mcap"
    node = bench.up(RecorderNode, output=str(path), topics=["kept"])
    bench.until(lambda: node.monitor.snapshot().totals["received"], "the message")
    assert node.trigger_deactivate() == node.trigger_cleanup() == SUCCESS
    with AnyReader([path]) as bag:
        assert [connection.topic for connection, _, _ in bag.messages()] == ["/kept"]


@pytest.mark.parametrize("transport", ["raw", "compressed"])
def test_topics_follow_the_namespace_in_every_mode(bench: Bench, tiny_manifest: Path, transport: str):
    values = parameters(tiny_manifest, "pipeline") | {"image_transport": transport}
    node = PipelineNode(
        namespace="/robot", parameter_overrides=[Parameter(n, value=v) for n, v in values.items()]
    )
    bench.nodes.append(node)
    bench.executor.add_node(node)
    node.trigger_configure()
    node.trigger_activate()
    suffix = "/compressed" if transport == "compressed" else ""
    for topic in (f"/robot/image_raw{suffix}", "/robot/camera_info"):
        bench.until(lambda t=topic: bench.world.count_subscribers(t), f"a subscription of {topic}")
    for topic in ("/robot/people", "/robot/skeletons", "/robot/emotions"):
        bench.until(lambda t=topic: bench.world.count_publishers(t), f"a publisher of {topic}")


def test_images_are_taken_as_sensor_data_and_results_given_reliably(bench: Bench, pipeline: PosemoNode):
    from rclpy.qos import ReliabilityPolicy

    bench.until(lambda: bench.world.count_subscribers("/image_raw"), "the subscription")
    bench.until(lambda: bench.world.count_publishers("/people"), "the publisher")
    taken = bench.world.get_subscriptions_info_by_topic("/image_raw")[0].qos_profile
    given = bench.world.get_publishers_info_by_topic("/people")[0].qos_profile
    assert taken.reliability == ReliabilityPolicy.BEST_EFFORT
    assert given.reliability == ReliabilityPolicy.RELIABLE
    assert qos.newest().depth == 1
