"""Writes topics into a rosbag2 (MCAP) that carries its own message definitions.

Where ROS is installed, ``ros2 bag record`` does the same and more; this one needs no more than
the package itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from rclpy.clock import Clock, ClockType
from rclpy.event_handler import QoSSubscriptionMatchedInfo, SubscriptionEventCallbacks
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from .. import diagnostics as keys
from ..draw.privacy import Privacy
from ..errors import InputError
from ..replay.mcap_file import McapFile
from ..topics import COMPRESSED
from . import qos
from .base import PosemoNode
from .graph import message_class
from .parameters import RecorderParameters
from .pixels import PARAMETER, PublisherPrivacy, may_show_people

DISCOVERY_S = 0.1
DEPTH = 100


@dataclass(frozen=True)
class Bag:
    """The file under way, and the types that can be written."""

    file: McapFile
    types: Typestore


class RecorderNode(PosemoNode[RecorderParameters, Bag]):
    """Everything of the parameter topics -> one .mcap file, complete once the node has stopped."""

    kind = "recorder"
    _failed = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._refused: set[str] = set()

    def load(self) -> Bag:
        """Make the file."""
        try:
            file = McapFile(Path(self.params.output))
        except InputError as error:
            raise InputError(f"parameter output: {error}") from error
        if file.aside:
            self.get_logger().warning(
                f"an earlier recording was cut off; what there is of it is now {file.aside} and can be read"
            )
        self.on_free(lambda: self._close(file))
        return Bag(file, get_typestore(Stores.ROS2_JAZZY))

    def _close(self, file: McapFile) -> None:
        try:
            self.get_logger().info(f"wrote {file.close()}")
        except OSError as error:
            self._fail(file, error)

    def _fail(self, file: McapFile, error: OSError) -> None:
        """End with 1: a recording with holes must not look like a whole one."""
        if not self._failed:
            self._failed = True
            self.report(
                "output",
                f"recording failed: {error.strerror or error}; what was written before is in "
                f"{file.path}.part and can be read. Make room and start again",
            )
        self.finish(1)

    def tick(self) -> None:
        """Bring what was received onto the disk, so that nothing older than a second can get lost."""
        super().tick()
        if self._loaded is not None and not self._failed:
            try:
                self._loaded.file.flush()
            except OSError as error:
                self._fail(self._loaded.file, error)

    def start(self, loaded: Bag) -> None:
        """Subscribe what is published already, and the rest as it comes."""
        subscribed: dict[str, Callable[[], None]] = {}
        asks = PublisherPrivacy(self, Privacy(self.params.privacy))
        self.on_stop(asks.close)
        discovery = self.create_timer(
            DISCOVERY_S,
            lambda: self._subscribe_new(loaded, subscribed, asks),
            clock=Clock(clock_type=ClockType.STEADY_TIME),  # also while /clock stands still
        )
        self.on_stop(lambda: self.destroy_timer(discovery))
        self._subscribe_new(loaded, subscribed, asks)

    def _subscribe_new(
        self, bag: Bag, subscribed: dict[str, Callable[[], None]], asks: PublisherPrivacy
    ) -> None:
        for topic in map(self._resolved, self.params.topics):
            publishers = self.get_publishers_info_by_topic(topic)
            if publishers and not self._may_record(bag, topic, publishers, asks):
                subscribed.pop(topic, _nothing)()
            elif publishers and topic not in subscribed:
                subscribed[topic] = self._record_or_say(bag, topic, publishers)

    def _record_or_say(self, bag: Bag, topic: str, publishers: list[Any]) -> Callable[[], None]:
        try:
            return self._record(bag, topic, publishers)
        except Exception as error:  # one type that is not known here must not stop the others
            self.report(topic, f"cannot record {topic} ({publishers[0].topic_type}): {error!r}")
            return _nothing

    def _may_record(self, bag: Bag, topic: str, publishers: list[Any], asks: PublisherPrivacy) -> bool:
        """Whether a topic shows no more than ``privacy`` lets through; says once what it leaves out."""
        kind, privacy = publishers[0].topic_type, Privacy(self.params.privacy)
        if privacy is Privacy.NONE or not self._may_show_people(bag, kind):
            return True
        complaint = asks.complaint(publishers)
        if complaint and topic not in self._refused:
            self._refused.add(topic)
            self.get_logger().warning(
                f"not recording {topic} ({kind}), since {PARAMETER} is {privacy.value} and {complaint}"
            )
        return complaint == ""

    def _may_show_people(self, bag: Bag, kind: str) -> bool:
        try:
            return may_show_people(with_type(bag.types, kind), kind)
        except (LookupError, OSError):  # a type that is not known here: who knows
            return True

    def _resolved(self, topic: str) -> str:
        """In the node's namespace; as in image_transport, a remapping of the image moves its JPEG, too."""
        base = topic.removesuffix(COMPRESSED)
        return str(self.resolve_topic_name(base)) + topic[len(base) :]

    def _record(self, bag: Bag, topic: str, publishers: list[Any]) -> Callable[[], None]:
        """Subscribe; what is returned ends it, and so does deactivation."""
        kind = publishers[0].topic_type
        number = bag.file.add_topic(topic, kind, with_type(bag.types, kind))

        def take(data: bytes) -> None:
            if self._failed:
                return
            try:
                bag.file.write(number, self.get_clock().now().nanoseconds, data)
            except OSError as error:
                self._fail(bag.file, error)
            self.monitor.count(keys.RECEIVED)

        made = self.create_subscription(
            message_class(kind),
            topic,
            take,
            matching(publishers),
            event_callbacks=SubscriptionEventCallbacks(matched=self._announce(topic)),
            raw=True,
        )
        standing = [made]

        def leave() -> None:
            if standing:
                self.destroy_subscription(standing.pop())

        self.on_stop(leave)
        return leave

    def _announce(self, topic: str) -> Callable[[QoSSubscriptionMatchedInfo], None]:
        """Say when the connection stands: from then on nothing is missed."""

        def on_match(event: QoSSubscriptionMatchedInfo) -> None:
            if event.current_count_change > 0:
                self.get_logger().info(f"recording {topic}")

        return on_match


def _nothing() -> None:
    """Nothing to end."""


def matching(publishers: list[Any]) -> QoSProfile:
    """The most reliable quality that all offer; with what all keep for those who come late (/tf_static)."""
    offered = {p.qos_profile.reliability for p in publishers}
    profile = qos.newest(DEPTH) if ReliabilityPolicy.BEST_EFFORT in offered else qos.results(DEPTH)
    if {p.qos_profile.durability for p in publishers} == {DurabilityPolicy.TRANSIENT_LOCAL}:
        profile.durability = DurabilityPolicy.TRANSIENT_LOCAL
    return profile


def with_type(types: Typestore, kind: str) -> Typestore:
    """The type store, after it has learnt a type that rosbags does not know, from its package."""
    if kind in types.fielddefs:
        return types
    package = kind.split("/")[0]
    for path in (Path(get_package_share_directory(package)) / "msg").glob("*.msg"):
        found = get_types_from_msg(path.read_text(encoding="utf-8"), f"{package}/msg/{path.stem}")
        types.register(found)
    return types
