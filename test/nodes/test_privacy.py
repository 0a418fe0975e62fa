"""``privacy`` in the nodes: what the overlay shows, and what the recorder takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (make test brings it)")
pytest.importorskip("posemo_msgs", reason="posemo_msgs is not built (make test does it)")

from posemo_msgs.msg import Person2DArray
from rcl_interfaces.msg import ParameterEvent
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from sensor_msgs.msg import CompressedImage, Image

from posemo_ros import diagnostics as keys
from posemo_ros.camera import Camera
from posemo_ros.draw import overlay
from posemo_ros.errors import InputError
from posemo_ros.nodes import qos
from posemo_ros.nodes.camera import CameraNode
from posemo_ros.nodes.conversion import MAKE
from posemo_ros.nodes.markers import MarkersNode
from posemo_ros.nodes.pixels import may_show_people
from posemo_ros.nodes.recorder import RecorderNode
from posemo_ros.replay.report import make_report
from posemo_ros.replay.source import with_secrets
from posemo_ros.settings import Models
from posemo_ros.types import People2D

from ..test_hidden_faces import detail, face_of, noise, people, person
from .bench import FAILURE, SUCCESS, Bench

pytestmark = pytest.mark.usefixtures("ros")

HEIGHT = 160
FACE = face_of(person(height=HEIGHT), HEIGHT)


def found(stamp_ns: int = 1_000_000_000) -> People2D:
    seen = people(person(height=HEIGHT), stamp_ns=stamp_ns)
    return replace(seen, view=replace(seen.view, camera=Camera.from_fov(320, 240)))


def pixels(message: Image) -> np.ndarray:
    return np.frombuffer(bytes(message.data), np.uint8).reshape(message.height, message.width, 3)


def send(bench: Bench, *, image: bool = True) -> None:
    seen = found()
    publishers = [(Person2DArray, "people", MAKE.people(seen, Models()))]
    if image:
        publishers.append((Image, "image_raw", MAKE.image(noise(), seen.view)))
    for kind, topic, message in publishers:
        bench.publisher(kind, topic).publish(message)


def test_the_overlay_and_the_blurred_image_show_no_face(bench: Bench) -> None:
    bench.up(MarkersNode, privacy="blur")
    overlays, blurred = bench.heard(Image, "overlay"), bench.heard(Image, "image_blurred")
    send(bench)
    bench.until(lambda: overlays and blurred, "pictures")
    assert detail(pixels(blurred[0]))[FACE].max() < 60
    assert detail(pixels(blurred[0]))[150:].mean() > 300
    assert blurred[0].header == MAKE.header(found().view)
    assert np.array_equal(pixels(overlays[0]), overlay(pixels(blurred[0]), found()))


def test_skeleton_never_looks_at_an_image(bench: Bench) -> None:
    bench.up(MarkersNode, privacy="skeleton")
    overlays = bench.heard(Image, "overlay")
    send(bench, image=False)
    bench.until(lambda: overlays, "a picture")
    assert (overlays[0].width, overlays[0].height) == (320, 240)
    assert bench.world.count_subscribers("image_raw") == 0
    assert bench.world.count_publishers("image_blurred") == 0


@pytest.mark.parametrize("privacy", ["blur", "skeleton"])
def test_the_recorder_takes_no_image_but_those_of_a_node_that_hides_faces(
    bench: Bench, tmp_path: Path, privacy: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "r.mcap"
    camera = bench.world.create_publisher(CompressedImage, "image_raw/compressed", qos.results())
    cloud = bench.world.create_publisher(Image, "overlay", qos.results())
    bench.up(MarkersNode, privacy=privacy)
    topics = ["image_raw/compressed", "overlay", "people", "overlay/compressed", "image_blurred/compressed"]
    recorder = bench.up(RecorderNode, output=str(path), topics=topics, privacy=privacy)
    results = bench.world.create_publisher(Person2DArray, "people", qos.results())
    wanted = ["people", "overlay/compressed"] + ["image_blurred/compressed"] * (privacy == "blur")
    said = ""

    def recording() -> bool:
        nonlocal said
        said += capfd.readouterr().err
        return all(f"recording /{name}" in said for name in wanted)

    bench.until(recording, "the recorder")
    if privacy == "blur":
        pictures = bench.publisher(Image, "image_raw")
        pictures.publish(MAKE.image(noise(), found().view))
    _, jpeg = cv2.imencode(".jpg", noise())
    camera.publish(MAKE.jpeg(np.asarray(jpeg, np.uint8).ravel(), found().view))
    results.publish(MAKE.people(found(), Models()))
    bench.until(lambda: recorder.monitor.snapshot().totals[keys.RECEIVED] >= len(wanted), "messages")
    assert camera.get_subscription_count() == 0
    assert "not recording /image_raw/compressed" in said
    assert "/world has no parameter privacy" in said
    assert cloud.get_subscription_count() == 0
    assert recorder.trigger_deactivate() == SUCCESS
    assert recorder.trigger_cleanup() == SUCCESS
    with AnyReader([path]) as bag:
        assert {c.topic for c in bag.connections} == {f"/{name}" for name in wanted}
        for connection, _, raw in bag.messages():
            if "image_blurred" in connection.topic:
                data = bag.deserialize(raw, connection.msgtype).data
                picture = cv2.imdecode(np.asarray(data), cv2.IMREAD_COLOR)
                assert detail(picture)[FACE].max() < 100
    make_report(path, tmp_path / "report")
    assert (tmp_path / "report" / "overlay.mp4").stat().st_size


@pytest.mark.parametrize(
    ("fields", "may"),
    [
        ("uint8[] data", True),
        ("uint8[<=99] data", True),
        ("byte[3072] data", True),  # of a small camera, as micro-ROS likes it
        ("small/msg/Picture[2] pictures", True),
        ("uint8[16] uuid", False),
        ("float32[] ranges\nuint8 status", False),
    ],
)
def test_what_can_carry_a_picture(fields: str, may: bool) -> None:
    types = get_typestore(Stores.EMPTY)
    types.register(get_types_from_msg("uint8[3072] data", "small/msg/Picture"))
    types.register(get_types_from_msg(fields, "small/msg/Thing"))
    assert may_show_people(types, "small/msg/Thing") is may


def test_a_recorder_that_hides_refuses_the_overlay_of_a_node_that_does_not(
    bench: Bench, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bench.up(MarkersNode)
    bench.up(RecorderNode, output=str(tmp_path / "r.mcap"), topics=["overlay"], privacy="blur")
    said = ""

    def refused() -> bool:
        nonlocal said
        said += capfd.readouterr().err
        return "not recording /overlay" in said

    bench.until(refused, "a refusal")
    assert "/markers has privacy:=none" in said
    assert bench.world.count_subscribers("overlay") == 0


@pytest.mark.parametrize("address", ["rtsp://me:geheim@127.0.0.1:1/1", "http://127.0.0.1:1/x?token=geheim"])
def test_nobody_reads_the_password_of_a_camera(
    bench: Bench, address: str, capfd: pytest.CaptureFixture[str]
) -> None:
    events = bench.heard(ParameterEvent, "/parameter_events")
    node = bench.add(CameraNode, source=address)
    assert node.trigger_configure() == FAILURE
    bench.until(lambda: any(e.node == "/camera" for e in events), "the parameters")
    node.publish_diagnostics()
    shown = node.get_parameter("source").value
    assert shown in ("rtsp://127.0.0.1:1/1", "http://127.0.0.1:1/x")
    for place in (events, node.params, node.monitor.snapshot(), capfd.readouterr()):
        assert "geheim" not in str(place)
    assert shown in node.monitor.snapshot().message


def test_the_environment_has_the_password(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def remember(text: str, choice: object) -> None:
        opened.append(with_secrets(text))
        raise InputError("enough")

    monkeypatch.setattr("posemo_ros.nodes.camera.open_source", remember)
    monkeypatch.setenv("CAMERA_LOGIN", "me:geheim")
    node = bench.add(CameraNode, source="rtsp://${CAMERA_LOGIN}@10.0.0.7/1")
    assert node.trigger_configure() == FAILURE
    assert opened == ["rtsp://me:geheim@10.0.0.7/1"]
    assert node.get_parameter("source").value == "rtsp://10.0.0.7/1"
