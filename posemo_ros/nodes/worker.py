"""One thread that does the work, so that callbacks only hand things over."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from ..diagnostics import BUSY, STOPPED

T = TypeVar("T")


class Worker(Generic[T]):
    """Works on items in another thread, the oldest waiting first.

    Args:
        work: Called with one item at a time.
        on_error: Called with what ``work`` raised; the worker goes on with the next item.
        on_drop: Called with the reason when an item was thrown away, see ``diagnostics``: ``busy``,
            newer ones fill the queue, or ``stopped``, the end came first.
        capacity: So many items wait at most; 1: only the newest counts.
    """

    def __init__(
        self,
        work: Callable[[T], None],
        *,
        on_error: Callable[[Exception], None],
        on_drop: Callable[[str], None],
        capacity: int = 1,
    ) -> None:
        self._work = work
        self._on_error = on_error
        self._on_drop = on_drop
        self._capacity = capacity
        self._waiting: deque[T] = deque()
        self._changed = threading.Condition()
        self._stopping = self._left_behind = False
        self._current: tuple[T, float] | None = None
        self._thread = threading.Thread(target=self._run, name="posemo worker", daemon=True)
        self._thread.start()

    def put(self, item: T) -> None:
        """Hand over an item; never blocks."""
        with self._changed:
            if self._stopping:
                return
            full = len(self._waiting) >= self._capacity
            if full:
                self._waiting.popleft()
            self._waiting.append(item)
            self._changed.notify()
        if full:
            self._on_drop(BUSY)

    @property
    def current(self) -> tuple[T, float] | None:
        """The item at work and for how many seconds; None when there is none."""
        current = self._current
        return current and (current[0], time.monotonic() - current[1])

    @property
    def alive(self) -> bool:
        """Whether the thread still runs."""
        return self._thread.is_alive()

    def stop(self, patience_s: float) -> bool:
        """Finish what waits and end the thread, or give up on it.

        Args:
            patience_s: So long at most; what still waits then is dropped, and the thread left to
                end after the item at work, of which nothing is reported any more.

        Returns:
            Whether everything was done.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(patience_s)
        with self._changed:
            if not self._thread.is_alive():
                return True
            self._left_behind = True
            dropped = len(self._waiting)
            self._waiting.clear()
        for _ in range(dropped):
            self._on_drop(STOPPED)
        return False

    def join(self, patience_s: float) -> bool:
        """Wait for a thread that was left; whether it has ended."""
        self._thread.join(patience_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                if not self._waiting:
                    return
                item = self._waiting.popleft()
                self._current = (item, time.monotonic())
            try:
                self._work(item)
            except Exception as error:  # whatever one item does, the next one gets its turn
                if not self._left_behind:
                    self._on_error(error)
            finally:
                self._current = None
                del item
