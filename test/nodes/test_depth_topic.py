"""``depth_topic``: used when it fits the picture in time and size, and otherwise said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (make test brings it)")
pytest.importorskip("posemo_msgs", reason="posemo_msgs is not built (make test does it)")

from posemo_msgs.msg import Person2DArray, Skeleton3DArray
from sensor_msgs.msg import CompressedImage, Image

from posemo_ros.inference.store import ModelStore
from posemo_ros.lift.lifter import Lifter
from posemo_ros.messages import people_from_message, skeletons_from_message, stamp_of
from posemo_ros.nodes.conversion import MAKE
from posemo_ros.nodes.lifter import LifterNode
from posemo_ros.nodes.monitor import WARN
from posemo_ros.pipeline import build_lifter
from posemo_ros.replay.bag_depth import BagDepth
from posemo_ros.settings import Models
from posemo_ros.types import People2D

from ..depth_codec import compressed
from ..lift.test_depth import ROOT, VIEW, body, keypoints
from ..replay.makers import raw_image, write_bag
from .bench import Bench
from .tiny_models import parameters

pytestmark = pytest.mark.usefixtures("ros")
SECOND = 1_000_000_000


def people(stamp_ns: int) -> Person2DArray:
    points = keypoints(ROOT + body())
    low, high = points[0, 5:, :2].min(axis=0), points[0, 5:, :2].max(axis=0)
    box = np.array([[*low, *high]], np.float32)
    view = replace(VIEW, stamp_ns=stamp_ns, frame_id="eye")
    return MAKE.people(People2D(("p1",), box, np.ones(1, np.float32), points, view=view), Models())


def depth(
    stamp_ns: int,
    metres: float,
    size: tuple[int, int] = (480, 640),
    encoding: str = "16UC1",
    frame_id: str = "",
) -> Image:
    kind = np.uint16 if encoding == "16UC1" else np.float32
    values = np.full(size, metres * (1000 if encoding == "16UC1" else 1), kind)
    message = Image(height=size[0], width=size[1], encoding=encoding, step=size[1] * values.itemsize)
    message.header.stamp = MAKE.header(replace(VIEW, stamp_ns=stamp_ns)).stamp
    message.header.frame_id = frame_id
    message.data = values.tobytes()
    return message


@pytest.fixture(autouse=True)
def known_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that always sees the same body."""

    def infer(self: Lifter, points: np.ndarray, scores: np.ndarray) -> np.ndarray:
        return np.tile(body(), (len(points), 1, 1)).astype(np.float32)

    monkeypatch.setattr(Lifter, "_infer", infer)


def as_compressed(image: Image) -> CompressedImage:
    kind = np.uint16 if image.encoding == "16UC1" else np.float32
    values = np.frombuffer(image.data, kind).reshape(image.height, image.width)
    return CompressedImage(
        header=image.header, format=f"{image.encoding}; compressedDepth png", data=compressed(values)
    )


