"""Whether the messages of a topic come, and what to say when they do not."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from posemo_msgs.msg import Statistics

from . import qos
from .base import STATISTICS, PosemoNode, qos_key
from .monitor import ERROR, OK, WARN

SLOW_TOPIC = 3.0  # times the distance of messages that may pass before a topic counts as silent
ALIVE_S = 2.0
MEET_S = 1.0
NOTICE_S = 0.6  # until a neighbour has noticed what we have, and says so
REPEAT_S = 10.0
RAW, JPEG = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
JPEG_ADVICE = (
    "set image_transport to compressed and name the topic without /compressed, or, for one that is called "
    "otherwise, remap IMAGE/compressed to it"
)

Hint = Callable[[], str]


@dataclass(frozen=True)
class Silence:
    """Why nothing comes; ``of_well``: from a node that has nothing to complain of."""

    level: bytes
    text: str
    of_well: bool = False


class TopicWatch:
    """Watches one subscribed topic.

    Args:
        node: The subscriber.
        kind, topic: Type and name of the topic.
        required: Whether it must come from the beginning; otherwise only once it has come.
        hint: What else may be said of a topic that has publishers but is silent.
        clock: Seconds.
    """

    def __init__(
        self,
        node: PosemoNode[Any, Any],
        kind: type,
        topic: str,
        *,
        required: bool = True,
        hint: Hint = lambda: "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._node = node
        self._kind = kind
        self.topic = node.resolve_topic_name(topic)
        self._required = required
        self._hint = hint
        self._clock = clock
        self._began = self._logged = clock()
        self._last: float | None = None
        self._distance = 0.0
        self._failed = False
        self._upstream: dict[str, _Upstream] = {}
        self._met = -MEET_S
        node.on_stop(lambda: node.monitor.clear(self._key))

    @property
    def _key(self) -> str:
        return f"silent {self.topic}"

    def came(self) -> None:
        """A message has arrived."""
        now = self._clock()
        if self._last is not None:
            self._distance = max(now - self._last, 0.8 * self._distance)
        self._last = now

    def check(self, stall_s: float) -> None:
        """Raise or end the problem in the node's diagnostics, and log it now and then."""
        silence = self._silence(stall_s)
        monitor, log = self._node.monitor, self._node.get_logger()
        if silence is None:
            if monitor.clear(self._key) and self._failed:
                monitor.clear(qos_key(self.topic))
                log.info(f"messages on {self.topic} again")
            self._failed = False
            return
        new = monitor.problem(self._key, silence.text, silence.level)
        self._failed |= silence.level == ERROR
        if self._waiting(stall_s) or not (new or self._clock() - self._logged > REPEAT_S):
            return
        self._logged = self._clock()
        if silence.level == ERROR:
            log.warning(silence.text)
        elif new:
            log.info(silence.text)

    def _waiting(self, stall_s: float) -> bool:
        return self._last is None and self._clock() - self._began < stall_s

    def _silence(self, stall_s: float) -> Silence | None:
        self._meet_publishers()
        if self._last is None and not self._required:
            return None
        if self._waiting(stall_s):
            return Silence(WARN, f"waiting for the first message on {self.topic}")
        limit_s = max(stall_s, SLOW_TOPIC * self._distance)
        if self._clock() - (self._last or self._began) < limit_s:
            return None
        return self._explain(f"no message on {self.topic} for {limit_s:.3g} s", limit_s)

    def _explain(self, text: str, limit_s: float) -> Silence | None:
        publishers = qos.describe_publishers(self._node, self.topic)
        if not publishers:
            if self._last is not None and not self._failed:
                return Silence(WARN, f"{self.topic} has ended: its publisher has left")
            return Silence(ERROR, f"{text}: nobody publishes it {self._others()}")
        for upstream in self._upstream.values():
            if cause := upstream.cause((self._last or self._began) + limit_s):
                # A scene may be encoded once in minutes: its encoder knows whether that is right.
                well = not self._required and cause.of_well
                return None if well else Silence(cause.level, f"{text}: {cause.text}")
        wanted = self._clash() or f"this node asks for {qos.describe_own(self._node, self.topic)}"
        parts = (f"{text}: publishers seen: {publishers}", wanted, self._hint())
        return Silence(ERROR, "; ".join(filter(None, parts)))

    def _clash(self) -> str:
        """What to say when everybody publishes another type under this name: the two never meet."""
        types = {info.topic_type for info in self._node.get_publishers_info_by_topic(self.topic)}
        if self._kind_name in types:
            return ""
        advice = JPEG_ADVICE if types == {JPEG} and self._kind_name == RAW else "name the right topic"
        return f"this node takes {self._kind_name} under this name: {advice}"

    @property
    def _kind_name(self) -> str:
        return f"{self._kind.__module__.split('.')[0]}/msg/{self._kind.__name__}"

    def _others(self) -> str:
        others = [
            name
            for name, types in self._node.get_topic_names_and_types()
            if self._kind_name in types and name != self.topic and self._node.count_publishers(name)
        ]
        return f"(published {self._kind.__name__} topics: {', '.join(others) or 'none'})"

    def _meet_publishers(self) -> None:
        """Listen to the statistics of nodes that publish the topic, where they have such."""
        if self._kind.__module__.partition(".")[0] != "posemo_msgs":
            return
        if self._clock() - self._met < MEET_S:
            return
        self._met = self._clock()
        for info in self._node.get_publishers_info_by_topic(self.topic):
            name = f"{info.node_namespace.rstrip('/')}/{info.node_name}"
            if name not in self._upstream:
                self._upstream[name] = _Upstream(self._node, name, self._clock)


class _Upstream:
    """A node that publishes what is waited for."""

    def __init__(self, node: PosemoNode[Any, Any], name: str, clock: Callable[[], float]) -> None:
        self._name = name
        self._clock = clock
        self._heard: tuple[float, Statistics] | None = None
        made = node.create_subscription(Statistics, f"{name}/{STATISTICS}", self._take, qos.results())
        node.on_stop(lambda: node.destroy_subscription(made))

    def _take(self, message: Statistics) -> None:
        self._heard = (self._clock(), message)

    def cause(self, silent_since: float) -> Silence | None:
        """What the node says of itself; that it is gone; nothing when it never said anything.

        What it said before it may have known counts for nothing: its next word is waited for.
        """
        if self._heard is None:
            return None
        at, status = self._heard
        now = self._clock()
        if now - at > ALIVE_S:
            return Silence(ERROR, f"{self._name} does not answer any more; has its process ended?")
        if status.level == OK[0] and at < silent_since + NOTICE_S:
            return Silence(WARN, f"waiting for {self._name} to say why", of_well=True)
        if status.level == OK[0]:
            return Silence(ERROR, f"{self._name} is well but publishes nothing", of_well=True)
        return Silence(bytes([status.level]), f"{self._name} says: {status.message}")
