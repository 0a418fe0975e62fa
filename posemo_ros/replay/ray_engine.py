"""Many recordings on the machines of a Ray cluster; one machine is a cluster of one.

Every recording is a task. A worker that is killed (memory, a preempted machine) loses nothing: the task is
given out again and goes on from its journal, which lies in the results' folder. So all machines must see
sources and results under the same paths.
"""

from __future__ import annotations

import logging
import os
import pickle
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from ..errors import InputError, MissingExtraError, PosemoError
from .choice import Choice
from .progress import Progress
from .run import Outcome, Plan, Runner, write_batch
from .run_folder import make_folder
from .source import without_password
from .source_list import folders_of
from .sources import open_source

T = TypeVar("T")
TRIES = 3
NO_END = "a camera or stream has no end: run it without --engine ray"
LOOK_S = 0.5  # between two looks at the progress
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Item:
    """One recording to work on.

    Attributes:
        number: From 0, in the order of the command line.
        text: What to open, a path from the root on.
        folder: For its results, from the root on.
        several: There are others.
    """

    number: int
    text: str
    folder: Path
    several: bool


def run_on_ray(plan: Plan, texts: Sequence[str], out: Path, workers: int | None = None) -> list[Outcome]:
    """Run on all sources, several at a time.

    Each takes ``plan.models.threads`` cores (at least one). Joins the cluster that ``RAY_ADDRESS`` names;
    without, starts one on this machine and ends it.

    Args:
        plan: What all share; its paths from the root on.
        texts: The sources.
        out: Folder of the folders and of ``batch.json``.
        workers: So many at a time at most; None: as the cluster has cores.

    Returns:
        What came of each, in order. One whose worker died ``TRIES`` times has that as its error.

    Raises:
        MissingExtraError: Ray is not installed.
        InputError: There is no cluster, or the folder cannot be made.
    """
    ray = _ray()
    make_folder(out)
    items = [
        Item(i, _absolute(text), folder.resolve(), len(texts) > 1)
        for i, (text, folder) in enumerate(zip(texts, folders_of(texts, out), strict=True))
    ]
    started = _join(ray)
    try:
        outcomes = _Crew(ray, plan, items, workers).work(out)
    finally:
        if started:
            ray.shutdown()
    return outcomes


class _Crew:
    """The tasks in flight."""

    def __init__(self, ray: Any, plan: Plan, items: Sequence[Item], workers: int | None) -> None:
        self._ray, self._items = ray, items
        cores = max(plan.models.threads, 1)
        self._most = workers or max(1, int(ray.cluster_resources().get("CPU", 1)) // cores)
        self._board = ray.remote(Board).options(num_cpus=0).remote()
        self._task = ray.remote(work).options(num_cpus=cores, max_retries=0)
        self._plan = ray.put(pickle.dumps(plan))
        self._tries = [0] * len(items)
        self._flying: dict[Any, Item] = {}

    def work(self, out: Path) -> list[Outcome]:
        """All of them."""
        waiting, done = list(self._items), dict[int, Outcome]()
        bar = Progress()
        try:
            with bar.parts(len(self._items), " recordings") as show:
                while waiting or self._flying:
                    while waiting and len(self._flying) < self._most:
                        self._give_out(waiting.pop(0))
                    for item, outcome in self._finished():
                        if outcome is None:
                            waiting.insert(0, item)
                            continue
                        done[item.number] = outcome
                        write_batch(out, [done[n] for n in sorted(done)])
                    show(len(done), self._ray.get(self._board.all.remote()))
        except BaseException:
            for ref in self._flying:
                self._ray.cancel(ref, force=True)
            raise
        return [done[n] for n in sorted(done)]

    def _give_out(self, item: Item) -> None:
        self._tries[item.number] += 1
        self._flying[self._task.remote(self._plan, item, self._board)] = item

    def _finished(self) -> Iterator[tuple[Item, Outcome | None]]:
        """Those that ended; None for one that is to be tried again."""
        ready, _ = self._ray.wait(list(self._flying), num_returns=len(self._flying), timeout=LOOK_S)
        for ref in ready:
            item = self._flying.pop(ref)
            tries = self._tries[item.number]
            try:
                yield item, replace(self._ray.get(ref), tries=tries)
            except self._ray.exceptions.RayError as error:  # the worker died, or its machine
                cause = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no reason'}"
                _log.warning("%s: try %d of %d: %s", item.folder.name, tries, TRIES, cause)
                if tries < TRIES:
                    yield item, None
                else:
                    shown = without_password(item.text)
                    why = f"its worker died {tries} times ({cause})"
                    yield item, Outcome(shown, str(item.folder), error=why, tries=tries)


class Board:
    """What the workers say about how far they are; an actor of its own."""

    def __init__(self) -> None:
        self._parts: dict[int, tuple[float, int]] = {}

    def say(self, number: int, part: float, images: int) -> None:
        """Of a recording: the share that is done, 0 to 1, and images so far."""
        self._parts[number] = (part, images)

    def all(self) -> dict[int, tuple[float, int]]:
        """Of all that were begun."""
        return dict(self._parts)


class BoardProgress(Progress):
    """Tells the board instead of drawing a bar."""

    def __init__(self, board: Any, number: int) -> None:
        super().__init__()
        self._board, self._number = board, number

    def over(self, things: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
        """The same things; drawing is taken for the last tenth of the work."""
        before, share = (0.9, 0.1) if what == "drawing" else (0.0, 0.9)
        told, images = -LOOK_S, 0
        for images, thing in enumerate(things, 1):
            yield thing
            if time.monotonic() - told > LOOK_S:
                part = before + share * min(images / total, 1.0) if total else before
                self._board.say.remote(self._number, part, images)
                told = time.monotonic()
        self._board.say.remote(self._number, before + share, images)


def work(plan: bytes, item: Item, board: Any) -> Outcome:
    """In the worker: one recording."""
    try:
        if item.text.isdecimal():
            raise InputError(NO_END)
        progress = BoardProgress(board, item.number)
        runner = _runner(plan)
        if "://" in item.text and _is_live(item.text, runner.choice):
            raise InputError(NO_END)
        return runner.one(item.text, item.folder, progress, name=item.folder.name, several=item.several)
    except (PosemoError, OSError) as error:
        return Outcome(without_password(item.text), str(item.folder), error=str(error))


def _is_live(text: str, choice: Choice) -> bool:
    with open_source(text, choice) as source:  # a film on a web server has an end
        return source.live


@lru_cache(maxsize=1)
def _runner(plan: bytes) -> Runner:
    """Networks are loaded once in a worker."""
    found: Plan = pickle.loads(plan)  # written by this program
    return found.runner()


def _join(ray: Any) -> bool:
    """Whether a connection was made here."""
    if ray.is_initialized():
        return False
    try:
        ray.init(
            include_dashboard=None if "RAY_ADDRESS" in os.environ else False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except Exception as error:  # of many kinds
        cause = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"no Ray cluster: {cause}; RAY_ADDRESS names one, without it one starts here"
        ) from error
    return True


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("ray", "ray", "--engine ray") from error
    return ray


def _absolute(text: str) -> str:
    return text if "://" in text or text.isdecimal() else str(Path(text).absolute())
