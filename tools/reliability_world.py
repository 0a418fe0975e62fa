"""Nodes as processes of their own with the shipped models, and the world around them."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from posemo_msgs.msg import Person2DArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image

from posemo_ros.camera import Camera
from posemo_ros.messages import stamp_of
from posemo_ros.nodes import qos
from posemo_ros.nodes.conversion import MAKE
from posemo_ros.nodes.transport import PROFILE_VARIABLES
from posemo_ros.types import View

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "demo" / "people.mp4"
OK, WARN, ERROR = 0, 1, 2


class Processes:
    """Node processes with logs, in a ROS domain of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, **values: Any) -> None:
        """Start a node with parameters; a name such as ``keypoints`` is also its module."""
        file = self.folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump({"/**": {"ros__parameters": {"threads": 1, **values}}}))
        command = [sys.executable, "-m", "posemo_ros.nodes", name, "--ros-args"]
        command += ["--params-file", str(file), "-r", "__ns:=/posemo"]
        command += ["-r", "image_raw:=/camera/image_raw", "-r", "camera_info:=/camera/camera_info"]
        with self.log(name).open("ab") as log:
            self.running[name] = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)

    def log(self, name: str) -> Path:
        """Where a node's output goes."""
        return self.folder / f"{name}.log"

    def output(self, name: str) -> str:
        """Its output so far."""
        return self.log(name).read_text(errors="replace")

    def kill(self, name: str) -> None:
        """As ``kill -9``."""
        process = self.running.pop(name)
        process.kill()
        process.wait()

    def end(self, name: str, how: signal.Signals = signal.SIGINT, timeout_s: float = 30) -> int:
        """Ask it to end; the exit code."""
        process = self.running.pop(name)
        process.send_signal(how)
        return process.wait(timeout_s)

    def close(self) -> None:
        """Kill what runs."""
        for name in list(self.running):
            self.kill(name)

    def use(self, name: str) -> tuple[float, int, int]:
        """Resident MiB, threads and descriptors of a process."""
        proc = Path(f"/proc/{self.running[name].pid}")
        status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
        memory = int(status["VmRSS"].split()[0]) / 1024
        return memory, int(status["Threads"]), len(list((proc / "fd").iterdir()))


@dataclass
class World:
    """The camera, and what is heard of the nodes."""

    processes: Processes
    node: Node
    executor: SingleThreadedExecutor
    status: dict[str, tuple[float, int, str]] = field(default_factory=dict)
    results: list[tuple[int, float]] = field(default_factory=list)
    sent: int = 0
    clip: Path = DEMO

    def __post_init__(self) -> None:
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._take_status, 100)
        self.node.create_subscription(Person2DArray, "/posemo/people", self._take_people, qos.results(100))
        self.image = self.node.create_publisher(Image, "/camera/image_raw", qos.newest())
        self.info = self.node.create_publisher(
            MAKE.camera_info(View(1, "eye", None, 2, 2)).__class__, "/camera/camera_info", qos.newest()
        )
        self.frames = list(itertools.islice(_images(DEMO), 90))
        self.film = itertools.cycle(self.frames) if self.clip == DEMO else _around(self.clip)

    def _take_status(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.status[status.name.rsplit("/", 1)[-1]] = (time.monotonic(), status.level[0], status.message)

    def _take_people(self, message: Person2DArray) -> None:
        self.results.append((stamp_of(message), (time.time_ns() - stamp_of(message)) / 1e6))

    def level(self, name: str) -> int | None:
        """The newest level of a node; None when it has been silent for two seconds."""
        at, level, _ = self.status.get(name, (0.0, OK, ""))
        return level if time.monotonic() - at < 2 else None

    def works(self, name: str) -> bool:
        """Input comes and results go out; a busy machine may make it late (WARN)."""
        words = self.message(name)
        wrong = ("waiting", "no message", "not active", "not configured")
        return self.level(name) in (OK, WARN) and not any(w in words for w in wrong)

    def message(self, name: str) -> str:
        """Its newest words."""
        return self.status.get(name, (0.0, OK, "nothing"))[2]

    def send(self, image: np.ndarray | None = None) -> None:
        """One image with its CameraInfo, the next of the clip unless given."""
        pixels = next(self.film) if image is None else image
        camera = Camera.from_fov(pixels.shape[1], pixels.shape[0], 60)
        view = View.through(camera, time.time_ns(), "eye")
        self.info.publish(MAKE.camera_info(view))
        self.image.publish(MAKE.image(pixels, view))
        self.sent += 1

    def spin(self, seconds: float) -> None:
        """Listen for some time."""
        self.until(lambda: False, seconds)

    def until(self, condition: Callable[[], object], timeout_s: float) -> float | None:
        """Seconds until the condition holds; None when it does not in time."""
        start = time.monotonic()
        while time.monotonic() - start < timeout_s:
            if condition():
                return time.monotonic() - start
            self.executor.spin_once(timeout_sec=0.02)
        return None

    def ask(self, kind: type, service: str, request: Any, timeout_s: float = 60.0) -> Any:
        """The answer of a service, or None."""
        client = self.node.create_client(kind, service)
        try:
            if self.until(client.service_is_ready, timeout_s) is None:
                return None
            answer = client.call_async(request)
            return answer.result() if self.until(answer.done, timeout_s) is not None else None
        finally:
            self.node.destroy_client(client)

    @contextmanager
    def camera(self, rate_hz: float, image: np.ndarray | None = None) -> Iterator[None]:
        """Images at a rate from a thread of its own."""
        stop = threading.Event()

        def play() -> None:
            due = time.monotonic()
            while not stop.is_set():
                self.send(image)
                due += 1 / rate_hz
                stop.wait(max(0.0, due - time.monotonic()))

        thread = threading.Thread(target=play)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def _images(clip: Path) -> Iterator[np.ndarray]:
    video = cv2.VideoCapture(str(clip))
    while (got := video.read())[0]:
        yield np.ascontiguousarray(got[1])


def _around(clip: Path) -> Iterator[np.ndarray]:
    """A clip over and over; a long one is decoded as it goes, since its pixels fill the memory."""
    if next(_images(clip), None) is None:
        raise SystemExit(f"{clip} has no image that OpenCV can read")
    while True:
        yield from _images(clip)


@contextmanager
def a_world(clip: Path = DEMO) -> Iterator[World]:
    """A fresh ROS domain, a node in it, and a folder for logs."""
    os.environ["ROS_DOMAIN_ID"] = str(random.SystemRandom().randint(1, 100))
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    for variable in PROFILE_VARIABLES:
        os.environ.setdefault(variable, str(ROOT / "config" / "fastdds.xml"))
    with tempfile.TemporaryDirectory() as folder:
        rclpy.init()
        processes = Processes(Path(folder))
        node, executor = Node("world"), SingleThreadedExecutor()
        executor.add_node(node)
        try:
            yield World(processes, node, executor, clip=clip)
        finally:
            processes.close()
            executor.shutdown()
            node.destroy_node()
            rclpy.try_shutdown()
