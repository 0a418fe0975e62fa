"""One thread that does the work, so that callbacks only hand things over."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Worker(Generic[T]):
    """Works on items in another thread, the oldest waiting first.

    Args:
        work: Called with one item at a time.
        on_error: Called with what ``work`` raised; the worker goes on with the next item.
        on_drop: Called when an item was thrown away because newer ones fill the queue.
        capacity: So many items wait at most; 1: only the newest counts.
    """

    def __init__(
        self,
        work: Callable[[T], None],
        *,
        on_error: Callable[[Exception], None],
        on_drop: Callable[[], None],
        capacity: int = 1,
    ) -> None:
        self._work = work
        self._on_error = on_error
        self._on_drop = on_drop
        self._capacity = capacity
        self._waiting: deque[T] = deque()
        self._changed = threading.Condition()
        self._stopping = False
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
            self._on_drop()

    def stop(self) -> None:
        """Finish what waits, then end the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                if not self._waiting:
                    return
                item = self._waiting.popleft()
            try:
                self._work(item)
            except Exception as error:  # whatever one item does, the next one gets its turn
                self._on_error(error)
