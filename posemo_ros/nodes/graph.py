"""Who is there and what types are published, as the ROS graph gives them."""

from __future__ import annotations

import importlib
from typing import Any

from rclpy.node import Node


def message_class(kind: str) -> Any:
    """The class of ``package/msg/Name``."""
    package, _, name = kind.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), name)


def publishes_results(node: Node, name: str) -> bool:
    """Whether a node of this name, with or without namespace, publishes messages of this package."""
    for own, namespace in node.get_node_names_and_namespaces():
        if name not in (own, f"{namespace.rstrip('/')}/{own}"):
            continue
        try:
            published = node.get_publisher_names_and_types_by_node(own, namespace)
        except RuntimeError:  # it has just left
            continue
        kinds = {kind for _, types in published for kind in types}
        if any(k.startswith("posemo_msgs/") for k in kinds - {"posemo_msgs/msg/Statistics"}):
            return True
    return False


def subscribers(node: Node, topic: str) -> list[str]:
    """Full names of the nodes that subscribe a topic, as often as they do."""
    return [
        f"{info.node_namespace.rstrip('/')}/{info.node_name}"
        for info in node.get_subscriptions_info_by_topic(topic)
    ]
