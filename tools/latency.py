"""How long it takes from a camera's message to the message with the emotions, over DDS.

    python tools/latency.py > docs/bench/latency.json

The pipeline runs in a process of its own, with the shipped Fast DDS profile and as cameras use it
(`real_time`). This process sends the demo clip's images, stamped when they are sent, and takes the emotions.
The first images, until the movement of two seconds is there, warm up and do not count.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from array import array
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from posemo_ros.cli import values
from posemo_ros.nodes.transport import PROFILE_VARIABLES

ROOT = Path(__file__).resolve().parents[1]
CLIP = ROOT / "demo" / "people.mp4"
SIZES = {"VGA": (640, 480), "1080p": (1920, 1080)}
NAMESPACE = "/latency"
START_S, ANSWER_S, LAST_S, STOP_S = 120.0, 60.0, 2.0, 15.0
WARM_S = 2.5  # of images before those that count
ANSWERED = 0.0  # a "rate": every image waits for the emotions of the one before


def main() -> int:
    """Entry."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=values.COUNT, default=300, help="that count, per run (default: 300)")
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument(
        "--rates", nargs="+", type=values.number(0, 1000), default=[15.0, 30.0], help="Hz; 0: one by one"
    )
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="NAME=VALUE", help="parameters of the pipeline"
    )
    args = parser.parse_args()
    for name, value in own_world().items():
        os.environ.setdefault(name, value)
    try:
        runs = [measure(size, rate, args.images, args.set) for size in args.sizes for rate in args.rates]
    except RuntimeError as error:
        print(f"latency.py: {error}", file=sys.stderr)
        return 1
    from posemo_ros.machine import machine

    facts = {
        "machine": {**machine(), "rmw": os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")},
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "load_before": runs[0]["load_before"],
        "parameters": args.set,
        "runs": runs,
    }
    print(json.dumps(facts, indent=1))
    return 0


def own_world() -> dict[str, str]:
    """Environment of both sides: a domain on this machine, and shared memory that large images fit into."""
    local = {"ROS_DOMAIN_ID": str(random.randint(1, 100)), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    return {**local, **dict.fromkeys(PROFILE_VARIABLES, str(ROOT / "config" / "fastdds.xml"))}


def measure(size: str, rate_hz: float, count: int, parameters: list[str]) -> dict[str, Any]:
    """One run of the pipeline, and what came of so many images.

    Returns:
        ``sent``, ``answered`` (images whose emotions arrived; under load the older ones are dropped),
        ``people`` (most in one answer), ``ms_median``, ``ms_p95``, ``ms_max`` from the image's stamp.

    Raises:
        RuntimeError: The pipeline ended, or nothing came of the first images.
    """
    load = os.getloadavg()[0]
    words = ["-r", f"__ns:={NAMESPACE}", "-p", "real_time:=true"]
    for text in parameters:
        words += ["-p", text.replace("=", ":=", 1)]
    command = [sys.executable, "-m", "posemo_ros.nodes", "pipeline", "--ros-args", *words]
    pipeline = subprocess.Popen(command, cwd=ROOT, stdout=sys.stderr)
    try:
        found = _send_and_take(pipeline, SIZES[size], rate_hz, count)
    finally:
        pipeline.send_signal(signal.SIGINT)
        try:
            pipeline.wait(STOP_S)
        except subprocess.TimeoutExpired:
            pipeline.kill()
    delays = found.pop("delays_ms")
    return {
        "image": size,
        "rate_hz": rate_hz,
        "load_before": round(load, 2),
        **found,
        "ms_median": round(float(np.median(delays)), 2),
        "ms_p95": round(float(np.percentile(delays, 95)), 2),
        "ms_max": round(float(np.max(delays)), 2),
    }


def _images(size: tuple[int, int]) -> list[array[int]]:
    """The demo clip's, forth and back, so that nobody jumps."""
    video = cv2.VideoCapture(str(CLIP))
    images = []
    while (read := video.read())[0]:
        data = array("B")
        data.frombytes(memoryview(cv2.resize(read[1], size)).cast("B"))
        images.append(data)
    video.release()
    return [*images, *images[-2:0:-1]]


class Ends:
    """A node that is the camera and the one who waits for emotions.

    Attributes:
        delays: Stamp in ns -> ms until the emotions of this image were here.
        people: Most of them in one answer.
    """

    def __init__(self, pipeline: subprocess.Popen[bytes], size: tuple[int, int]) -> None:
        import rclpy
        from posemo_msgs.msg import EmotionArray
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.qos import QoSProfile, ReliabilityPolicy
        from sensor_msgs.msg import Image

        self.delays: dict[int, float] = {}
        self.people = 0
        self._pipeline = pipeline
        rclpy.init()
        self._node = rclpy.create_node("latency", namespace=NAMESPACE)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        quality = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._publisher = self._node.create_publisher(Image, "image_raw", quality)
        self._node.create_subscription(EmotionArray, "emotions", self._take, 50)
        width, height = size
        self._message = Image(height=height, width=width, encoding="bgr8", step=3 * width)
        self._message.header.frame_id = "camera"

    def _take(self, message: Any) -> None:
        stamp = message.header.stamp
        sent_ns = stamp.sec * 10**9 + stamp.nanosec
        self.delays[sent_ns] = (self._node.get_clock().now().nanoseconds - sent_ns) * 1e-6
        self.people = max(self.people, len(message.emotions))

    def send(self, image: array[int]) -> int:
        """One image; its stamp in ns."""
        self._message.data = image
        now = self._node.get_clock().now()
        self._message.header.stamp = now.to_msg()
        self._publisher.publish(self._message)
        return int(now.nanoseconds)

    def wanted(self) -> bool:
        """Whether somebody asks for images."""
        return bool(self._publisher.get_subscription_count())

    def spin_to(self, end: float, until: Callable[[], bool] = lambda: False) -> None:
        """Take what comes until a time of ``time.monotonic``, or until what has come is enough."""
        while not until() and (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def wait(self, until: Callable[[], bool], limit_s: float, what: str) -> None:
        """Take what comes until something is so.

        Raises:
            RuntimeError: The pipeline ended, or it took too long.
        """
        end = time.monotonic() + limit_s
        while not until():
            self._executor.spin_once(timeout_sec=0.01)
            if self._pipeline.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the pipeline ended, or {what} for {limit_s:g} s; see its words above")

    def close(self) -> None:
        """Leave the graph."""
        import rclpy

        self._node.destroy_node()
        rclpy.try_shutdown()


def _send_and_take(
    pipeline: subprocess.Popen[bytes], size: tuple[int, int], rate_hz: float, count: int
) -> dict[str, Any]:
    images, warm = itertools.cycle(_images(size)), round(WARM_S * (rate_hz or 10.0))
    ends = Ends(pipeline, size)
    try:
        ends.wait(ends.wanted, START_S, "did not ask for images")
        ends.wait(lambda: bool(ends.delays) or ends.send(next(images)) < 0, START_S, "gave no emotions")
        stamps: list[int] = []
        start = time.monotonic()
        for number in range(warm + count):
            stamps.append(ends.send(next(images)))
            if rate_hz == ANSWERED:
                ends.wait(lambda: stamps[-1] in ends.delays, ANSWER_S, "gave no emotions")
            else:
                ends.spin_to(start + (number + 1) / rate_hz)
        ends.spin_to(time.monotonic() + LAST_S, lambda: stamps[-1] in ends.delays)
    finally:
        ends.close()
    answered = [ends.delays[s] for s in stamps[warm:] if s in ends.delays]
    if not answered:
        raise RuntimeError("none of the images was answered")
    return {"sent": count, "answered": len(answered), "people": ends.people, "delays_ms": answered}


if __name__ == "__main__":
    sys.exit(main())
