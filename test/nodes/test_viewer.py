"""The node ``viewer``: results of other nodes come together on the page."""

from __future__ import annotations

import asyncio
import json
import struct
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (make test brings it)")
pytest.importorskip("posemo_msgs", reason="posemo_msgs is not built (make test does it)")
pytest.importorskip("aiohttp", reason="aiohttp is not installed (extra live)")

import aiohttp
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from posemo_msgs.msg import EmotionArray, Person2DArray, Skeleton3DArray
from sensor_msgs.msg import Image

from posemo_ros.nodes.conversion import MAKE
from posemo_ros.nodes.viewer import ViewerNode
from posemo_ros.settings import Models

from ..replay.test_report import image, result
from .bench import FAILURE, Bench

pytestmark = pytest.mark.usefixtures("ros")


class Watcher:
    """A browser in a thread of its own: takes what comes."""

    def __init__(self, url: str) -> None:
        self.welcome: dict[str, Any] = {}
        self.seen: list[tuple[dict[str, Any], bytes]] = []
        self._thread = threading.Thread(target=lambda: asyncio.run(self._look(url)), daemon=True)
        self._thread.start()

    async def _look(self, url: str) -> None:
        async with aiohttp.ClientSession() as session, session.ws_connect(url + "live") as ws:
            self.welcome = (await ws.receive()).json()
            async for message in ws:
                length = struct.unpack_from("<I", message.data)[0]
                self.seen.append((json.loads(message.data[4 : 4 + length]), message.data[4 + length :]))
                await ws.send_str("drawn")


def url(node: ViewerNode) -> str:
    return node._loaded._server.url


@pytest.mark.parametrize("privacy", ["none", "skeleton"])
def test_results_of_one_image_come_together(bench: Bench, privacy: str):
    node = bench.up(ViewerNode, port=0, privacy=privacy)
    look = Watcher(url(node))
    bench.until(lambda: node._loaded.viewers, "the viewer")
    to = {
        "people": bench.publisher(Person2DArray, "people"),
        "skeletons": bench.publisher(Skeleton3DArray, "skeletons"),
        "emotions": bench.publisher(EmotionArray, "emotions"),
    }
    said = bench.publisher(DiagnosticArray, "/diagnostics")
    status = DiagnosticStatus(name="/pipeline", level=DiagnosticStatus.WARN, message="the picture is dark")
    status.values += [KeyValue(key="dropped", value="4"), KeyValue(key="state", value="active")]
    driver = DiagnosticStatus(name="/driver", values=[KeyValue(key="dropped", value="1.5 % of 30 Hz")])
    if privacy == "none":
        to_images = bench.publisher(Image, "image_raw")
    else:
        bench.until(lambda: bench.world.count_publishers("/people"), "the graph")
        assert not bench.world.count_subscribers("/image_raw")
    numbers = iter(range(1000))

    def whole() -> bool:
        found = result(next(numbers) % 12)
        said.publish(DiagnosticArray(status=[driver, status]))
        if privacy == "none":
            to_images.publish(MAKE.image(np.full((120, 160, 3), 90, np.uint8), found.people.view))
        to["emotions"].publish(MAKE.emotions(found.emotions, Models()))
        to["people"].publish(MAKE.people(found.people, Models()))
        to["skeletons"].publish(MAKE.skeletons(found.skeletons, Models()))
        return any(f.get("people") and "p" in f["people"][0] and f["warnings"] for f, _ in look.seen)

    bench.until(whole, "an image with all results")
    facts, jpeg = next(s for s in look.seen if s[0].get("people") and s[0]["warnings"])
    assert facts["people"][0]["id"] == "p1"
    assert len(facts["people"][0]["joints"]) == 51
    assert facts["warnings"] == ["/pipeline: the picture is dark"]
    assert facts["dropped"] == 4
    assert jpeg[:2] == b"\xff\xd8"
    assert look.welcome["privacy"] == privacy
    assert image(0).width == 160


def test_results_go_into_a_file_for_rerun(bench: Bench, tmp_path: Path):
    pytest.importorskip("rerun", reason="rerun-sdk is not installed (extra rerun)")
    from rerun.chunk import RrdReader

    file = tmp_path / "clip.rrd"
    node = bench.up(ViewerNode, viewer="rerun", save=str(file))
    to = {
        "people": bench.publisher(Person2DArray, "people"),
        "skeletons": bench.publisher(Skeleton3DArray, "skeletons"),
        "emotions": bench.publisher(EmotionArray, "emotions"),
        "image_raw": bench.publisher(Image, "image_raw"),
    }
    said = bench.publisher(DiagnosticArray, "/diagnostics")
    status = DiagnosticStatus(name="/pipeline", level=DiagnosticStatus.OK)
    status.values += [KeyValue(key="lifter [ms]", value="2.5"), KeyValue(key="state", value="active")]
    found = result(7)

    def whole() -> bool:
        said.publish(DiagnosticArray(status=[status]))
        to["image_raw"].publish(MAKE.image(np.full((120, 160, 3), 90, np.uint8), found.people.view))
        to["emotions"].publish(MAKE.emotions(found.emotions, Models()))
        to["people"].publish(MAKE.people(found.people, Models()))
        to["skeletons"].publish(MAKE.skeletons(found.skeletons, Models()))
        return node.monitor.snapshot().totals["published"] > 2

    bench.until(whole, "an image with all results")
    node.trigger_deactivate()
    node.trigger_cleanup()
    rows = {chunk.entity_path: chunk.to_record_batch() for chunk in RrdReader(file).stream()}
    joints = rows["/camera/people/p1/joints"]
    assert joints.column("stamp")[0].value == found.stamp_ns
    np.testing.assert_allclose(
        joints.column("Points3D:positions")[0].as_py(), found.skeletons.joints[0], atol=1e-6
    )
    assert rows["/latency/lifter"].column("Scalars:scalars")[0].as_py() == [2.5]
    assert "/camera/image/people/p1/keypoints" in rows


def test_a_file_without_its_viewer_fails_the_transition(bench: Bench):
    node = bench.add(ViewerNode, port=0, save="clip.rrd")
    assert node.trigger_configure() == FAILURE
    assert "set viewer to rerun" in node.monitor.snapshot().message


def test_a_port_that_is_taken_fails_the_transition(bench: Bench):
    node = bench.up(ViewerNode, port=0)
    port = int(url(node).rstrip("/").rpartition(":")[2])
    other = bench.add(ViewerNode, port=port)
    assert other.trigger_configure() == FAILURE
    assert "cannot listen on 127.0.0.1" in other.monitor.snapshot().message
