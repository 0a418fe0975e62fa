"""Writes topics into a rosbag2 (MCAP) that carries its own message definitions.

Where ROS is installed, ``ros2 bag record`` does the same and more; this one needs no more than
the package itself.
"""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from rclpy.clock import Clock, ClockType
from rclpy.event_handler import QoSSubscriptionMatchedInfo, SubscriptionEventCallbacks
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from .. import diagnostics as keys
from ..errors import InputError
from . import qos
from .base import PosemoNode
from .parameters import RecorderParameters
from .run import run

DISCOVERY_S = 0.1
DEPTH = 100


@dataclass(frozen=True)
class Bag:
    """The file under way: a folder beside it that becomes the file when it is closed."""

    output: Path
    folder: Path
    writer: Writer
    types: Typestore

    def close(self) -> None:
        """Finish the bag; the file takes its final name."""
        self.writer.close()
        made = next(self.folder.glob("*.mcap"))
        made.replace(self.output)
        shutil.rmtree(self.folder)


class RecorderNode(PosemoNode[RecorderParameters, Bag]):
    """Everything of the parameter topics -> one .mcap file, complete once the node has stopped."""

    kind = "recorder"

    def load(self) -> Bag:
        """Make the file."""
        output = Path(self.params.output)
        folder = output.with_name(output.name + ".part")
        for path in (output, folder):
            if path.exists():
                raise InputError(f"parameter output: {path} exists already; remove it or choose another name")
        writer = Writer(folder, version=9, storage_plugin=StoragePlugin.MCAP)
        writer.open()
        self.on_free(lambda: self.get_logger().info(f"wrote {output}"))
        bag = Bag(output, folder, writer, get_typestore(Stores.ROS2_JAZZY))
        self.on_free(bag.close)
        return bag

    def start(self, loaded: Bag) -> None:
        """Subscribe what is published already, and the rest as it comes."""
        subscribed: set[str] = set()
        discovery = self.create_timer(
            DISCOVERY_S,
            lambda: self._subscribe_new(loaded, subscribed),
            clock=Clock(clock_type=ClockType.STEADY_TIME),  # also while /clock stands still
        )
        self.on_stop(lambda: self.destroy_timer(discovery))
        self._subscribe_new(loaded, subscribed)

    def _subscribe_new(self, bag: Bag, subscribed: set[str]) -> None:
        for topic in self.params.topics:
            if topic in subscribed:
                continue
            publishers = self.get_publishers_info_by_topic(topic)
            if not publishers:
                continue
            subscribed.add(topic)
            try:
                self._record(bag, topic, publishers)
            except Exception as error:  # one type that is not known here must not stop the others
                self.report(topic, f"cannot record {topic} ({publishers[0].topic_type}): {error!r}")

    def _record(self, bag: Bag, topic: str, publishers: list[Any]) -> None:
        kind = publishers[0].topic_type
        connection = bag.writer.add_connection(topic, kind, typestore=with_type(bag.types, kind))

        def take(data: bytes) -> None:
            bag.writer.write(connection, self.get_clock().now().nanoseconds, data)
            self.monitor.count(keys.RECEIVED)

        made = self.create_subscription(
            message_class(kind),
            topic,
            take,
            matching(publishers),
            event_callbacks=SubscriptionEventCallbacks(matched=self._announce(topic)),
            raw=True,
        )
        self.on_stop(lambda: self.destroy_subscription(made))

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
