"""Who is there and what types are published, as the ROS graph gives them."""

from __future__ import annotations

import importlib
from typing import Any

from rclpy.node import Node


def message_class(kind: str) -> Any:
    """The class of ``package/msg/Name``."""
    package, _, name = kind.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), name)


def subscribers(node: Node, topic: str) -> list[str]:
    """Full names of the nodes that subscribe a topic, as often as they do."""
    return [
        f"{info.node_namespace.rstrip('/')}/{info.node_name}"
        for info in node.get_subscriptions_info_by_topic(topic)
    ]
