"""The base of all nodes: transitions that fail leave nothing behind, and every request is answered."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (make test brings it)")
pytest.importorskip("posemo_msgs", reason="posemo_msgs is not built (make test does it)")

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from posemo_msgs.msg import Person2DArray
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from posemo_ros.errors import InputError
from posemo_ros.nodes.base import PosemoNode
from posemo_ros.nodes.camera import CameraNode
from posemo_ros.nodes.context import ContextNode
from posemo_ros.nodes.emotion import EmotionNode
from posemo_ros.nodes.keypoints import KeypointsNode
from posemo_ros.nodes.lifter import LifterNode
from posemo_ros.nodes.markers import MarkersNode
from posemo_ros.nodes.monitor import OK
from posemo_ros.nodes.pipeline import PipelineNode

from .bench import SUCCESS, Bench
from .tiny_models import parameters

pytestmark = pytest.mark.usefixtures("ros")

STATIONS = [PipelineNode, KeypointsNode, LifterNode, ContextNode, EmotionNode, MarkersNode]


def values_of(station: type[PosemoNode], manifest: Path) -> dict[str, object]:
    return {} if station is MarkersNode else parameters(manifest, station.kind)


def workers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "posemo worker"]


@pytest.mark.parametrize("station", STATIONS, ids=lambda s: s.kind)
@pytest.mark.parametrize("error", [InputError("no more"), RuntimeError("no more")], ids=["known", "unknown"])
def test_an_activation_that_fails_half_way_leaves_nothing_behind(
    bench: Bench,
    tiny_manifest: Path,
    monkeypatch: pytest.MonkeyPatch,
    station: type[PosemoNode],
    error: Exception,
):
    node = bench.add(station, **values_of(station, tiny_manifest))
    assert node.trigger_configure() == SUCCESS
    publishers = list(node._publishers_made)
    standing, threads = list(node.subscriptions), workers()
    subscribe, last = node.subscribe, {"lifter": 1, "emotion": 2, "markers": 3}.get(node.kind, 2)
    calls = 0

    def failing(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == last:
            raise error
        return subscribe(*args)

    monkeypatch.setattr(node, "subscribe", failing)
    assert node.trigger_activate() != SUCCESS
    assert calls == last
    assert list(node.subscriptions) == standing
    assert workers() == threads
    assert not any(p.is_activated for p in publishers)
    assert "no more" in node.monitor.snapshot().message
    monkeypatch.undo()
    if node.state == "unconfigured":
        assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == SUCCESS


def ask(bench: Bench, node: PosemoNode, **transition: object) -> bool:
    client = bench.world.create_client(ChangeState, f"/{node.get_name()}/change_state")
    bench.until(client.service_is_ready, "the service")
    answer = client.call_async(ChangeState.Request(transition=Transition(**transition)))
    bench.until(answer.done, "an answer")
    return bool(answer.result().success)


def test_every_request_to_change_the_state_is_answered(bench: Bench, capfd: pytest.CaptureFixture[str]):
    node = bench.add(MarkersNode)
    for wrong in (
        {"id": Transition.TRANSITION_ACTIVATE},
        {"id": Transition.TRANSITION_DEACTIVATE},
        {"id": 99},
        {"label": "activate"},
        {"label": "dance"},
        {"id": Transition.TRANSITION_CONFIGURE, "label": "dance"},
    ):
        assert not ask(bench, node, **wrong)
        assert node.state == "unconfigured"
    assert ask(bench, node, id=Transition.TRANSITION_CONFIGURE)
    assert not ask(bench, node, id=Transition.TRANSITION_CONFIGURE)
    assert ask(bench, node, label="activate")
    assert node.state == "active"
    said = "".join(capfd.readouterr())
    assert "transition dance is refused: the node is unconfigured, which allows configure (1)" in said
    assert "Traceback" not in said


def test_deactivation_does_not_wait_for_long_work_and_reactivation_does(
    bench: Bench, tiny_manifest: Path, monkeypatch: pytest.MonkeyPatch
):
    from .test_stations import image

    node = bench.up(PipelineNode, **parameters(tiny_manifest, "pipeline"))
    people = bench.heard(Person2DArray, "people")
    send = bench.publisher(Image, "image_raw")
    started, go = threading.Event(), threading.Event()
    process = node.process

    def slow(loaded: Any, frame: Any) -> None:
        started.set()
        assert go.wait(180)
        process(loaded, frame)

    monkeypatch.setattr(node, "process", slow)
    send.publish(image())
    bench.until(started.is_set, "work")
    assert node.trigger_deactivate() == SUCCESS
    assert node.trigger_activate() != SUCCESS
    assert node.state == "inactive"
    assert "has not ended yet" in node.monitor.snapshot().message
    go.set()
    assert node.trigger_activate() == SUCCESS
    for _ in range(5):
        bench.executor.spin_once(timeout_sec=0.05)
    assert not people


def test_an_integer_for_a_double_is_taken_at_the_start_and_at_run_time(bench: Bench, tiny_manifest: Path):
    node = bench.add(PipelineNode, **parameters(tiny_manifest, "pipeline"), stall_s=3)
    assert node.params.stall_s == 3.0
    assert node.set_parameters([Parameter("stall_s", value=4)])[0].successful
    assert node.params.stall_s == 4.0
    assert node.get_parameter("stall_s").value == 4.0
    refused = node.set_parameters([Parameter("stall_s", value="soon")])[0]
    assert not refused.successful
    assert "DOUBLE" in refused.reason


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"detect_evry": 3}, "there is no parameter detect_evry; did you mean detect_every?"),
        (
            {"detect_every": "often"},
            "detect_every is 'often', a string; it must be an integer",
        ),
        ({"stall_s": 0}, "stall_s is 0.0; it must be a double from 0.5 to 3600"),
    ],
)
def test_wrong_parameters_are_refused_with_the_nearest_right(
    bench: Bench, values: dict[str, object], message: str
):
    with pytest.raises(InputError) as caught:
        bench.add(PipelineNode, **values)
    assert message in str(caught.value)


def test_an_unexpected_error_in_a_transition_leads_back_to_the_beginning(bench: Bench):
    class Faulty(CameraNode):
        def load(self) -> Any:
            raise RuntimeError("out of cheese")

    node = bench.add(Faulty)
    assert node.trigger_configure() == TransitionCallbackReturn.ERROR
    assert node.state == "unconfigured"


@pytest.mark.parametrize(
    ("station", "name"), [(LifterNode, "lifter"), (ContextNode, "context"), (EmotionNode, "emotion")]
)
def test_a_station_without_a_network_is_switched_off_and_well(
    bench: Bench, tiny_manifest: Path, station: type[PosemoNode], name: str
):
    node = bench.up(station, **{**parameters(tiny_manifest, station.kind), name: ""})
    bench.until(lambda: node.monitor.snapshot().level == OK, "the level")
    assert node.monitor.snapshot().message == f"switched off: parameter {name} is empty"
    assert list(node.subscriptions) == []
