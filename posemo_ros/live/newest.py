"""The newest image of a source, at the source's own pace."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

from ..replay.source import Source
from ..types import Frame

WAIT_S = 0.2


class Arrived(NamedTuple):
    """An image and when it was there, in seconds of ``time.monotonic``."""

    frame: Frame
    at_s: float


class Newest:
    """Reads a source in a thread; who is slow leaves images out and stays in the present.

    Args:
        source: A live one is read as fast as it gives, another at the pace of its stamps.
        loop: Begin again at the end.

    Attributes:
        left_out: Images that a newer one has overtaken.
    """

    def __init__(self, source: Source, *, loop: bool = False) -> None:
        self._source = source
        self._loop = loop
        self._changed = threading.Condition()
        self._newest: Arrived | None = None
        self._error: Exception | None = None
        self._ended = False
        self._stopping = threading.Event()
        self.left_out = 0
        self._thread = threading.Thread(target=self._read, name="posemo source", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Arrived | None]:
        """Images as they come, None now and then while none comes; ends with the source.

        Raises:
            Exception: What reading the source raised.
        """
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest or self._ended, WAIT_S)
                arrived, self._newest = self._newest, None
                ended = self._ended
            if arrived is None and ended:
                break
            yield arrived
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Read no more."""
        self._stopping.set()

    def _read(self) -> None:
        try:
            while not self._stopping.is_set():
                self._once()
                if not self._loop or self._source.live:
                    break
        except Exception as error:  # told by who iterates
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _once(self) -> None:
        start: tuple[float, int] | None = None
        for frame in self._source:
            if start is None:
                start = time.monotonic(), frame.stamp_ns
            if not self._source.live:
                due = start[0] + (frame.stamp_ns - start[1]) * 1e-9
                self._stopping.wait(max(0.0, due - time.monotonic()))
            if self._stopping.is_set():
                return
            with self._changed:
                self.left_out += self._newest is not None
                self._newest = Arrived(frame, time.monotonic())
                self._changed.notify_all()
