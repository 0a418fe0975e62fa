#!/usr/bin/env python3
"""Write config/sros2_policy.xml: what each node publishes, subscribes and serves, seen in a running graph.

    python tools/sros2_policy.py            # compare with the file; 1 where it differs
    python tools/sros2_policy.py --write

The nodes run in this process, in the namespace and with the remappings of pipeline.launch.py, while all
is looked at. What they need only at times is added (``needed_at_times``). Nodes that need packages outside
this one (the bridges, frames) are left out: hri_bridge makes topics for every person.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from posemo_ros.nodes.base import PosemoNode
from posemo_ros.nodes.camera import CameraNode
from posemo_ros.nodes.context import ContextNode
from posemo_ros.nodes.emotion import EmotionNode
from posemo_ros.nodes.keypoints import KeypointsNode
from posemo_ros.nodes.lifter import LifterNode
from posemo_ros.nodes.markers import MarkersNode
from posemo_ros.nodes.pipeline import PipelineNode
from posemo_ros.nodes.recorder import RecorderNode
from posemo_ros.nodes.viewer import ViewerNode
from posemo_ros.topics import COMPRESSED, EMOTIONS, IMAGE, PEOPLE, SKELETONS

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "config" / "sros2_policy.xml"
ENCLAVE, NAMESPACE = "/posemo", "/posemo"
REMAPPED = ["-r", f"image_raw:={IMAGE}", "-r", "camera_info:=/camera/camera_info"]
WAIT_S = 180.0

Access = dict[str, list[str]]  # "publish", "subscribe", "reply", "request" -> names


def main() -> int:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the file")
    args = parser.parse_args()
    text = policy(needed_at_times(observed()))
    if args.write:
        FILE.write_text(text, encoding="utf-8")
    elif text != FILE.read_text(encoding="utf-8"):
        print(f"{FILE} differs from what the nodes do: python tools/sros2_policy.py --write", file=sys.stderr)
        return 1
    return 0


def observed() -> dict[str, Access]:
    """What each node has in a graph in which all run and somebody looks at everything."""
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    with graph() as (world, executor), tempfile.TemporaryDirectory() as folder:
        made = nodes(Path(folder))
        until = partial(spin_until, executor)
        for name in ("overlay", "image_blurred"):
            world.create_subscription(Image, f"{NAMESPACE}/{name}", lambda _: None, 1)
        try:
            for node in made:
                if node.trigger_configure() != TransitionCallbackReturn.SUCCESS:
                    raise SystemExit(f"{node.get_name()} cannot be configured")
            for node in made:  # the camera last: the recorder records what is published
                node.trigger_activate()
            until(lambda: world.count_publishers(f"{NAMESPACE}/overlay"), "the overlay")
            recorded = RECORDED - {CONTEXT}
            until(lambda: recorded <= set(access(world, "recorder")["subscribe"]), "the recorder")
            until(lambda: IMAGE in access(world, "markers")["subscribe"], "the overlay's image")
            return {node.get_name(): access(world, node.get_name()) for node in made}
        finally:
            for node in reversed(made):
                if node.state in ("active", "inactive"):
                    node.trigger_shutdown()
                node.destroy_node()


def needed_at_times(found: dict[str, Access]) -> dict[str, Access]:
    """The same with what the nodes subscribe or publish now and then, or with other parameters."""
    found["viewer"]["subscribe"].append(IMAGE)  # while a page is open
    found["context"]["publish"].append(CONTEXT)  # no encoder comes with the package, so it does not run
    found["context"]["subscribe"].append(IMAGE)
    found["emotion"]["subscribe"].append(CONTEXT)
    found["camera"]["subscribe"] += [f"{NAMESPACE}/{name}" for name in LOCKSTEP]
    found["recorder"]["subscribe"] += [CONTEXT, IMAGE, f"{NAMESPACE}/overlay"]
    for name, has in found.items():
        wanted = {*has["subscribe"], "/clock"}  # with use_sim_time
        if IMAGE in wanted:
            wanted.add(IMAGE + COMPRESSED)  # with image_transport compressed
        if name in STATIONS:  # one whose input is silent asks those who send it what is wrong
            behind = {
                other for other in found for topic in found[other]["publish"] if topic in wanted & ASKED
            }
            wanted |= {f"{NAMESPACE}/{other}/statistics" for other in behind}
        has["subscribe"] = sorted(wanted)
        has["publish"].sort()
    return found


LOCKSTEP = (PEOPLE, SKELETONS, EMOTIONS, "markers", "overlay" + COMPRESSED)
STATIONS = ("pipeline", "keypoints", "lifter", "context", "emotion", "markers", "viewer")
CONTEXT = f"{NAMESPACE}/context"
ASKED = {
    IMAGE,
    IMAGE + COMPRESSED,
    CONTEXT,
    *(f"{NAMESPACE}/{name}" for name in (PEOPLE, SKELETONS, EMOTIONS)),
}
RECORDED = {
    *(f"{NAMESPACE}/{name}" for name in ("people", "skeletons", "emotions", "context", "markers")),
    *(f"{NAMESPACE}/{name}{COMPRESSED}" for name in ("overlay", "image_blurred")),
    *("/camera/camera_info", "/diagnostics", IMAGE + COMPRESSED),
}


def nodes(folder: Path) -> list[PosemoNode[Any, Any]]:
    """One of each kind; both compositions at once."""
    kinds: list[tuple[type[PosemoNode[Any, Any]], dict[str, object]]] = [
        (PipelineNode, {}),
        (KeypointsNode, {}),
        (LifterNode, {}),
        (ContextNode, {}),
        (EmotionNode, {}),
        (MarkersNode, {"privacy": "blur"}),
        (ViewerNode, {"port": 0}),
        (RecorderNode, {"output": str(folder / "results.mcap")}),
        (
            CameraNode,
            {"source": str(ROOT / "demo" / "people.mp4"), "rate": 0.1, "clock": True},
        ),
    ]
    return [
        kind(
            namespace=NAMESPACE,
            cli_args=["--ros-args", *REMAPPED],
            parameter_overrides=[Parameter(name, value=value) for name, value in values.items()],
        )
        for kind, values in kinds
    ]


@contextmanager
def graph() -> Iterator[tuple[Node, SingleThreadedExecutor]]:
    """A node that looks at the graph, in a domain of its own if none is given, and what spins it."""
    os.environ.setdefault("ROS_DOMAIN_ID", str(random.SystemRandom().randint(1, 100)))
    rclpy.init()
    world = Node("world")
    executor = SingleThreadedExecutor()
    executor.add_node(world)
    try:
        yield world, executor
    finally:
        world.destroy_node()
        rclpy.try_shutdown()


def spin_until(executor: SingleThreadedExecutor, condition: Callable[[], object], what: str) -> None:
    """Work until something is so.

    Raises:
        SystemExit: It is not within ``WAIT_S``.
    """
    end = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"timed out: {what}")
        executor.spin_once(timeout_sec=0.05)


def access(world: Node, name: str) -> Access:
    """Topics and services of a node, as the graph has them."""
    asked = {
        "publish": world.get_publisher_names_and_types_by_node,
        "subscribe": world.get_subscriber_names_and_types_by_node,
        "reply": world.get_service_names_and_types_by_node,
        "request": world.get_client_names_and_types_by_node,
    }
    return {kind: sorted(topic for topic, _ in ask(name, NAMESPACE)) for kind, ask in asked.items()}


def policy(found: dict[str, Access]) -> str:
    """The file, in the format of sros2 (policy version 0.2.0): one enclave, a profile for each node."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        "<!-- Made by tools/sros2_policy.py; docs/security.md says how to use it. -->",
        '<policy version="0.2.0">',
        "  <enclaves>",
        f"    <enclave path={quoteattr(ENCLAVE)}>",
        "      <profiles>",
    ]
    for name in sorted(found):
        lines.append(f"        <profile ns={quoteattr(NAMESPACE)} node={quoteattr(name)}>")
        for kind, names in found[name].items():
            if names:
                lines += _rule(kind, names)
        lines.append("        </profile>")
    return "\n".join([*lines, "      </profiles>", "    </enclave>", "  </enclaves>", "</policy>"]) + "\n"


def _rule(kind: str, names: list[str]) -> list[str]:
    word = "topic" if kind in ("publish", "subscribe") else "service"
    inside = [f"            <{word}>{name}</{word}>" for name in names]
    return [f'          <{word}s {kind}="ALLOW">', *inside, f"          </{word}s>"]


if __name__ == "__main__":
    sys.exit(main())
