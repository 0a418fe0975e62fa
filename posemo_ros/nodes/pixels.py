"""Which topics may be recorded where people must not be recognised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rclpy.node import Node
from rclpy.parameter_client import AsyncParameterClient
from rclpy.task import Future
from rosbags.interfaces import Nodetype
from rosbags.typesys.store import Typestore

from ..draw.privacy import Privacy

PARAMETER = "privacy"
BYTES = ("uint8", "byte", "char", "octet")
LONGEST_ID = 64  # bytes of an array of fixed length that is no picture: an identifier or a digest
FEATURES = ("posemo_msgs/msg/ContextFeatures",)  # of the whole picture, from which one can be guessed


def may_show_people(types: Typestore, kind: str) -> bool:
    """Whether a type can carry a picture: it has a field of any number of bytes, or many, at any depth."""
    return kind in FEATURES or any(_holds_bytes(types, *field) for _, field in types.fielddefs[kind][1])


def _holds_bytes(types: Typestore, node: Nodetype, what: Any) -> bool:
    if node is Nodetype.BASE:
        return False
    if node is Nodetype.NAME:
        return may_show_people(types, what)
    (inner, kind), length = what
    if inner is Nodetype.BASE:
        return kind[0] in BYTES and (node is Nodetype.SEQUENCE or length > LONGEST_ID)
    return _holds_bytes(types, inner, kind)


class PublisherPrivacy:
    """Asks the nodes that publish a topic for their parameter ``privacy``.

    Args:
        node: That asks.
        wanted: What the topic must not go beyond.
    """

    def __init__(self, node: Node, wanted: Privacy) -> None:
        self._node, self._wanted = node, wanted
        self._clients: dict[str, AsyncParameterClient] = {}
        self._asked: dict[bytes, Future] = {}

    def close(self) -> None:
        """Forget all answers."""
        for future in self._asked.values():
            future.cancel()
        self._asked.clear()
        self._clients.clear()

    def complaint(self, publishers: Sequence[Any]) -> str | None:
        """Why what these publish must not be recorded; empty when it may be, None while that is not known.

        Args:
            publishers: As ``Node.get_publishers_info_by_topic`` gives them.
        """
        answers = {(name := _name(p)): self._answer(name, bytes(p.endpoint_gid)) for p in publishers}
        for name, answer in answers.items():
            if answer is not None and not self._keeps(answer):
                state = f"has {PARAMETER}:={answer}" if answer else f"has no parameter {PARAMETER}"
                return f"{name} {state}"
        return None if None in answers.values() else ""

    def _keeps(self, answer: str) -> bool:
        return answer in list(Privacy) and self._wanted.allows(Privacy(answer))

    def _answer(self, name: str, publisher: bytes) -> str | None:
        """What the node says; a node that was started again is asked again."""
        if publisher not in self._asked:
            client = self._clients.setdefault(name, AsyncParameterClient(self._node, name))
            if not client.services_are_ready():
                return None
            self._asked[publisher] = client.get_parameters([PARAMETER])
        future = self._asked[publisher]
        if not future.done():
            return None
        answer = future.result()
        return str(answer.values[0].string_value) if answer is not None and answer.values else ""


def _name(publisher: Any) -> str:
    return f"{publisher.node_namespace.rstrip('/')}/{publisher.node_name}"
