"""Results of another station, in order and none skipped, to a worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rclpy.qos import QoSProfile

from . import qos
from .station import Station

QUEUE = 30


class ResultInput:
    """Subscribes results and calls back with each message in the worker's thread.

    Windows of movement need every result, so up to ``QUEUE`` of them wait; those beyond are
    counted as dropped. Everything ends when the station stops.

    Args:
        station: The node.
        topics: Message type and callback by topic; one queue for all keeps their order.
        optional: Those of the topics that are only subscribed while wanted, and their quality.
    """

    def __init__(
        self,
        station: Station[Any, Any],
        topics: Mapping[str, tuple[type, Callable[[Any], None]]],
        *,
        optional: Mapping[str, QoSProfile] | None = None,
    ) -> None:
        self._station = station
        self._topics = topics
        self._optional = optional or {}
        self._worker = station.worker(_call, capacity=QUEUE)
        self._leave: dict[str, Callable[[], None]] = {}
        for topic in topics:
            self.want(topic, topic not in self._optional)

    def want(self, topic: str, wanted: bool) -> None:
        """Subscribe or leave a topic."""
        if wanted and topic not in self._leave:
            self._leave[topic] = self._subscribe(topic)
        elif not wanted and topic in self._leave:
            self._leave.pop(topic)()

    def _subscribe(self, topic: str) -> Callable[[], None]:
        kind, work = self._topics[topic]

        def take(message: Any) -> None:
            self._station.monitor.count("received")
            self._worker.put(lambda: work(message))

        return self._station.subscribe(kind, topic, take, self._optional.get(topic) or qos.results(QUEUE))


def _call(call: Callable[[], None]) -> None:
    call()
