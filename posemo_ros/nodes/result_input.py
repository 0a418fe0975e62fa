"""Results of another station, in order and none skipped, to a worker."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from rclpy.qos import QoSProfile

from .. import diagnostics as keys
from . import qos
from .base import L, P
from .senders import Senders
from .station import Station
from .watch import TopicWatch

QUEUE = 30


@dataclass(frozen=True)
class _Job:
    message: Any
    work: Callable[[Any], None]


class ResultInput:
    """Subscribes results and calls back with each message in the worker's thread.

    Windows of movement need every result, so up to ``QUEUE`` of them wait; those beyond are
    counted as dropped. Everything ends when the station stops.

    Args:
        station: The node.
        topics: Message type and callback by topic; one queue for all keeps their order.
        required: Those of the topics without which the node has nothing to do; the others are
            watched once they have come.
        optional: Those of the topics that are only subscribed while wanted, and their quality.
    """

    def __init__(
        self,
        station: Station[Any, Any],
        topics: Mapping[str, tuple[type, Callable[[Any], None]]],
        *,
        required: Collection[str],
        optional: Mapping[str, QoSProfile] | None = None,
    ) -> None:
        self._station = station
        self._topics = topics
        self._optional = optional or {}
        self._worker = station.worker(_work, capacity=QUEUE)
        self._leave: dict[str, Callable[[], None]] = {}
        self._watches = {
            topic: TopicWatch(station, kind, topic, required=topic in required)
            for topic, (kind, _) in topics.items()
            if topic not in self._optional
        }
        self._senders = {
            topic: Senders(station, station.resolve_topic_name(topic), "results", "people are mixed up")
            for topic, (kind, _) in topics.items()
            if kind.__module__.startswith("posemo_msgs.")
        }
        for topic in topics:
            self.want(topic, topic not in self._optional)

    def tick(self) -> None:
        """Complain when nothing comes."""
        for watch in self._watches.values():
            watch.check(self._station.watched.stall_s)
        for senders in self._senders.values():
            senders.check()

    def want(self, topic: str, wanted: bool) -> None:
        """Subscribe or leave a topic."""
        if wanted and topic not in self._leave:
            self._leave[topic] = self._subscribe(topic)
        elif not wanted and topic in self._leave:
            self._leave.pop(topic)()

    def _subscribe(self, topic: str) -> Callable[[], None]:
        kind, work = self._topics[topic]
        watch, senders = self._watches.get(topic), self._senders.get(topic)

        def take(message: Any, about: Mapping[str, Any]) -> None:
            if watch is not None:
                watch.came()
            if senders is not None:
                senders.came(about)
            self._station.monitor.count(keys.RECEIVED)
            self._worker.put(_Job(message, work))

        return self._station.subscribe(kind, topic, take, self._optional.get(topic) or qos.results(QUEUE))


def _work(job: _Job) -> None:
    job.work(job.message)


class ResultStation(Station[P, L]):
    """A node that works on results; derived classes say in ``start`` which (``listen``)."""

    def listen(self, **inputs: Any) -> ResultInput:
        """Subscribe until the node stops, see ``ResultInput``."""
        return self.watch_input(ResultInput(self, **inputs))
