"""How many images arrive between two processes, how late, and what sending and taking them costs.

    python tools/transport.py > docs/bench/transport.json

Best effort, as cameras send; with the package's Fast DDS profile and with the defaults. This process
sends, a child takes. CPU times are those of the processes, spinning included; "unpacking" is what taking
a message costs beyond taking its bytes (``raw=True``).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from array import array
from pathlib import Path
from typing import Any

import numpy as np

from posemo_ros.cli import values
from posemo_ros.nodes.transport import PROFILE_VARIABLES

ROOT = Path(__file__).resolve().parents[1]
SHIPPED, DEFAULT = "shipped", "Fast DDS's own"
IMAGES = {"VGA": (640, 480), "1080p": (1920, 1080)}
RATES_HZ = (30.0, 15.0)
TOPIC = "transport_test"
QUIET_S = 1.5  # without an image: the end
ANSWERED, ANSWERED_IMAGES = 0.0, 20  # a "rate": every image waits until the one before has been taken
ANSWER_S = 60.0  # for it; after that it is lost and nothing more is sent
START_S = 300.0  # for both to be there


def main() -> int:
    """Entry."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=values.number(0.1, 3600), default=8.0, help="of sending, per run")
    parser.add_argument("--images", nargs="+", choices=list(IMAGES), default=list(IMAGES))
    parser.add_argument("--rates", nargs="+", type=values.number(0.1, 1000), default=list(RATES_HZ))
    parser.add_argument("--profiles", nargs="+", choices=[SHIPPED, DEFAULT], default=[SHIPPED, DEFAULT])
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return _child(*args.child)
    runs = [
        measure(image, rate, profile, args.seconds)
        for profile in args.profiles
        for image in args.images
        for rate in args.rates
    ]
    print(json.dumps({"machine": _machine(), "runs": runs}, indent=1))
    return 0


def measure(image: str, rate_hz: float, profile: str, seconds: float) -> dict[str, Any]:
    """One run, twice: the images taken as messages, then as bytes."""
    taken, raw = (_run(image, rate_hz, profile, seconds, how) for how in ("message", "bytes"))
    median, p95 = (_percentile(taken["delays_ms"], q) for q in (50, 95))
    return {
        "image": image,
        "rate_hz": rate_hz,
        "profile": profile,
        "sent": taken["sent"],
        "arrived": taken["arrived"],
        "latency_ms_median": median,
        "latency_ms_p95": p95,
        "send_cpu_ms": round(taken["send_cpu_ms"], 2),
        "receive_cpu_ms": round(taken["receive_cpu_ms"], 2),
        "unpack_cpu_ms": round(max(taken["receive_cpu_ms"] - raw["receive_cpu_ms"], 0.0), 2),
    }


def _percentile(delays_ms: list[float], percent: float) -> float | None:
    """None where no image arrived: JSON has no NaN."""
    return round(float(np.percentile(delays_ms, percent)), 2) if delays_ms else None


def _run(image: str, rate_hz: float, profile: str, seconds: float, how: str) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if name not in PROFILE_VARIABLES}
    if profile == SHIPPED:
        environment |= {name: str(ROOT / "config" / "fastdds.xml") for name in PROFILE_VARIABLES}
    parts = []
    for role in ("take", "send"):
        command = [sys.executable, __file__, "--child", role, image, str(rate_hz), str(seconds), how]
        parts.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
    try:
        ends = [part.communicate(timeout=seconds + START_S)[0] for part in parts]
    finally:
        for part in parts:
            part.kill()
    taken, sent = (json.loads(end.splitlines()[-1]) for end in ends)
    return {**taken, **sent}


def _child(role: str, image: str, rate_hz: str, seconds: str, how: str) -> int:
    import rclpy

    rclpy.init()
    try:
        answered = float(rate_hz) == ANSWERED
        count = ANSWERED_IMAGES if answered else max(round(float(seconds) * float(rate_hz)), 1)
        if role == "send":
            found = _send(IMAGES[image], float(rate_hz), count)
        else:
            found = _take(count, float(seconds), raw=how == "bytes", answers=answered)
    finally:
        rclpy.try_shutdown()
    print(json.dumps(found))
    return 0


