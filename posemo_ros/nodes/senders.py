"""Whether several send on one topic, which mixes up what belongs to each."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from . import qos
from .base import PosemoNode

CHECK_S = 2.0
NOT_NUMBERED = 2**64 - 1  # rmw's word for it


class Senders:
    """Notices that the numbers, which each sender counts, do not grow any more, and names the senders.

    Args:
        node: The subscriber; what was said ends when it stops.
        topic: Its resolved name.
        what: Comes on it, in words.
        mixed: What then is wrong, in words.
    """

    def __init__(self, node: PosemoNode[Any, Any], topic: str, what: str, mixed: str) -> None:
        self._node, self._topic, self._what, self._mixed = node, topic, what, mixed
        self._last = self._steps_back = 0
        self._since = time.monotonic()
        node.on_stop(lambda: node.monitor.clear(self._key))

    @property
    def _key(self) -> str:
        return f"senders {self._topic}"

    def came(self, about: Mapping[str, Any]) -> None:
        """A message, with what the middleware knows of it."""
        number = int(about.get("publication_sequence_number") or 0)
        if number in (0, NOT_NUMBERED):
            return
        self._steps_back += number <= self._last
        self._last = number

    def check(self) -> None:
        """Raise or end the problem in the node's diagnostics; one sender that was started again is none."""
        if time.monotonic() - self._since < CHECK_S:
            return
        several = self._steps_back > 1
        self._steps_back, self._since = 0, time.monotonic()
        self._node.warn(self._key, self._words() if several else "")

    def _words(self) -> str:
        publishers = qos.describe_publishers(self._node, self._topic)
        return (
            f"{self._topic}: {self._what} of several senders in turn ({publishers}): {self._mixed}; give "
            "every camera a topic, and a chain in a namespace of its own"
        )
