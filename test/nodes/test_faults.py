"""Faults while a node runs: each is said and counted, and the next good message works."""

from __future__ import annotations

import array
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy", reason="needs ROS 2 (make test brings it)")
pytest.importorskip("posemo_msgs", reason="posemo_msgs is not built (make test does it)")
pytest.importorskip("hypothesis", reason="hypothesis makes the input of these tests")

from hypothesis import HealthCheck, given, settings
from posemo_msgs.msg import EmotionArray, Person2DArray
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from posemo_ros import diagnostics as keys
from posemo_ros.nodes.base import PosemoNode
from posemo_ros.nodes.conversion import MAKE
from posemo_ros.nodes.monitor import ERROR
from posemo_ros.nodes.pipeline import PipelineNode
from posemo_ros.types import View

from ..hostile import raw_images
from .bench import FAILURE, SUCCESS, Bench
from .tiny_models import parameters

pytestmark = pytest.mark.usefixtures("ros")


def picture(width: int = 160, height: int = 120) -> np.ndarray:
    image = np.full((height, width, 3), 90, np.uint8)
    image[::4] = 60
    image[height // 3 : height * 5 // 6, width // 3 : width // 2] = (40, 120, 250)
    return image


def view() -> View:
    return View(time.time_ns(), "eye")


@pytest.fixture
def node(bench: Bench, tiny_manifest: Path) -> PosemoNode:
    return bench.up(PipelineNode, **parameters(tiny_manifest, "pipeline"))


def totals(node: PosemoNode) -> dict[str, int]:
    return node.monitor.snapshot().totals


def send_until_done(bench: Bench, node: PosemoNode, publisher: Any, message: Any) -> None:
    """Publish, and wait until the node has published a result or counted a failure."""
    before = totals(node)
    publisher.publish(message)

    def done() -> bool:
        now = totals(node)
        return any(now[k] > before[k] for k in (keys.PUBLISHED, keys.FAILED))

    bench.until(done, f"the end of work on {type(message).__name__}")


def test_malformed_images_are_counted_and_the_next_good_one_works(
    bench: Bench, node: PosemoNode, capfd: pytest.CaptureFixture[str]
):
    send = bench.publisher(Image, "image_raw")
    people = bench.heard(Person2DArray, "people")
    bench.publisher(CameraInfo, "camera_info").publish(MAKE.camera_info(View(1, "eye", None, 160, 120)))

    @settings(suppress_health_check=list(HealthCheck))
    @given(fields=raw_images())
    def stream(fields: dict[str, Any]) -> None:
        message = MAKE.image(picture(8, 8), view())
        for name, value in fields.items():
            setattr(message, name, array.array("B", value) if name == "data" else value)
        send_until_done(bench, node, send, message)

    stream()
    counted = totals(node)
    assert counted[keys.FAILED] > 50
    assert counted[keys.RECEIVED] == counted[keys.PUBLISHED] + counted[keys.FAILED]
    before = len(people)
    send_until_done(bench, node, send, MAKE.image(picture(), view()))
    bench.until(lambda: len(people) > before, "the good image's result")
    assert len(people[-1].people) == 1
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_corrupt_compressed_images(bench: Bench, tiny_manifest: Path, ending: str, capfd: Any):
    values = parameters(tiny_manifest, "pipeline") | {"image_transport": "compressed"}
    node = bench.up(PipelineNode, **values)
    send = bench.publisher(CompressedImage, "image_raw/compressed")
    whole = cv2.imencode(ending, picture())[1]
    random = np.random.default_rng(0)
    for share in np.linspace(0, 0.95, 30):
        data = whole[: int(share * len(whole))].copy()
        data[random.integers(0, max(1, len(data)), min(3, len(data)))] ^= 0x55
        message = MAKE.jpeg(data, view())
        message.format = "jpeg" if ending == ".jpg" else "png"
        send_until_done(bench, node, send, message)
    assert totals(node)[keys.FAILED] >= 25
    said = capfd.readouterr().err
    assert said.count("compressed image (format") == 1
    assert "Traceback" not in said
    before = totals(node)[keys.PUBLISHED]
    send_until_done(bench, node, send, MAKE.jpeg(whole, view()))
    assert totals(node)[keys.PUBLISHED] == before + 1
    assert node.monitor.level != ERROR


def test_encoding_and_size_change_in_mid_stream(bench: Bench, node: PosemoNode):
    send = bench.publisher(Image, "image_raw")
    people = bench.heard(Person2DArray, "people")
    sizes = [(160, 120), (320, 240), (64, 48), (33, 121), (160, 120)]
    for number, (width, height) in enumerate(sizes * 2, start=1):
        image = picture(width, height)
        message = MAKE.image(image, view())
        if number % 2:
            message.encoding = "rgb8"
        elif number % 3 == 0:
            grey = np.ascontiguousarray(image[..., 0])
            message.encoding, message.step, message.data = "mono8", width, array.array("B", grey.tobytes())
        send_until_done(bench, node, send, message)
        bench.until(lambda n=number: len(people) == n, "results")
        assert (people[-1].image_width, people[-1].image_height) == (width, height)
    assert totals(node)[keys.FAILED] == 0


def test_a_station_that_raises_is_logged_once_and_works_again(
    bench: Bench, node: PosemoNode, monkeypatch: pytest.MonkeyPatch, capfd: Any
):
    send = bench.publisher(Image, "image_raw")
    pipeline = node._loaded.pipeline
    step = pipeline.step
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "step", lambda frame: 1 / 0)
        for _ in range(5):
            send_until_done(bench, node, send, MAKE.image(picture(), view()))
        assert "ZeroDivisionError" in node.monitor.snapshot().message
    assert pipeline.step == step
    assert capfd.readouterr().err.count("ZeroDivisionError") == 1
    send_until_done(bench, node, send, MAKE.image(picture(), view()))
    assert totals(node)[keys.PUBLISHED] == 1
    assert "ZeroDivisionError" not in node.monitor.snapshot().message


