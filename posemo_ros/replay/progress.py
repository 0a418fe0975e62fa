"""How far a long command is: a bar on a terminal, nothing in a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")


class Progress:
    """A bar with the time left, on stderr.

    Args:
        about: What stands before the bar, such as ``[2/7] walk.mp4``.
    """

    def __init__(self, about: str = "") -> None:
        self._about = about
        self._bar: tqdm[Any] | None = None

    def over(self, things: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
        """The same things, counted; ``what`` is done with them."""
        label = f"{self._about}: {what}" if self._about else what
        # disable=None: no bar where stderr is no terminal
        with tqdm(things, label, total, unit=" images", leave=False, disable=None, dynamic_ncols=True) as bar:
            self._bar = bar
            yield from bar

    def people(self, count: int) -> None:
        """So many people so far."""
        if self._bar is not None and not self._bar.disable:
            self._bar.set_postfix(people=count, refresh=False)
