"""Separate processes over DDS: every frame's results, the same numbers in every composition, exit codes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy", reason="needs ROS 2 (make test brings it)")
pytest.importorskip("posemo_msgs", reason="posemo_msgs is not built (make test does it)")

from rosbags.highlevel import AnyReader

from posemo_ros import cli
from posemo_ros import diagnostics as keys
from posemo_ros.inference.store import ModelStore
from posemo_ros.messages import emotions_from_message, people_from_message, skeletons_from_message
from posemo_ros.nodes.parameters import PipelineParameters, models_of
from posemo_ros.pipeline import Pipeline, Settings
from posemo_ros.replay.sources import open_source

from ..conftest import own_domain
from ..replay.makers import raw_image, write_bag
from .tiny_models import parameters

ROOT = Path(__file__).resolve().parent.parent.parent
FRAMES = 12
SETTINGS = {"detect_every": 3, "context_rate_hz": 0.01}
RESULTS = ("people", "skeletons", "emotions")
STATIONS = ("keypoints", "lifter", "context", "emotion")


class Nodes:
    """Processes of this package, with the tiny networks."""

    def __init__(self, folder: Path, manifest: Path) -> None:
        self._folder, self._manifest = folder, manifest
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, program: Sequence[str] = (), **values: object) -> None:
        if name in ("pipeline", *STATIONS):
            values = {**parameters(self._manifest, name), **SETTINGS, **values}
        file = self._folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump({"/**": {"ros__parameters": values}}))
        namespace = "/camera" if name == "camera" else "/posemo"
        remappings = {
            "__ns": namespace,
            "image_raw": "/camera/image_raw",
            "camera_info": "/camera/camera_info",
            "people": "/posemo/people",
        }
        command = [sys.executable, *(program or ("-m", "posemo_ros.nodes", name))]
        command += ["--ros-args", "--params-file", str(file)]
        for old, new in remappings.items():
            command += ["-r", f"{old}:={new}"]
        with self.log(name).open("wb") as log:
            self.running[name] = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)

    def log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def said(self, name: str) -> str:
        return self.log(name).read_text(errors="replace")

    def wait_for_line(self, name: str, words: str) -> None:
        """Until a node has said something; all must go on running."""
        end = time.monotonic() + 300
        while words not in self.said(name):
            assert time.monotonic() < end, f"{name} never said {words!r}: {self.said(name)}"
            assert not [n for n, process in self.running.items() if process.poll() is not None]
            time.sleep(0.05)

    def end(self, name: str, how: signal.Signals | None = signal.SIGINT) -> int:
        """Exit code; without a signal, it has to end by itself."""
        process = self.running.pop(name)
        if how is not None:
            process.send_signal(how)
        return process.wait(300)

    def kill(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()


@pytest.fixture
def nodes(tmp_path: Path, tiny_manifest: Path, domain: int) -> Iterator[Nodes]:
    made = Nodes(tmp_path, tiny_manifest)
    yield made
    made.kill()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PNG files, so that nothing is lost: somebody comes, walks, and goes."""
    folder = tmp_path_factory.mktemp("clip")
    for number in range(FRAMES):
        image = np.zeros((120, 160, 3), np.uint8)
        if 1 <= number < FRAMES - 1:
            image[40:100, 50 + 3 * number : 75 + 3 * number] = (40, 120, 250 - number)
        cv2.imwrite(str(folder / f"{number:03}.png"), image)
    return folder


def play(nodes: Nodes, clip: Path, stations: tuple[str, ...], bag: Path, **camera: object) -> None:
    """The clip through the stations into a bag; everything ends with exit code 0."""
    topics = ["/camera/image_raw", "/camera/camera_info", "/diagnostics"]
    topics += [f"/posemo/{name}" for name in RESULTS]
    nodes.start("recorder", output=str(bag), topics=topics)
    reliable = {"qos_overrides": {"/camera/image_raw": {"subscription": {"reliability": "reliable"}}}}
    for name in stations:
        nodes.start(name, **(reliable if name in ("pipeline", "keypoints", "context") else {}))
    for name in RESULTS:
        nodes.wait_for_line("recorder", f"recording /posemo/{name}")
    looking = [name for name in stations if name in ("pipeline", "keypoints", "context")]
    nodes.start("camera", source=str(clip), lockstep=True, **camera, wait_for=[*looking, "recorder"])
    codes = {"camera": nodes.end("camera", None)}
    codes |= {name: nodes.end(name) for name in (*stations, "recorder")}
    assert codes == dict.fromkeys(codes, 0), {name: nodes.said(name) for name in codes}


def read(bag: Path) -> dict[str, list[Any]]:
    """Messages by topic, in the order of their arrival."""
    found: dict[str, list[Any]] = {}
    with AnyReader([bag]) as reader:
        for connection, _, data in reader.messages():
            found.setdefault(connection.topic, []).append(reader.deserialize(data, connection.msgtype))
    return found