def test_a_subscriber_that_dies_disturbs_nobody(bench: Bench, node: PosemoNode):
    send = bench.publisher(Image, "image_raw")
    emotions = bench.heard(EmotionArray, "emotions")
    mortal = Node("mortal")
    mortal.create_subscription(Person2DArray, "people", lambda _: None, 1)
    bench.until(lambda: node._loaded.people.get_subscription_count(), "the subscriber")
    for number in range(1, 41):
        if number == 5:
            mortal.destroy_node()
        send_until_done(bench, node, send, MAKE.image(picture(), view()))
    bench.until(lambda: len(emotions) == 40, "all results")
    assert node.trigger_deactivate() == SUCCESS


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_model_that_is_cut_short_is_named(bench: Bench, tiny_manifest: Path, tmp_path: Path, share: float):
    data = yaml.safe_load(tiny_manifest.read_text())
    for entry in data["models"].values():
        entry["file"] = str(tiny_manifest.parent / entry["file"])
    whole = Path(data["models"]["tiny-keypoints"]["file"]).read_bytes()
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(whole[: int(share * len(whole))])
    data["models"]["tiny-keypoints"]["file"] = str(cut)
    manifest = tmp_path / "models.yaml"
    manifest.write_text(yaml.safe_dump(data))
    node = bench.add(PipelineNode, **parameters(manifest, "pipeline"))
    assert node.trigger_configure() == FAILURE
    assert "cut.onnx" in node.monitor.snapshot().message


def test_a_home_that_cannot_be_written_is_enough(tiny_manifest: Path, tmp_path: Path, domain: int):
    """HOME is a file: nothing can be made below it, whoever runs this."""
    home = tmp_path / "home"
    home.write_text("")
    values = tmp_path / "p.yaml"
    given_values = {**parameters(tiny_manifest, "pipeline"), "autostart": True}
    values.write_text(yaml.safe_dump({"/**": {"ros__parameters": given_values}}))
    log = tmp_path / "log"
    command = [
        sys.executable,
        "-m",
        "posemo_ros.nodes",
        "pipeline",
        "--ros-args",
        "--params-file",
        str(values),
    ]
    environment = {**os.environ, "HOME": str(home), "ROS_LOG_DIR": str(tmp_path / "logs")}
    environment.pop("XDG_CACHE_HOME", None)
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
    try:
        end = time.monotonic() + 300
        while "waiting for images" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        process.terminate()
        assert process.wait(180) == 0
    finally:
        process.kill()
