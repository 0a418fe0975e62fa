"""A node is OK only when its input comes, in time and plausible, and results go out."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (make test brings it)")
pytest.importorskip("posemo_msgs", reason="posemo_msgs is not built (make test does it)")

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from posemo_msgs.msg import Person2DArray, Statistics
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from posemo_ros import diagnostics as keys
from posemo_ros.camera import Camera
from posemo_ros.errors import InputError
from posemo_ros.messages import stamp_of
from posemo_ros.nodes import base as base_module
from posemo_ros.nodes import station as station_module
from posemo_ros.nodes import watch as watch_module
from posemo_ros.nodes.base import AGAIN, PosemoNode
from posemo_ros.nodes.context import ContextNode
from posemo_ros.nodes.conversion import MAKE
from posemo_ros.nodes.emotion import EmotionNode
from posemo_ros.nodes.keypoints import KeypointsNode
from posemo_ros.nodes.lifter import LifterNode
from posemo_ros.nodes.markers import MarkersNode
from posemo_ros.nodes.monitor import ERROR, OK, WARN, Window
from posemo_ros.nodes.pipeline import PipelineNode
from posemo_ros.nodes.watch import TopicWatch
from posemo_ros.types import View

from .bench import SUCCESS, Bench
from .tiny_models import parameters

pytestmark = pytest.mark.usefixtures("ros")

STALL = {"stall_s": 0.5}


def picture(stamp_ns: int | None = None) -> Image:
    image = np.full((120, 160, 3), 90, np.uint8)
    image[::4] = 60
    image[40:100, 50:75] = (40, 120, 250)
    return MAKE.image(image, View(time.time_ns() if stamp_ns is None else stamp_ns, "eye"))


def says(node: PosemoNode) -> tuple[bytes, str]:
    snapshot = node.monitor.snapshot()
    return snapshot.level, snapshot.message


def is_well(node: PosemoNode) -> bool:
    return says(node) == (OK, "running")


@pytest.fixture
def camera(bench: Bench) -> Any:
    """Publishes a picture and its CameraInfo, ten times a second at most."""
    image = bench.world.create_publisher(Image, "image_raw", 1)
    info = bench.world.create_publisher(CameraInfo, "camera_info", 1)

    sent = 0.0

    def send(stamp_ns: int | None = None) -> bool:
        nonlocal sent
        if time.monotonic() - sent < 0.1:
            return False
        sent = time.monotonic()
        message = picture(stamp_ns)
        view = View.through(Camera.from_fov(160, 120, 60), stamp_of(message), "eye")
        info.publish(MAKE.camera_info(view))
        image.publish(message)
        return True

    send.publishers = (image, info)
    return send


@pytest.fixture
def chain(bench: Bench, tiny_manifest: Path, camera: Any) -> dict[str, PosemoNode]:
    """keypoints, lifter, emotion and markers, all well; beside them a context encoder."""
    bench.up(ContextNode, **parameters(tiny_manifest, "context"))
    made = {}
    for kind in (KeypointsNode, LifterNode, EmotionNode, MarkersNode):
        values = {} if kind is MarkersNode else parameters(tiny_manifest, kind.kind)
        made[kind.kind] = bench.up(kind, **{**values, **STALL})

    def well() -> bool:
        camera()
        return all(map(is_well, made.values()))

    # A node says how it is once a second; one that dies before its neighbours heard it is unknown to them.
    bench.until(lambda: well() and all(map(knows_its_neighbours, made.values())), "everybody to be well")
    return made


def knows_its_neighbours(node: PosemoNode) -> bool:
    """Whether every node that publishes what this one waits for has told it how it is."""
    watches = getattr(node._input, "_watches", {}).values()
    return all(w._upstream and all(u._heard for u in w._upstream.values()) for w in watches)


def test_a_station_that_dies_is_named_by_all_behind_it(
    bench: Bench, chain: dict[str, PosemoNode], camera: Any
):
    dead = chain.pop("keypoints")
    bench.executor.remove_node(dead)  # as after kill -9: publishers are still known, nothing comes

    def noticed() -> bool:
        camera()
        return all(says(node)[0] == ERROR for node in chain.values())

    bench.until(noticed, "errors")
    bench.until(lambda: "/keypoints does not answer any more" in says(chain["lifter"])[1], "the reason")
    bench.until(lambda: "/lifter says: no message on /people" in says(chain["emotion"])[1], "the reason")
    bench.executor.add_node(dead)

    def well() -> bool:
        camera()
        return all(map(is_well, chain.values()))

    bench.until(well, "everybody to be well again")


def test_a_source_that_has_ended_is_no_error(
    bench: Bench, chain: dict[str, PosemoNode], camera: Any, monkeypatch: pytest.MonkeyPatch
):
    # A machine that is slow to tell of the end is no error either.
    monkeypatch.setattr(watch_module, "ALIVE_S", 100.0)
    monkeypatch.setattr(watch_module, "NOTICE_S", 100.0)
    for node in chain.values():
        assert node.set_parameters([Parameter("stall_s", value=3.0)])[0].successful
    for publisher in camera.publishers:
        bench.world.destroy_publisher(publisher)
    errors: set[tuple[str, str]] = set()

    def ended() -> bool:
        errors.update((name, says(node)[1]) for name, node in chain.items() if says(node)[0] == ERROR)
        return all("/image_raw has ended: its publisher has left" in says(n)[1] for n in chain.values())

    bench.until(ended, "the end")
    assert not errors


def test_a_slow_topic_is_not_silent(bench: Bench):
    now = 100.0
    node = bench.up(MarkersNode)
    watch = TopicWatch(node, Person2DArray, "other", clock=lambda: now)
    bench.world.create_publisher(Person2DArray, "other", 1)
    bench.until(lambda: node.count_publishers("/other"), "the publisher")
    key = "silent /other"

    def level() -> bytes | None:
        watch.check(1.5)
        return node.monitor._problems.get(key, (None,))[0]

    assert level() == WARN
    now += 2
    assert level() == ERROR
    watch.came()
    now += 5
    assert level() == ERROR
    watch.came()
    for _ in range(3):
        now += 4.9
        assert level() is None
    now += 0.5
    assert level() == ERROR


def test_states_say_what_is_waited_for(bench: Bench):
    heard: list[DiagnosticArray] = []
    bench.world.create_subscription(DiagnosticArray, "/diagnostics", heard.append, 50)
    node = bench.add(MarkersNode)
    bench.until(lambda: any("not configured" in m.status[0].message for m in heard), "unconfigured")
    node.trigger_configure()
    bench.until(lambda: any("not active" in m.status[0].message for m in heard), "inactive")
    assert {m.status[0].level for m in heard} == {WARN}
    assert heard[-1].status[0].name == "/markers"


def test_statistics_plot(bench: Bench, tiny_manifest: Path, camera: Any):
    bench.up(PipelineNode, **parameters(tiny_manifest, "pipeline"))
    heard: list[Statistics] = []
    bench.world.create_subscription(Statistics, "/pipeline/statistics", heard.append, 50)

    def busy() -> bool:
        camera()
        return any(m.published_hz > 0 and m.level == Statistics.OK for m in heard)

    try:
        bench.until(busy, "numbers")
    finally:
        print(heard[-3:])
    message = next(m for m in heard if m.published_hz > 0 and m.level == Statistics.OK)
    assert message.state == "active"
    assert message.people == 1
    assert message.detector_ms > 0
    assert 0 < message.latency_median_ms <= message.latency_p99_ms
    assert message.memory_mib > 10


def test_a_change_of_the_level_is_published_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    heard: list[bytes] = []
    bench.world.create_subscription(
        DiagnosticArray, "/diagnostics", lambda m: heard.append(m.status[0].level), 50
    )
    node = bench.add(MarkersNode)
    node.trigger_configure()
    bench.until(lambda: len(heard) > 2, "diagnostics")
    monkeypatch.setattr(base_module, "PUBLISH_S", 1e9)  # nothing is due any more
    node.monitor.problem("test", "at once", ERROR)
    bench.until(lambda: heard[-1] == ERROR, "the error")


@pytest.mark.parametrize(
    ("age_s", "text"),
    [
        (0.0, None),
        (-50.0, r"stamps are \d+\.\d s ahead of this node's clock"),
        (3.0, r"late: results come \d+\.\d s after"),
        (95_612_166.0, "stamps are 1107 days behind this node's clock: play a bag with --clock"),
        (-95_612_166.0, "stamps are 1107 days ahead of"),
    ],
)
def test_ages_that_cannot_be_right_are_not_well(
    bench: Bench,
    tiny_manifest: Path,
    camera: Any,
    age_s: float,
    text: str | None,
    capfd: pytest.CaptureFixture[str],
):
    node = bench.up(PipelineNode, **parameters(tiny_manifest, "pipeline"))

    def found() -> bool:
        camera(time.time_ns() - round(age_s * 1e9))
        level, message = says(node)
        return (level == WARN and re.search(text, message)) if text else level == OK

    bench.until(found, "the verdict")
    logged: list[str] = []

    def said() -> bool:
        logged.append(capfd.readouterr().err)
        return re.search(text or "waiting for images", "".join(logged)) is not None

    bench.until(said, "the line of log")
    assert bool(re.search("stamps are|late:", "".join(logged))) == bool(text)
    if abs(age_s) > 3600:
        assert np.isnan(node.monitor.snapshot().latency_ms).all()


def test_a_clock_that_jumps_back_under_one_image_is_no_wrong_clock(bench: Bench, tiny_manifest: Path):
    node = bench.up(PipelineNode, **parameters(tiny_manifest, "pipeline"))
    for age_ms, wrong in (
        (20, False),
        (-5000, False),
        (20, False),
        (-5000, False),
        (-5000, True),
        (20, False),
    ):
        node.measure(time.time_ns() - age_ms * 1_000_000, {})
        assert ("ahead of this node's clock" in says(node)[1]) == wrong


def test_no_clock_is_said_and_its_coming_ends_it(bench: Bench):
    node = bench.up(MarkersNode, use_sim_time=True)
    bench.until(lambda: "nothing comes on /clock" in says(node)[1], "the complaint")
    assert says(node)[0] == ERROR
    node.set_parameters([Parameter("use_sim_time", value=False)])
    bench.until(lambda: "/clock" not in says(node)[1], "the end of the problem")


def test_a_station_that_is_too_slow_says_what_takes_the_time(
    bench: Bench, tiny_manifest: Path, capfd: pytest.CaptureFixture[str]
):
    node = bench.up(PipelineNode, **parameters(tiny_manifest, "pipeline"))
    work = {"detector": 5.0, "keypoints": 61.0}
    words = "18 of 30 messages in the last second were left out (keypoints 61 ms, detector 5 ms)"
    for _ in range(3):
        node.judge(Window(1.0, 30.0, 12.0, {keys.BUSY: 18}, work))
    assert words in says(node)[1]
    assert capfd.readouterr().err.count(words) == 1
    node.judge(Window(1.0, 30.0, 29.0, {keys.BUSY: 1}, work))
    assert "left out" not in says(node)[1]


def test_stamps_that_step_back_are_not_well(bench: Bench, tiny_manifest: Path, camera: Any):
    node = bench.up(PipelineNode, **parameters(tiny_manifest, "pipeline"))
    start, number = time.time_ns(), 0

    def said() -> bool:
        nonlocal number
        number += camera(start + (number ^ 1) * 100_000_000)  # 1, 0, 3, 2, ...
        return "late messages in the last second" in says(node)[1]

    bench.until(said, "the complaint")
    assert says(node)[0] == WARN


def test_failures_are_logged_now_and_then(bench: Bench, capfd: pytest.CaptureFixture[str]):
    node = bench.add(MarkersNode)
    for number in range(300):
        node.report_failure(InputError(f"no end of image {number}"))
    said = capfd.readouterr().err
    assert said.count("no end of image") == 1
    node._logged["work"] = (time.monotonic() - 60, node._logged["work"][1])
    node.report_failure(InputError("no end of image 300"))
    assert "no end of image 300 (and 299 more" in capfd.readouterr().err
    assert node.monitor.snapshot().totals[keys.FAILED] == 301


def test_work_that_hangs_is_left_behind_and_the_node_works_again(
    bench: Bench, tiny_manifest: Path, camera: Any, monkeypatch: pytest.MonkeyPatch, capfd: Any
):
    node = bench.up(PipelineNode, **parameters(tiny_manifest, "pipeline"), hang_s=2.0)
    people = bench.heard(Person2DArray, "people")
    bench.until(lambda: bench.world.count_subscribers("/image_raw"), "the subscriber")
    process, hung, go = node.process, [], threading.Event()

    def hangs_once(loaded: Any, frame: Any) -> None:
        if not hung:
            hung.append(frame.stamp_ns)
            go.wait(300)
            loaded.people.publish(Person2DArray())  # to a publisher that is gone
        process(loaded, frame)

    monkeypatch.setattr(node, "process", hangs_once)

    def works() -> bool:
        camera()
        return bool(people)

    bench.until(works, "results after the restart")
    go.set()
    stamp = f"{hung[0] // 10**9}.{hung[0] % 10**9:09}"
    assert f"no end of the work on the message with stamp {stamp} (frame 'eye')" in capfd.readouterr().err
    assert node.exit_code is None
    bench.until(lambda: works() and is_well(node), "the node to be well")
    assert all(m.header.frame_id == "eye" for m in people)


def test_work_that_always_hangs_ends_the_process(
    bench: Bench, tiny_manifest: Path, camera: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(station_module, "RESTARTS", 1)
    node = bench.up(PipelineNode, **parameters(tiny_manifest, "pipeline"), hang_s=0.5)
    go = threading.Event()
    monkeypatch.setattr(node, "process", lambda *_: go.wait(300))

    def given_up() -> bool:
        camera()
        return node.exit_code == AGAIN

    bench.until(given_up, "the end")
    go.set()
    assert "giving up" in says(node)[1]


@pytest.mark.parametrize(
    ("image", "text"),
    [
        (np.zeros((120, 160, 3), np.uint8), "the picture is dark (99 % of it at most 0 of 255)"),
        (np.full((120, 160, 3), 128, np.uint8), "all alike"),
    ],
    ids=["dark", "covered"],
)
def test_a_picture_that_shows_nothing_is_said(
    bench: Bench, tiny_manifest: Path, image: np.ndarray, text: str
):
    node = bench.up(PipelineNode, **parameters(tiny_manifest, "pipeline"))
    send = bench.publisher(Image, "image_raw")

    def said() -> bool:
        send.publish(MAKE.image(image, View(time.time_ns(), "eye")))
        return text in says(node)[1]

    bench.until(said, "the complaint")
    assert says(node)[0] == WARN


def test_fewer_images_than_infos_is_loss(bench: Bench, tiny_manifest: Path, monkeypatch: pytest.MonkeyPatch):
    from posemo_ros.nodes import image_input

    monkeypatch.setattr(image_input, "CHECK_LOSS_S", 2.0)  # ten and more come in it on any machine
    node = bench.up(PipelineNode, **parameters(tiny_manifest, "pipeline"))
    info, send = bench.publisher(CameraInfo, "camera_info"), bench.publisher(Image, "image_raw")
    number = 0

    def said() -> bool:
        nonlocal number
        number += 1
        info.publish(MAKE.camera_info(View.through(Camera.from_fov(8000, 6000, 60), time.time_ns(), "eye")))
        if number % 3 == 0:
            send.publish(picture())
        return "images get lost on the way" in says(node)[1]

    bench.until(said, "the complaint")
    text = says(node)[1]
    assert "a raw image of 8000 x 6000 pixels has 137 MiB, the Fast DDS profile lets 16 through" in text


def test_a_transition_that_is_refused_keeps_the_node_as_it_is(bench: Bench):
    node = bench.up(MarkersNode)
    assert node.trigger_deactivate() == SUCCESS == TransitionCallbackReturn.SUCCESS
    assert node.state == "inactive"


@pytest.fixture
def stranger(ros: None, domain: int) -> Iterator[Node]:
    """A node of another process, as it were: one and the same cannot have two types of one topic."""
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    node = Node("stranger", context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        (CompressedImage, "set image_transport to compressed"),
        (CameraInfo, "name the right topic"),
    ],
)
def test_another_type_under_the_name_of_the_image_is_named(
    bench: Bench, tiny_manifest: Path, stranger: Node, kind: type, advice: str
):
    stranger.create_publisher(kind, "/image_raw", 1)
    node = bench.up(PipelineNode, **parameters(tiny_manifest, "pipeline"), **STALL)
    bench.until(lambda: "publishers seen: /stranger" in says(node)[1], "the complaint")
    level, text = says(node)
    assert level == ERROR
    assert f"publishers seen: /stranger (sensor_msgs/msg/{kind.__name__}, " in text
    assert f"this node takes sensor_msgs/msg/Image under this name: {advice}" in text
