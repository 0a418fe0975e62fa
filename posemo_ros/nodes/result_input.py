"""Results of another station, in order and none skipped, to a worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rclpy.qos import QoSProfile

from . import qos
from .station import Station
from .worker import Worker

QUEUE = 30


class ResultInput:
    """Subscribes results and calls back with each message in the worker's thread.

    Windows of movement need every result, so up to ``QUEUE`` of them wait; those beyond are
    counted as dropped.

    Args:
        station: The node.
        topics: Message type and callback by topic; one queue for all keeps their order.
        optional: Those of the topics that are only subscribed while wanted, and their quality.
    """

    def __init__(
        self,
        station: Station,
        topics: Mapping[str, tuple[type, Callable[[Any], None]]],
        *,
        optional: Mapping[str, QoSProfile] | None = None,
    ) -> None:
        self._station = station
        self._topics = topics
        self._optional = optional or {}
        self._worker: Worker[Callable[[], None]] = Worker(
            lambda call: call(),
            on_error=station.report_failure,
            on_drop=lambda: station.monitor.count("dropped"),
            capacity=QUEUE,
        )
        self._subscriptions: dict[str, Any] = {}
        for topic in topics:
            self.want(topic, topic not in self._optional)

    def want(self, topic: str, wanted: bool) -> None:
        """Subscribe or leave a topic."""
        if wanted and topic not in self._subscriptions:
            self._subscriptions[topic] = self._subscribe(topic)
        elif not wanted and topic in self._subscriptions:
            self._station.destroy_subscription(self._subscriptions.pop(topic))

    def close(self) -> None:
        """Unsubscribe; returns when everything that waited is done."""
        for topic in self._topics:
            self.want(topic, False)
        self._worker.stop()

    def _subscribe(self, topic: str) -> Any:
        kind, work = self._topics[topic]
        profile = self._optional.get(topic) or qos.results(QUEUE)

        def take(message: Any) -> None:
            self._station.monitor.count("received")
            self._worker.put(lambda: work(message))

        return self._station.create_subscription(
            kind,
            topic,
            take,
            profile,
            event_callbacks=qos.log_incompatible(self._station, topic, profile),
            qos_overriding_options=qos.overridable(),
        )
