"""The same bits from the core, a bag, one node and four, however long the lifter waits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy", reason="needs ROS 2 (make test brings it)")
pytest.importorskip("posemo_msgs", reason="posemo_msgs is not built (make test does it)")

from rclpy.serialization import deserialize_message, serialize_message

from posemo_ros.inference.store import ModelStore
from posemo_ros.messages import (
    emotions_from_message,
    frame_from_message,
    people_from_message,
    skeletons_from_message,
)
from posemo_ros.nodes.base import PosemoNode
from posemo_ros.nodes.context import ContextNode
from posemo_ros.nodes.conversion import MAKE
from posemo_ros.nodes.emotion import EmotionNode
from posemo_ros.nodes.keypoints import KeypointsNode
from posemo_ros.nodes.lifter import LifterNode
from posemo_ros.nodes.parameters import PARAMETERS, parameters_of
from posemo_ros.nodes.pipeline import PipelineNode
from posemo_ros.pipeline import Pipeline
from posemo_ros.replay.bag import ResultBagWriter, read_results
from posemo_ros.settings import Models, Settings
from posemo_ros.types import EmotionStatus, Frame

from .. import codec
from .bench import SUCCESS, Bench
from .tiny_models import parameters, write_chain

pytestmark = pytest.mark.usefixtures("ros")

MS = 1_000_000
SETTINGS = {"detect_every": 3, "hfov_deg": 47.0}
Results = tuple[list[Any], ...]


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lifter that sees 27 images, and an emotion network that says how often it wants the scene."""
    pytest.importorskip("onnx", reason="onnx makes the networks of these tests")
    path = write_chain(tmp_path_factory.mktemp("models"), frames=27)
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    content["models"]["tiny-emotion"]["emotion"]["context_rate_hz"] = 4.0
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def frames() -> list[Frame]:
    """Somebody walks; an image comes late, two have one stamp, and half-way the recording starts again."""
    stamps = [n * 100 * MS for n in range(1, 31)]
    stamps[8], stamps[9] = stamps[9], stamps[8]
    stamps[12] = stamps[11]
    stamps += [stamp - 100 * MS for stamp in stamps[:20]]
    images = []
    for number, stamp in enumerate(stamps):
        image = np.zeros((120, 160, 3), np.uint8)
        image[40:100, 30 + 2 * (number % 30) : 55 + 2 * (number % 30)] = (40, 120, 250 - number)
        images.append(Frame(image, stamp, "eye" if number < 30 else "other_eye"))
    return images


def core(manifest: Path, delay: int, bag: Path) -> Results:
    """The chain without ROS, and what it wrote."""
    names = ("detector", "keypoints", "lifter", "emotion", "context")
    models = Models(**{n: f"tiny-{n}" for n in names}, runtime="onnxruntime", threads=1, delay_frames=delay)
    pipeline = Pipeline(models, Settings(**SETTINGS), ModelStore([manifest]))
    found: Results = ([], [], [])

    def keep(skeletons: Any, emotions: Any) -> None:
        found[1].append(skeletons)
        found[2].append(emotions)

    with ResultBagWriter(bag, pipeline.models) as writer:
        for frame in frames():
            result = pipeline.step(frame)
            for skeletons, emotions in result.owed:
                keep(skeletons, emotions)
                writer.write_late(frame.stamp_ns, skeletons, emotions)
            if result.late:
                continue
            found[0].append(result.people)
            if result.skeletons is not None:
                keep(result.skeletons, result.emotions)
            writer.write(frame, result)
        for skeletons, emotions in pipeline.flush():
            keep(skeletons, emotions)
            writer.write_late(frame.stamp_ns, skeletons, emotions)
    return found


class Wire:
    """In place of a publisher: hands messages on, as bytes."""

    def __init__(self, *to: Any) -> None:
        self.messages: list[Any] = []
        self._to = to

    def publish(self, message: Any) -> None:
        arrived = deserialize_message(serialize_message(message), type(message))
        self.messages.append(arrived)
        for take in self._to:
            take(arrived)


