"""A node of the chain: input, networks that work in a thread of their own, results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import PosemoError
from .base import L, P, PosemoNode
from .worker import Worker

T = TypeVar("T")
LEFT_BEHIND_S = 1.0


class Station(PosemoNode[P, L]):
    """A node that works on messages; derived classes fill ``load``, ``start`` and ``apply``."""

    _applied: P | None = None
    _workers: tuple[Worker[Any], ...] = ()

    def apply(self, loaded: L, params: P) -> None:
        """Parameters have changed; in the worker's thread, between two messages."""

    @property
    def idle(self) -> bool:
        """Whether no work of the station is under way any more; then what it holds may be touched."""
        return not any(worker.alive for worker in self._workers)

    def await_idle(self) -> None:
        """Wait for work that a deactivation left behind; the networks know no second thread.

        Raises:
            PosemoError: It does not end.
        """
        if not all(worker.join(LEFT_BEHIND_S) for worker in self._workers):
            raise PosemoError("the work of before the last deactivation has not ended yet; try again")

    def worker(self, work: Callable[[T], None], *, capacity: int = 1) -> Worker[T]:
        """A worker that ends when the node stops."""
        made: Worker[T] = Worker(
            lambda item: self._do(work, item),
            on_error=self.report_failure,
            on_drop=lambda: self.monitor.count("dropped"),
            capacity=capacity,
        )
        self._workers = (made,)
        self.on_stop(lambda: made.stop(self.patience_s))
        return made

    def _do(self, work: Callable[[T], None], item: T) -> None:
        params, loaded = self.params, self._loaded
        if self._applied is not params and loaded is not None:
            self._applied = params
            self.apply(loaded, params)
        work(item)
        self.monitor.clear("work")
