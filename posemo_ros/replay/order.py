"""Images in the order of their stamps, where neighbours were mixed up; and how fast they come."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator

from ..types import Frame

WINDOW = 8  # images held back
RESTART_NS = 1_000_000_000  # a step back by so much is a new start, not a late image
PAUSE_NS = 5_000_000_000  # longer steps say nothing about the rate


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


class Pace:
    """How many images come in a second, by their stamps; pauses and jumps back do not count."""

    def __init__(self) -> None:
        self._steps = self._slow_steps = 0
        self._ns = self._slow_ns = 0

    def add(self, step_ns: int) -> None:
        """From one image to the next."""
        if 0 <= step_ns <= PAUSE_NS:
            self._steps, self._ns = self._steps + 1, self._ns + step_ns
        elif step_ns > 0:
            self._slow_steps, self._slow_ns = self._slow_steps + 1, self._slow_ns + step_ns

    @property
    def rate_hz(self) -> float:
        """Of images that come more seldom only where there are no others; 0 where time stands still."""
        if self._ns:
            return self._steps * 1e9 / self._ns
        return self._slow_steps * 1e9 / self._slow_ns if self._slow_ns else 0.0