def results(messages: dict[str, list[Any]]) -> list[tuple[Any, Any, Any]]:
    """(2D, 3D, emotions) per image as the core's types."""
    rows = zip(*(messages[f"/posemo/{n}"] for n in RESULTS), strict=True)
    return [
        (
            people_from_message(people),
            skeletons_from_message(skeletons),
            emotions_from_message(emotions),
        )
        for people, skeletons, emotions in rows
    ]


def assert_equal_results(found: list[tuple[Any, Any, Any]], expected: list[tuple[Any, Any, Any]]) -> None:
    assert len(found) == len(expected)
    for (people, skeletons, emotions), (people0, skeletons0, emotions0) in zip(found, expected, strict=True):
        assert people.ids == people0.ids
        assert skeletons.ids == skeletons0.ids
        assert emotions.status == emotions0.status
        np.testing.assert_array_equal(people.boxes, people0.boxes)
        np.testing.assert_array_equal(people.keypoints, people0.keypoints)
        np.testing.assert_array_equal(skeletons.relative, skeletons0.relative)
        np.testing.assert_array_equal(skeletons.roots, skeletons0.roots)
        np.testing.assert_allclose(emotions.probabilities, emotions0.probabilities, atol=1e-6)


def offline(manifest: Path, clip: Path) -> list[tuple[Any, Any, Any]]:
    """The chain without ROS on the same files."""
    models = models_of(PipelineParameters(**parameters(manifest, "pipeline")))
    pipeline = Pipeline(models, Settings(**SETTINGS), ModelStore([manifest]))
    with open_source(clip) as source:
        frames = list(source)
    steps = [pipeline.step(frame) for frame in frames]
    return [(s.people, s.skeletons, s.emotions) for s in steps]