def add(bench: Bench, kind: type[PosemoNode], manifest: Path, **values: Any) -> tuple[Any, Any]:
    """A configured node and what it loaded, its parameters applied."""
    known = parameters_of(PARAMETERS[kind.kind])
    chosen = {k: v for k, v in {**SETTINGS, **values}.items() if k in known}
    node = bench.add(kind, **parameters(manifest, kind.kind), **chosen)
    assert node.trigger_configure() == SUCCESS
    node.apply(node._loaded, node.params)
    return node, node._loaded


def received(frame: Frame) -> Frame:
    return frame_from_message(MAKE.image(frame.image, frame.view()))


def read(people: Wire, skeletons: Wire, emotions: Wire) -> Results:
    return (
        [people_from_message(m) for m in people.messages],
        [skeletons_from_message(m) for m in skeletons.messages],
        [emotions_from_message(m) for m in emotions.messages],
    )


def one_node(bench: Bench, manifest: Path, delay: int) -> Results:
    node, loaded = add(bench, PipelineNode, manifest, delay_frames=delay)
    wires = Wire(), Wire(), Wire()
    loaded = replace(loaded, people=wires[0], skeletons=wires[1], emotions=wires[2])
    for frame in frames():
        node.process(loaded, received(frame))
    node._flush(loaded)
    return read(*wires)


def four_nodes(bench: Bench, manifest: Path, delay: int) -> Results:
    emotion, judge = add(bench, EmotionNode, manifest)
    lifter, lift = add(bench, LifterNode, manifest, delay_frames=delay)
    context, encode = add(bench, ContextNode, manifest)
    keypoints, find = add(bench, KeypointsNode, manifest)
    emotions = Wire()
    judge = replace(judge, emotions=emotions)
    skeletons = Wire(lambda message: emotion._estimate(judge, message))
    lift = replace(lift, skeletons=skeletons)
    people = Wire(lambda message: lifter._lift(lift, message))
    find = replace(find, people=people)
    encode = replace(encode, features=Wire(lambda message: emotion._take_context(judge, message)))
    for frame in frames():
        context.process(encode, received(frame))
        keypoints.process(find, received(frame))
    lifter._flush(lift)
    assert [_count(node, "late") for node in (keypoints, context, lifter, emotion)] == ["2", "2", "0", "0"]
    return read(people, skeletons, emotions)


def _count(node: PosemoNode, what: str) -> str:
    return str(node.monitor.snapshot().totals[what])


def assert_same(found: Results, expected: Results) -> None:
    for one, other in zip(found, expected, strict=True):
        assert [v.stamp_ns for v in one] == [v.stamp_ns for v in other]
        for a, b in zip(one, other, strict=True):
            assert (a.view.frame_id, type(a)) == (b.view.frame_id, type(b))
            if not hasattr(a, "probabilities"):
                assert a.view.camera_assumed == b.view.camera_assumed
            for field in fields(a):
                value = getattr(a, field.name)
                if not is_dataclass(value):
                    codec.assert_same(value, getattr(b, field.name), f"{type(a).__name__}.{field.name}")


@pytest.mark.parametrize("delay", [0, 3, 13])
def test_all_compositions_give_the_same_bits(bench: Bench, manifest: Path, tmp_path: Path, delay: int):
    expected = core(manifest, delay, tmp_path / "core.mcap")
    stamps = [f.stamp_ns for f in frames()]
    assert [p.stamp_ns for p in expected[0]] == stamps[:9] + stamps[10:39] + stamps[40:]
    assert [s.stamp_ns for s in expected[1]] == [p.stamp_ns for p in expected[0]]
    assert {s for e in expected[2] for s in e.status} >= {EmotionStatus.VALID, EmotionStatus.TOO_FEW_FRAMES}
    assert all(np.nanmin(e.context_ages_s, initial=0) >= 0 for e in expected[2])
    assert_same(one_node(bench, manifest, delay), expected)
    assert_same(four_nodes(bench, manifest, delay), expected)
    # A bag is read in the order of time, so the two rounds come together.
    recording = read_results(tmp_path / "core.mcap")
    written = tuple(in_time(getattr(recording, n).values()) for n in ("people", "skeletons", "emotions"))
    assert_same(written, tuple(map(in_time, expected)))


def in_time(values: Iterable[Any]) -> list[Any]:
    return sorted(values, key=lambda v: (v.stamp_ns, v.view.frame_id))
