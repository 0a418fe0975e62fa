"""How far a long command is: a bar on a terminal, nothing in a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
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

    @contextmanager
    def parts(
        self, total: int, unit: str
    ) -> Iterator[Callable[[int, Mapping[int, tuple[float, int]]], None]]:
        """A bar over things that are worked on side by side.

        Args:
            total: How many there are.
            unit: What they are, with a blank before it.

        Yields:
            To call with the number that is done, and the share and the images of those that were begun.
        """
        with tqdm(total=total, desc=self._about, unit=unit, disable=None, dynamic_ncols=True) as bar:

            def show(done: int, begun: Mapping[int, tuple[float, int]]) -> None:
                bar.n = round(max(done, sum(part for part, _ in begun.values())), 2)
                bar.set_postfix(done=done, images=sum(images for _, images in begun.values()), refresh=False)
                bar.refresh()

            yield show

    def people(self, count: int) -> None:
        """So many people so far."""
        if self._bar is not None and not self._bar.disable:
            self._bar.set_postfix(people=count, refresh=False)
