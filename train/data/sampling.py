"""Order of the samples: a function of seed and epoch alone, shared among processes, resumable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Sampler

from posemo_ros.errors import InputError

Batch = dict[str, "np.ndarray[Any, Any]"]


class EpochSampler(Sampler["list[int | tuple[int, int]]"]):
    """Batches of indices, for a loader that does not batch by itself (``batch_size=None``).

    The order of an epoch depends on (seed, epoch) only, so a resumed run goes on exactly as the
    interrupted one would have. With R processes the batches are dealt out so that batch k of all
    processes together is batch k of one process with an R times larger batch.

    Args:
        length: Of the data set.
        batch: Samples per batch and process.
        shuffle: A new order in every epoch; the last, incomplete batch is left out then.
        seed: Of the order.
        rank, world: This process and the number of processes.
        with_epoch: Yield (epoch, index), for data sets whose augmentation depends on both.
    """

    def __init__(
        self,
        length: int,
        batch: int,
        *,
        shuffle: bool,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        with_epoch: bool = False,
    ) -> None:
        self.length, self.batch, self.shuffle, self.seed = length, batch, shuffle, seed
        self.rank, self.world, self.with_epoch = rank, world, with_epoch
        self.epoch, self.skip = 0, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        together = self.batch * self.world
        if self.shuffle and self.length >= together:
            return self.length // together
        return -(-self.length // together)

    def __iter__(self) -> Iterator[list[int | tuple[int, int]]]:
        order = np.arange(self.length)
        if self.shuffle:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(self.length)
        for number in range(self.skip, len(self)):
            start = number * self.batch * self.world
            together = order[start : start + self.batch * self.world]
            own = np.array_split(together, self.world)[self.rank]
            if not len(own):  # results are put together by index, so once more does no harm
                own = together[:1]
            yield [(self.epoch, int(i)) if self.with_epoch else int(i) for i in own]


@dataclass(frozen=True, eq=False)
class Draws:
    """A torch data set without end: batch k is drawn anew, from (seed, k) alone.

    Attributes:
        draw: From a source of chance and a number of samples to a batch.
        batch: Samples per batch and process.
        steps: Batches that count as an epoch; after one the run is validated and saved.
        seed: Of the batches.
    """

    draw: Callable[[np.random.Generator, int], Batch]
    batch: int
    steps: int
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse an epoch of nothing."""
        if self.steps < 1:
            raise InputError(f"steps: {self.steps}; expected 1 or more")

    def __len__(self) -> int:
        return self.steps * self.batch

    def __getitem__(self, number: int) -> Batch:
        """Batch ``number`` of the run, with ``index`` (B,)."""
        rows = self.draw(np.random.default_rng((self.seed, number)), self.batch)
        return {**rows, "index": np.arange(self.batch)}


class Drawn:
    """A torch data set of samples that were drawn once, to measure on; asked for whole batches.

    Args:
        rows: Name -> (N, ...); ``index`` is added.
    """

    def __init__(self, rows: Batch) -> None:
        self.rows = {**rows, "index": np.arange(len(next(iter(rows.values()))))}

    def __len__(self) -> int:
        return len(self.rows["index"])

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        return {name: values[list(indices)] for name, values in self.rows.items()}


class StepSampler(Sampler[int]):
    """Numbers of the batches of ``Draws``: step after step, dealt out to the processes in turn.

    Args:
        steps: Per epoch.
        rank, world: This process and the number of processes.
    """

    def __init__(self, steps: int, *, rank: int = 0, world: int = 1) -> None:
        self.steps, self.rank, self.world, self.epoch, self.skip = steps, rank, world, 0, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[int]:
        # Asked at each step: the trainer makes the iterator before it tells a resumed run's epoch.
        for step in range(self.skip, self.steps):
            yield (self.epoch * self.steps + step) * self.world + self.rank


class ResumableLoader(DataLoader[Any]):
    """A loader whose place in an epoch goes into the checkpoints, so that a run stopped there goes on.

    Its sampler leaves out the first ``skip`` batches of the next epoch.
    """

    given = 0  # batches of this epoch

    def __iter__(self) -> Any:
        self.given = self.sampler.skip  # type: ignore[attr-defined]
        for batch in super().__iter__():
            self.sampler.skip = 0  # type: ignore[attr-defined]
            self.given += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """What Lightning keeps in a checkpoint."""
        return {"given": self.given % max(1, len(self))}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """The same, back."""
        self.sampler.skip = state["given"]  # type: ignore[attr-defined]
