"""Results that wait for what belongs to the same image."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

KEPT = 30

V = TypeVar("V")


class ByStamp(OrderedDict[int, V]):
    """The ``KEPT`` newest values by stamp (ns), in the order of their coming."""

    def keep(self, stamp_ns: int, value: V) -> None:
        """Add one; the oldest goes where there are too many."""
        self[stamp_ns] = value
        while len(self) > KEPT:
            self.popitem(last=False)
