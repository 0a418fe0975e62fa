"""Depth images of a bag, beside the pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..lift.depth import DepthImage
from ..lift.depth_images import DepthImages, NoDepth
from ..types import View
from .bag_files import open_bag
from .bag_images import stamp_of
from .order import RESTART_NS

AHEAD_NS = 500_000_000  # so much later may a depth image have been recorded than a newer one
BEHIND_NS = 1_000_000_000  # the lifter may wait for later pictures before it asks


class BagDepth:
    """Reads on in a bag as far as the pictures are, and finds the depth image of one.

    Args:
        path: Of the bag.
        topic: Its depth topic.
    """

    def __init__(self, path: Path, topic: str) -> None:
        self._path, self.topic = path, topic
        self._stack = ExitStack()
        self._placed = self._people = 0
        self._without: Counter[str] = Counter()
        self._unread: Counter[str] = Counter()
        self._asked_ns = 0
        self._begin()

    def close(self) -> None:
        """Let go of the bag."""
        self._stack.close()

    def at(self, view: View) -> DepthImage | None:
        """That of a picture; None when there is none that can be used, which is counted."""
        self._read_up_to(view.stamp_ns)
        try:
            return self._images.of(view)
        except NoDepth:
            self._without["none of their time"] += 1
        except InputError as error:
            self._without[str(error)] += 1
        return None

    def used(self, measured: int, people: int, reason: str) -> None:
        """Count for how many people of an image the depth was used."""
        self._placed += measured
        self._people += people

    def notes(self) -> list[str]:
        """What came of it, in sentences."""
        found = [f"{self.topic} placed {self._placed} of {self._people} skeletons in pictures with depth"]
        for reason, count in self._without.items():
            found.append(f"{count} pictures without depth, so distances are from the picture alone: {reason}")
        for reason, count in self._unread.items():
            found.append(f"{count} messages of {self.topic} cannot be read: {reason}")
        return found

    def _begin(self) -> None:
        self._stack.close()
        self._images, self._newest_ns = DepthImages(), -(2**63)
        self._messages = self._read()
        self._next: tuple[int, Any] | None = next(self._messages, None)

    def _read_up_to(self, stamp_ns: int) -> None:
        if stamp_ns < self._asked_ns - RESTART_NS:
            self._restart()
            self._asked_ns = stamp_ns
        self._asked_ns = max(stamp_ns, self._asked_ns)
        self._images.forget_before(self._asked_ns - BEHIND_NS)
        while self._next and self._newest_ns <= stamp_ns + AHEAD_NS and not self._starts_again():
            self._put_next()

    def _restart(self) -> None:
        """The pictures have stepped back in time: go to where the depth does, or to the first."""
        while self._next and not self._starts_again():
            self._put_next()
            self._images.forget_before(self._newest_ns)
        if self._next:
            self._images, self._newest_ns = DepthImages(), -(2**63)
        else:
            self._begin()

    def _starts_again(self) -> bool:
        return self._next is not None and self._next[0] < self._newest_ns - RESTART_NS

    def _put_next(self) -> None:
        assert self._next is not None
        stamp, message = self._next
        self._newest_ns = max(self._newest_ns, stamp)
        self._images.put(stamp, message)
        self._next = next(self._messages, None)

    def _read(self) -> Iterator[tuple[int, Any]]:
        """(stamp in ns, message); those that do not fit their type are left out and counted."""
        bag = self._stack.enter_context(open_bag(self._path))
        for topic, time_ns, raw in bag.messages([self.topic]):
            try:
                message = bag.read(topic, raw)
            except InputError as error:
                self._unread[str(error)] += 1
                continue
            yield stamp_of(message) or time_ns, message
