"""Images in the order of their stamps, where a driver or recorder mixed up neighbours."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator

from ..types import Frame

WINDOW = 8  # images held back
RESTART_NS = 1_000_000_000  # a step back by so much is a new start, not a late image


class InOrder:
    """Sorts late images in; the time of a stream that starts again is left alone.

    Attributes:
        moved: Images that came after a newer one and were sorted in.
    """

    def __init__(self) -> None:
        self.moved = 0

    def sorted(self, frames: Iterable[Frame]) -> Iterator[Frame | None]:
        """The frames in order; None in place of one that comes too late to be sorted in."""
        waiting: list[tuple[int, int, Frame]] = []  # stamp, number, frame
        newest_ns = last_ns = -(2**63)
        for number, frame in enumerate(frames):
            stamp = frame.stamp_ns
            if newest_ns - stamp > RESTART_NS:
                yield from (f for _, _, f in waiting)
                waiting, newest_ns, last_ns = [], -(2**63), -(2**63)
            if stamp < last_ns:
                yield None
                continue
            self.moved += stamp < newest_ns
            newest_ns = max(newest_ns, stamp)
            bisect.insort(waiting, (stamp, number, frame), key=_place)
            if len(waiting) > WINDOW:
                last_ns, _, first = waiting.pop(0)
                yield first
        yield from (f for _, _, f in waiting)


def _place(item: tuple[int, int, Frame]) -> tuple[int, int]:
    return item[:2]
