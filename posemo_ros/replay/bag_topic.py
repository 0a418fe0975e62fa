"""What a bag is made of: topics, and files that give their messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Topic:
    """One topic of a bag.

    Attributes:
        name: Of the topic.
        kind: Type of its messages, ``package/msg/Name``.
        count: Messages.
        encoding: How they are serialised: ``cdr`` or ``ros1``; others cannot be read.
        definition: Of the type, as the bag has it; empty where it has none.
    """

    name: str
    kind: str
    count: int
    encoding: str = "cdr"
    definition: str = ""


def kind_of(name: str) -> str:
    """``package/msg/Name`` of a type's name.

    ROS 1 bags that were converted to MCAP have ``package/Name``, recorders of DDS ``package::msg::Name`` or
    ``package::msg::dds_::Name_``.
    """
    if "::dds_::" in name:
        name = name.replace("::dds_::", "::").removesuffix("_")
    name = name.replace("::", "/")
    package, _, rest = name.partition("/")
    return f"{package}/msg/{rest}" if rest and "/" not in rest else name


class BagFile(Protocol):
    """One file of a bag."""

    topics: list[Topic]
    span_ns: tuple[int, int]  # first and last time of recording; (0, 0) when there is nothing
    cut_off: str  # file and reason where it ends in the middle, or ""; complete after reading

    def messages(self, names: set[str]) -> Iterator[tuple[str, int, bytes]]:
        """(topic, time of recording in ns, serialised message), in the order of time."""