def _quality(count: int) -> Any:
    from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy

    # Deep enough that nobody is late: what is lost, the transport has lost.
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=count, reliability=ReliabilityPolicy.BEST_EFFORT)


def _answers(count: int) -> Any:
    from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile

    # Kept for who comes later, so that none is lost.
    durability = DurabilityPolicy.TRANSIENT_LOCAL
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=count + 1, durability=durability)


def _send(size: tuple[int, int], rate_hz: float, count: int) -> dict[str, Any]:
    import rclpy
    from sensor_msgs.msg import Image
    from std_msgs.msg import Empty

    node = rclpy.create_node("transport_sender")
    publisher = node.create_publisher(Image, TOPIC, _quality(5))
    width, height = size
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    message = Image(height=height, width=width, encoding="bgr8", step=3 * width)
    answers: list[Any] = []
    node.create_subscription(Empty, f"{TOPIC}/taken", answers.append, _answers(count))
    last = time.monotonic() + START_S  # either side may know the other first
    while not (answers and publisher.get_subscription_count()) and time.monotonic() < last:
        rclpy.spin_once(node, timeout_sec=0.1)
    cpu, start = time.process_time(), time.monotonic()
    for number in range(count):
        if rate_hz == ANSWERED and not _answered(node, answers, 1 + number):
            return {"sent": number, "send_cpu_ms": float("nan")}
        if rate_hz != ANSWERED:
            time.sleep(max(start + number / rate_hz - time.monotonic(), 0))
        data = array("B")
        data.frombytes(memoryview(pixels).cast("B"))
        message.data = data
        message.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(message)
    used = time.process_time() - cpu
    if rate_hz == ANSWERED:
        _answered(node, answers, 1 + count)
    else:
        time.sleep(QUIET_S)
    return {"sent": count, "send_cpu_ms": 1e3 * used / count}


def _answered(node: Any, answers: list[Any], count: int) -> bool:
    """Whether there are so many answers, some of which may still be on their way."""
    import rclpy

    last = time.monotonic() + ANSWER_S
    while len(answers) < count and time.monotonic() < last:
        rclpy.spin_once(node, timeout_sec=0.1)
    return len(answers) >= count


def _take(count: int, seconds: float, *, raw: bool, answers: bool) -> dict[str, Any]:
    import rclpy
    from sensor_msgs.msg import Image
    from std_msgs.msg import Empty

    node = rclpy.create_node("transport_taker")
    answer = node.create_publisher(Empty, f"{TOPIC}/taken", _answers(count))
    quiet_s = ANSWER_S + 1 if answers else QUIET_S
    delays: list[float] = []
    arrived = 0

    def take(message: Any) -> None:
        nonlocal arrived, last
        arrived += 1
        last = time.monotonic() + quiet_s
        if answers:
            answer.publish(Empty())
        if not raw:
            stamp = message.header.stamp
            sent_ns = stamp.sec * 10**9 + stamp.nanosec
            delays.append((node.get_clock().now().nanoseconds - sent_ns) * 1e-6)

    images = node.create_subscription(Image, TOPIC, take, _quality(count), raw=raw)
    last = time.monotonic() + START_S
    while not images.get_publisher_count() and time.monotonic() < last:
        rclpy.spin_once(node, timeout_sec=0.1)
    answer.publish(Empty())  # ready
    last = time.monotonic() + seconds + quiet_s
    cpu = time.process_time()
    while arrived < count and time.monotonic() < last:
        rclpy.spin_once(node, timeout_sec=0.1)
    used = time.process_time() - cpu
    return {"arrived": arrived, "delays_ms": delays, "receive_cpu_ms": 1e3 * used / max(arrived, 1)}


def _machine() -> dict[str, Any]:
    from posemo_ros.machine import machine

    return {**machine(), "rmw": os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")}


if __name__ == "__main__":
    sys.exit(main())
