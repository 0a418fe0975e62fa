"""Writes topics into a rosbag2 (MCAP) that carries its own message definitions.

Where ROS is installed, ``ros2 bag record`` does the same and more; this one needs no more than
the package itself.
"""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from rclpy.event_handler import QoSSubscriptionMatchedInfo, SubscriptionEventCallbacks
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from ..errors import InputError
from . import qos
from .station import Station, run

DISCOVERY_S = 0.1
DEPTH = 100


class RecorderNode(Station):
    """Everything of the parameter topics -> one .mcap file, complete once the node has stopped."""

    kind = "recorder"

    def load(self) -> None:
        """Make the file."""
        self._output = Path(self.values["output"])
        self._folder = self._output.with_name(self._output.name + ".part")
        for path in (self._output, self._folder):
            if path.exists():
                raise InputError(f"parameter output: {path} exists already; remove it or choose another name")
        self._types = get_typestore(Stores.ROS2_JAZZY)
        self._writer = Writer(self._folder, version=9, storage_plugin=StoragePlugin.MCAP)
        self._writer.open()
        self._subscribed: dict[str, Any] = {}

    def unload(self) -> None:
        """Close the bag; the file takes its final name."""
        writer = self.__dict__.pop("_writer", None)
        if writer is None:
            return
        writer.close()
        made = next(self._folder.glob("*.mcap"))
        made.replace(self._output)
        shutil.rmtree(self._folder)
        self.get_logger().info(f"wrote {self._output}")

    def start(self) -> None:
        """Subscribe what is published already, and the rest as it comes."""
        self._discovery = self.create_timer(DISCOVERY_S, self._subscribe_new)
        self._subscribe_new()

    def stop(self) -> None:
        """Unsubscribe."""
        self.destroy_timer(self._discovery)
        for subscription in self._subscribed.values():
            if subscription is not None:
                self.destroy_subscription(subscription)
        self._subscribed.clear()

    def _subscribe_new(self) -> None:
        for topic in self.values["topics"]:
            if topic in self._subscribed:
                continue
            publishers = self.get_publishers_info_by_topic(topic)
            if not publishers:
                continue
            self._subscribed[topic] = None
            try:
                self._subscribed[topic] = self._subscribe(topic, publishers)
            except Exception as error:  # one type that is not known here must not stop the others
                self.report(topic, f"cannot record {topic} ({publishers[0].topic_type}): {error!r}")

    def _subscribe(self, topic: str, publishers: list[Any]) -> Any:
        kind = publishers[0].topic_type
        connection = self._writer.add_connection(topic, kind, typestore=with_type(self._types, kind))

        def take(data: bytes) -> None:
            self._writer.write(connection, self.get_clock().now().nanoseconds, data)
            self.monitor.count("received")

        return self.create_subscription(
            message_class(kind),
            topic,
            take,
            matching(publishers),
            event_callbacks=SubscriptionEventCallbacks(matched=self._announce(topic)),
            raw=True,
        )

    def _announce(self, topic: str) -> Callable[[QoSSubscriptionMatchedInfo], None]:
        """Say when the connection stands: from then on nothing is missed."""

        def on_match(event: QoSSubscriptionMatchedInfo) -> None:
            if event.current_count_change > 0:
                self.get_logger().info(f"recording {topic}")

        return on_match


def matching(publishers: list[Any]) -> QoSProfile:
    """The most reliable quality that all publishers offer."""
    offered = {p.qos_profile.reliability for p in publishers}
    return qos.newest(DEPTH) if ReliabilityPolicy.BEST_EFFORT in offered else qos.results(DEPTH)


def message_class(kind: str) -> Any:
    """The class of ``package/msg/Name``."""
    package, _, name = kind.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), name)


def with_type(types: Typestore, kind: str) -> Typestore:
    """The type store, after it has learnt a type that rosbags does not know, from its package."""
    if kind in types.fielddefs:
        return types
    package = kind.split("/")[0]
    for path in (Path(get_package_share_directory(package)) / "msg").glob("*.msg"):
        found = get_types_from_msg(path.read_text(encoding="utf-8"), f"{package}/msg/{path.stem}")
        types.register(found)
    return types


def main() -> int:
    """Entry of ``ros2 run posemo_ros recorder``."""
    return run(RecorderNode)


if __name__ == "__main__":
    sys.exit(main())