class Lifted:
    """A lifter with a depth camera."""

    def __init__(self, bench: Bench, tiny_manifest: object, topic: str = "depth") -> None:
        self.bench = bench
        values = {**parameters(tiny_manifest, "lifter"), "depth_topic": topic, "smoothing_hz": 0.0}
        self.node = bench.up(LifterNode, **values)
        self.heard = bench.heard(Skeleton3DArray, "skeletons")
        kind = Image if topic == "depth" else CompressedImage
        self._people, self.publisher = bench.publisher(Person2DArray, "people"), bench.publisher(kind, topic)

    def __call__(self, number: int, image: Image | CompressedImage | None) -> Skeleton3DArray:
        if image is not None:
            self.publisher.publish(image)
            self.bench.until(lambda: self._came(image), "the depth image")
        count = len(self.heard)
        self._people.publish(people(number * SECOND // 10))
        self.bench.until(lambda: len(self.heard) > count, "skeletons")
        return self.heard[-1]

    def _came(self, image: Image | CompressedImage) -> bool:
        source = self.node._loaded.lifter.depth
        stamp = image.header.stamp
        return stamp.sec * SECOND + stamp.nanosec in source.images

    @property
    def said(self) -> str:
        return self.node.monitor.snapshot().message


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_people_stand_where_the_depth_says(bench: Bench, tiny_manifest: object, encoding: str) -> None:
    lifted = Lifted(bench, tiny_manifest)
    plain = lifted(1, None).skeletons[0]
    assert not plain.measured
    wanted = 0.9 * plain.root.z
    near = lifted(2, depth(2 * SECOND // 10, wanted - 0.1, encoding=encoding)).skeletons[0]
    assert near.measured
    assert near.root.z == pytest.approx(wanted, rel=0.1)
    assert near.root.z < 0.97 * plain.root.z
    assert near.root.x / near.root.z == pytest.approx(plain.root.x / plain.root.z, rel=0.02)
    assert lifted.node.monitor.snapshot().values["depth"] == "1 of 1 people placed by depth"
    assert "distances are from the image alone" not in lifted.said


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_compressed_depth_gives_what_raw_gives(bench: Bench, tiny_manifest: object, encoding: str) -> None:
    lifted = Lifted(bench, tiny_manifest)
    metres = 0.9 * lifted(1, None).skeletons[0].root.z
    wanted = lifted(2, depth(2 * SECOND // 10, metres, encoding=encoding)).skeletons[0]
    lifted.node.trigger_deactivate()
    packed = Lifted(bench, tiny_manifest, "depth/compressedDepth")
    assert not packed(1, None).skeletons[0].measured
    image = depth(2 * SECOND // 10, metres, encoding=encoding)
    found = packed(2, as_compressed(image)).skeletons[0]
    assert found.measured
    tolerance = 1e-6 if encoding == "16UC1" else 1e-3  # a step of the quantisation: 0.6 mm at 2.5 m
    assert found.root.z == pytest.approx(wanted.root.z, rel=tolerance)
    assert [p.z for p in found.relative] == pytest.approx([p.z for p in wanted.relative], rel=tolerance)


def test_a_topic_that_comes_in_another_form_is_named(bench: Bench, tiny_manifest: object) -> None:
    topic = "/cam/depth/compressedDepth"
    lifted = Lifted(bench, tiny_manifest, topic)
    lifted(1, None)
    seen = "(nothing has come); publishers seen: /world (sensor_msgs/msg/CompressedImage, reliable, volatile)"
    bench.until(lambda: seen in lifted.said, "the publisher")
    bench.world.destroy_publisher(lifted.publisher)
    raw = bench.world.create_publisher(Image, "cam/depth", 1)
    bench.until(lambda: lifted.node.count_publishers(raw.topic_name), "the raw topic")
    bench.until(lambda: not lifted.node.count_publishers(topic), "the end of the other")
    lifted(2, None)
    bench.until(lambda: "nobody publishes it, but /cam/depth;" in lifted.said, "the reason")


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (None, "no depth within 20 ms of the image (nothing has come)"),
        (depth(7 * SECOND, 2.0), "no depth within 20 ms of the image (the nearest is"),
        (depth(SECOND // 10, 2.0, (360, 640)), "not the same view"),
        (depth(SECOND // 10, 2.0, frame_id="depth_eye"), "of the frame 'depth_eye', the picture of 'eye'"),
        (depth(SECOND // 10, 2.0, (240, 320), "64FC1"), "'64FC1' are not used"),
        (depth(SECOND // 10, 40.0), "times as large as people are"),
        (depth(SECOND // 10, 0.0), "too little depth is known"),
    ],
)
def test_what_cannot_be_used_is_said_and_the_rest_goes_on(
    bench: Bench, tiny_manifest: object, image: Image | None, words: str
) -> None:
    lifted = Lifted(bench, tiny_manifest)
    skeleton = lifted(1, image).skeletons[0]
    assert not skeleton.measured
    assert np.isfinite(skeleton.root.z)
    bench.until(lambda: words in lifted.said, "the reason")
    assert "distances are from the image alone" in lifted.said
    assert lifted.node.monitor.snapshot().level >= WARN


def test_a_bag_gives_what_the_node_gave(bench: Bench, tiny_manifest: Path, tmp_path: Path) -> None:
    """The same people and depth images, some missing or of another view: over topics and out of a bag."""
    lifted = Lifted(bench, tiny_manifest)
    away = lifted(1, None).skeletons[0].root.z
    images = {n: depth(n * SECOND // 10, away * (0.8 + n / 40)) for n in range(2, 14) if n % 4}
    images[5] = depth(5 * SECOND // 10, away, (360, 640))
    over_topics = [skeletons_from_message(lifted(n, images.get(n))) for n in range(2, 14)]

    recorded = [("/depth", stamp_of(i), as_recorded(i)) for i in images.values()]
    source = BagDepth(write_bag(tmp_path / "bag", recorded), "/depth")
    models = Models(lifter="tiny-lifter", smoothing_hz=0.0, threads=1)
    lifter = build_lifter(models, ModelStore([tiny_manifest]))
    assert lifter is not None
    lifter.depth = source
    from_bag = [lifter.lift(people_from_message(people(n * SECOND // 10))) for n in range(1, 14)][1:]
    for found, wanted in zip(from_bag, over_topics, strict=True):
        assert found is not None
        np.testing.assert_array_equal(found.measured, wanted.measured)
        np.testing.assert_array_equal(found.roots, wanted.roots)
        np.testing.assert_array_equal(found.relative, wanted.relative)
    assert sum(bool(w.measured[0]) for w in over_topics) == len(images) - 1
    said = " ".join(source.notes())
    assert f"/depth placed {len(images) - 1} of {len(images) - 1} skeletons" in said
    assert "4 pictures without depth" in said  # the first, and every fourth
    assert "not the same view" in said


def as_recorded(image: Image) -> object:
    values = np.frombuffer(image.data, np.uint16).reshape(image.height, image.width)
    return raw_image(stamp_of(image), values, image.encoding, "eye")
