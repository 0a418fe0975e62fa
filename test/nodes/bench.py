"""Nodes under test in this process, and one that plays the rest of the world."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter

from posemo_ros.nodes import qos
from posemo_ros.nodes.base import PosemoNode

PATIENCE_S = 180.0  # only reached when something is broken, however slow the machine
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class Bench:
    """Nodes under test and one that plays the rest of the world, spun by hand."""

    def __init__(self) -> None:
        self.world = Node("world")
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.world)
        self.nodes: list[PosemoNode] = []

    def add(self, station: type[PosemoNode], **values: object) -> PosemoNode:
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        node = station(parameter_overrides=overrides)
        self.nodes.append(node)
        self.executor.add_node(node)
        return node

    def up(self, station: type[PosemoNode], **values: object) -> PosemoNode:
        node = self.add(station, **values)
        assert node.trigger_configure() == SUCCESS
        assert node.trigger_activate() == SUCCESS
        return node

    def until(self, condition: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
        end = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end, f"timed out: {what}"
            self.executor.spin_once(timeout_sec=0.02)

    def publisher(self, kind: type, topic: str, profile=None):
        """A publisher that has found its subscriber, and been found by it."""
        made = self.world.create_publisher(kind, topic, profile or qos.results())
        self.until(made.get_subscription_count, f"a subscriber of {topic}")
        theirs = [s for n in self.nodes for s in n.subscriptions if s.topic_name == made.topic_name]
        self.until(lambda: all(s.get_publisher_count() for s in theirs), f"{topic}'s subscribers to find it")
        return made

    def heard(self, kind: type, topic: str) -> list:
        """What the world hears on a topic from now on."""
        messages: list = []
        made = self.world.create_subscription(kind, topic, messages.append, qos.results(100))
        self.until(made.get_publisher_count, f"a publisher of {topic}")
        theirs = [p for n in self.nodes for p in n.publishers if p.topic_name == made.topic_name]
        self.until(
            lambda: all(p.get_subscription_count() for p in theirs), f"{topic}'s publishers to find it"
        )
        return messages

    def close(self) -> None:
        for node in self.nodes:
            if node.state in ("active", "inactive"):
                node.trigger_shutdown()
            self.executor.remove_node(node)
            node.destroy_node()
        self.world.destroy_node()
