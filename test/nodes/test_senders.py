"""Two who send on one topic are named: what each sends belongs to somebody else."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (make test brings it)")
pytest.importorskip("posemo_msgs", reason="posemo_msgs is not built (make test does it)")

from posemo_msgs.msg import Person2DArray
from sensor_msgs.msg import CameraInfo, Image

from posemo_ros.camera import Camera
from posemo_ros.nodes import senders as module
from posemo_ros.nodes.base import PosemoNode
from posemo_ros.nodes.conversion import MAKE
from posemo_ros.nodes.lifter import LifterNode
from posemo_ros.nodes.monitor import WARN
from posemo_ros.nodes.pipeline import PipelineNode
from posemo_ros.settings import Models
from posemo_ros.types import People2D, View

from .bench import Bench
from .test_watch import picture, says
from .tiny_models import parameters

pytestmark = pytest.mark.usefixtures("ros")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECK_S", 1.0)


def nobody() -> Person2DArray:
    view = View.through(Camera.from_fov(160, 120), time.time_ns(), "eye")
    return MAKE.people(People2D(view=view), Models())


def in_turn(
    node: PosemoNode, senders: Sequence[Any], make: Callable[[], Any], words: str
) -> Callable[[], bool]:
    """Lets the next of the senders send, and tells whether the node says the words."""
    number = 0

    def said() -> bool:
        nonlocal number
        number += 1
        senders[number % len(senders)].publish(make())
        return words in says(node)[1]

    return said


@pytest.mark.parametrize(
    ("station", "model", "kind", "topic", "make", "words"),
    [
        (PipelineNode, "pipeline", Image, "image_raw", picture, "images of several senders"),
        # Each image would get the intrinsics of whoever sent last.
        (PipelineNode, "pipeline", CameraInfo, "camera_info", CameraInfo, "CameraInfos of several senders"),
        # Both chains have a p1, and the lifter would make one person of the two.
        (LifterNode, "lifter", Person2DArray, "people", nobody, "/people: results of several senders"),
    ],
    ids=["images", "camera infos", "results"],
)
def test_two_are_named_until_one_leaves(
    bench: Bench,
    tiny_manifest: Path,
    station: type[PosemoNode],
    model: str,
    kind: type,
    topic: str,
    make: Callable[[], Any],
    words: str,
):
    node = bench.up(station, **parameters(tiny_manifest, model))
    senders = [bench.publisher(kind, topic) for _ in range(2)]
    said = in_turn(node, senders, make, f"{words} in turn")
    bench.until(said, "the complaint")
    assert says(node)[0] == WARN
    bench.world.destroy_publisher(senders.pop())
    bench.until(lambda: not said(), "the end of it")


def test_one_that_was_started_again_is_no_second_one(bench: Bench, tiny_manifest: Path):
    """It counts from the beginning."""
    node = bench.up(PipelineNode, **parameters(tiny_manifest, "pipeline"))
    senders = [bench.publisher(Image, "image_raw")]
    said = in_turn(node, senders, picture, "several senders")
    end = time.monotonic() + 2
    bench.until(lambda: said() or time.monotonic() > end, "images")
    bench.world.destroy_publisher(senders.pop())
    senders.append(bench.publisher(Image, "image_raw"))
    end = time.monotonic() + 3
    bench.until(lambda: said() or time.monotonic() > end, "time")
    assert "several senders" not in says(node)[1]
