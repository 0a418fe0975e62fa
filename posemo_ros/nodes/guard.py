"""Waits until the results of an image are there, whatever their types."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rclpy.event_handler import QoSSubscriptionMatchedInfo, SubscriptionEventCallbacks

from ..messages import stamp_of
from . import qos
from .graph import message_class, subscribers

if TYPE_CHECKING:
    from .base import PosemoNode

DISCOVERY_S = 0.1
POLL_S = 0.05


class LockstepGuard:
    """Every topic has to bring a message with the stamp of the newest image.

    Args:
        node: Subscribes.
        topics: Names, relative to the node; none: nothing is waited for.
    """

    def __init__(self, node: PosemoNode[Any, Any], topics: Iterable[str]) -> None:
        self._node = node
        self._changed = threading.Condition()
        self._expected_ns = 0
        self._newest_ns: dict[str, int] = {node.resolve_topic_name(topic): 0 for topic in topics if topic}
        self._subscribed: set[str] = set()
        self._connected: set[str] = set()

    def subscribe_new(self) -> None:
        """Subscribe topics that somebody publishes by now; the type is the publisher's."""
        for topic in self._newest_ns.keys() - self._subscribed:
            publishers = self._node.get_publishers_info_by_topic(topic)
            if publishers:
                self._subscribe(topic, publishers[0].topic_type)
                self._subscribed.add(topic)

    def _subscribe(self, topic: str, kind: str) -> None:
        def take(message: Any) -> None:
            with self._changed:
                stamp = _stamp_of(message)
                # An array of nothing has no stamp; only the newest image can have led to it.
                self._newest_ns[topic] = self._expected_ns if stamp is None else stamp
                self._changed.notify_all()

        def on_match(event: QoSSubscriptionMatchedInfo) -> None:
            if event.current_count:
                self._connected.add(topic)

        made = self._node.create_subscription(
            message_class(kind),
            topic,
            take,
            qos.results(),
            event_callbacks=SubscriptionEventCallbacks(matched=on_match),
        )
        self._node.on_stop(lambda: self._node.destroy_subscription(made))

    def missing(self) -> list[str]:
        """Topics whose messages would not arrive here yet."""
        return sorted(self._newest_ns.keys() - self._connected)

    def listeners(self) -> frozenset[tuple[str, str]]:
        """(topic, node) of everybody who subscribes one of the topics; empty when nothing is waited for."""
        return frozenset((t, name) for t in self._newest_ns for name in subscribers(self._node, t))

    def expect(self, stamp_ns: int) -> None:
        """From now on the results of this image are waited for."""
        with self._changed:
            self._expected_ns = stamp_ns
            for topic, newest in self._newest_ns.items():
                self._newest_ns[topic] = min(newest, stamp_ns - 1)  # several images may have one stamp

    def unanswered(self) -> list[str]:
        """Topics without the result of the newest image."""
        with self._changed:
            return sorted(t for t, newest in self._newest_ns.items() if newest < self._expected_ns)

    def wait(self, timeout_s: float, stopping: threading.Event) -> bool:
        """Until all results are there; False after the timeout."""
        end = time.monotonic() + timeout_s
        with self._changed:
            while self._waits() and not stopping.is_set():
                if time.monotonic() > end:
                    return False
                self._changed.wait(POLL_S)
        return True

    def _waits(self) -> bool:
        return any(newest < self._expected_ns for newest in self._newest_ns.values())


def _stamp_of(message: Any) -> int | None:
    """The header's, or for an array without one that of its first element; None for an empty one."""
    if hasattr(message, "header"):
        return stamp_of(message)
    return next((stamp_of(marker) for marker in getattr(message, "markers", ())), None)