@pytest.fixture(scope="module", params=[("pipeline",), STATIONS], ids=["single", "stations"])
def played(
    request: pytest.FixtureRequest, clip: Path, tiny_manifest: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The recording of the clip, for the tests that only look at it."""
    folder = tmp_path_factory.mktemp("played")
    with own_domain() as domain, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(domain))
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        made = Nodes(folder, tiny_manifest)
        try:
            play(made, clip, request.param, folder / "results.mcap")
        finally:
            made.kill()
    return folder / "results.mcap"


single = pytest.mark.parametrize("played", [("pipeline",)], indirect=True, ids=["single"])


def test_every_frame_gives_the_numbers_of_the_core(played: Path, clip: Path, tiny_manifest: Path):
    messages = read(played)
    images = [(m.header.stamp, m.header.frame_id) for m in messages["/camera/image_raw"]]
    assert len(images) == FRAMES
    assert len(messages["/camera/camera_info"]) == FRAMES
    for name in RESULTS:
        assert [(m.header.stamp, m.header.frame_id) for m in messages[f"/posemo/{name}"]] == images
    found = results(messages)
    assert [len(people) for people, _, _ in found][:2] == [0, 1]
    assert any(s.value == "valid" for _, _, emotions in found for s in emotions.status)
    assert_equal_results(found, offline(tiny_manifest, clip))


def test_a_bag_keeps_its_time_and_gives_the_numbers_of_the_core(
    nodes: Nodes, tiny_manifest: Path, tmp_path: Path
):
    """What replay.launch.py starts: stamps of the bag, two images of one stamp, one that came late."""
    start, period = 1_700_000_000 * 10**9, 40_000_000
    stamps = [start + n * period for n in (0, 1, 2, 2, 3, 5, 4, 6)]
    messages = []
    for number, stamp in enumerate(stamps):
        image = np.zeros((120, 160, 3), np.uint8)
        image[40:100, 50 + 3 * number : 75 + 3 * number] = (40, 120, 250)
        messages.append(("/cam/image_raw", start + number * period, raw_image(stamp, image)))
    bag = write_bag(tmp_path / "bag", messages)
    play(nodes, bag, ("pipeline",), tmp_path / "results.mcap", clock=True, speed=0.0)
    messages = read(tmp_path / "results.mcap")
    seen = [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for m in messages["/posemo/people"]]
    assert seen == sorted(stamps)
    assert_equal_results(results(messages), offline(tiny_manifest, bag))


@single
def test_diagnostics_say_what_runs(played: Path):
    statuses = [s for m in read(played)["/diagnostics"] for s in m.status]
    assert {s.name for s in statuses} >= {"/posemo/pipeline", "/posemo/recorder", "/camera/camera"}
    values = [{v.key: v.value for v in s.values} for s in statuses if s.name == "/posemo/pipeline"]
    assert values[-1]["detector model"] == "tiny-detector (onnxruntime, fp32)"
    busy = [v for v in values if keys.LATENCY_MEDIAN in v]
    assert busy
    assert {"detector [ms]", "keypoints [ms]", "lifter [ms]", "emotion [ms]"} <= set().union(*busy)


@single
def test_delays_are_measured_from_the_recording(played: Path, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["evaluate", "latency", str(played), "--json"]) == 0
    row = json.loads(capsys.readouterr().out)["results"][str(played)]
    assert (row["images"], row["from"]) == (FRAMES, "image (its CameraInfo)")
    assert row["p50"] <= row["p99"] <= row["max"] > 0  # a busy recorder notes an image after its results


@single
def test_the_bag_is_one_file_that_explains_its_own_types(played: Path):
    assert not list(played.parent.glob("*.part"))
    with AnyReader([played]) as reader:
        definitions = {c.topic: c.msgdef.data for c in reader.connections}
    assert "Keypoint2D[17] keypoints" in definitions["/posemo/people"]


def test_a_chain_that_cannot_start_says_why_and_exits_with_1(nodes: Nodes):
    nodes.start("pipeline", detector="nobody")
    assert nodes.end("pipeline", None) == 1
    assert "configure failed: there is no model 'nobody'" in nodes.said("pipeline")


def test_an_unreadable_source_says_why_and_exits_with_1(nodes: Nodes, tmp_path: Path):
    (tmp_path / "broken.mp4").write_text("no video")
    nodes.start("camera", source=str(tmp_path / "broken.mp4"))
    assert nodes.end("camera", None) == 1
    assert "broken.mp4" in nodes.said("camera")


def test_a_value_out_of_range_says_so(nodes: Nodes):
    nodes.start("pipeline", image_transport="carrier pigeon")
    assert nodes.end("pipeline", None) == 1
    assert "'carrier pigeon'; it must be one of raw, compressed" in nodes.said("pipeline")


def test_termination_is_a_clean_exit_too(nodes: Nodes, clip: Path):
    nodes.start("camera", source=str(clip), wait_for=["pipeline", "recorder"])
    nodes.wait_for_line("camera", "waiting for the nodes pipeline, recorder")
    assert nodes.end("camera", signal.SIGTERM) == 0, nodes.said("camera")


def test_large_images_arrive_between_processes(nodes: Nodes, tmp_path: Path, ros: None):
    """With the shipped Fast DDS profile; with the defaults most of these are lost."""
    import rclpy
    from rclpy.node import Node
    from sensor_msgs.msg import Image

    from posemo_ros.nodes import qos

    folder = tmp_path / "vga"
    folder.mkdir()
    for number in range(20):
        image = np.full((480, 640, 3), number, np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), image)
    world = Node("world")
    seen: list[int] = []
    world.create_subscription(Image, "/camera/image_raw", lambda m: seen.append(m.data[0]), qos.newest(20))
    nodes.start("camera", source=str(folder), rate=20.0, wait_for=["world"])
    while nodes.running["camera"].poll() is None:
        rclpy.spin_once(world, timeout_sec=0.1)
    end = time.monotonic() + 20  # nothing more comes: what is missing by then was lost
    while len(seen) < 20 and time.monotonic() < end:
        rclpy.spin_once(world, timeout_sec=0.1)
    world.destroy_node()
    assert nodes.end("camera", None) == 0
    assert seen == list(range(20))


def test_the_camera_waits_for_the_node_that_is_named_not_for_another(
    nodes: Nodes, clip: Path, tmp_path: Path, ros: None
):
    """A recorder that looks at the images is not the pipeline that has to be ready for them."""
    bag = tmp_path / "results.mcap"
    nodes.start("recorder", output=str(bag), topics=["/camera/image_raw", "/posemo/people"])
    nodes.start("camera", source=str(clip), lockstep=True, wait_for=["pipeline", "recorder"])
    nodes.wait_for_line("camera", "waiting for the node")
    nodes.wait_for_line("recorder", "recording /camera/image_raw")
    assert nodes.running["camera"].poll() is None
    reliable = {"qos_overrides": {"/camera/image_raw": {"subscription": {"reliability": "reliable"}}}}
    nodes.start("pipeline", **reliable)
    codes = {name: nodes.end(name, how) for name, how in (("camera", None), ("recorder", signal.SIGINT))}
    assert codes == {"camera": 0, "recorder": 0}, {name: nodes.said(name) for name in codes}
    messages = read(bag)
    assert len(messages["/camera/image_raw"]) == FRAMES
    assert len(messages["/posemo/people"]) == FRAMES


def test_a_recording_that_finds_no_room_ends_with_1(nodes: Nodes, tmp_path: Path):
    nodes.start("recorder", output=str(tmp_path / "nowhere" / "results.mcap"))
    assert nodes.end("recorder", None) == 1
    assert "cannot be written" in nodes.said("recorder")


@pytest.mark.slow
@pytest.mark.parametrize("after_s", [0.2, 0.5, 0.8, 1.1, 1.4, 1.7, 2.0, 2.4])
def test_ctrl_c_ends_a_node_at_any_moment_of_its_start(nodes: Nodes, after_s: float) -> None:
    code = """
import sys
from posemo_ros.nodes import start
start.catch_signals()
print("ready", flush=True)
sys.argv[0] = "pipeline"
sys.exit(start.main())
"""
    nodes.start("pipeline", program=["-c", code])
    nodes.wait_for_line("pipeline", "ready")
    time.sleep(after_s)  # whichever moment this is, the end is the same
    assert nodes.end("pipeline") == 0, nodes.said("pipeline")
    assert "Traceback" not in nodes.said("pipeline")
