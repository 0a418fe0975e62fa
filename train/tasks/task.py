"""What the three tasks have in common: a network of the zoo, its weights, its optimiser."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable, ReduceLROnPlateau
from torch import Tensor

from train.models.zoo import Entry, build

from .checkpoint import LEARNED, place_of, start_from

Rows = dict[str, Tensor]


class Task(lightning.LightningModule):
    """A network of ``train.models.zoo`` that learns.

    Args:
        network: Its name.
        options: Of its class.
        settings: What the manifest says differently from the zoo, such as ``axes: upright``.
        optimizer: From parameters to an optimiser.
        scheduler: From an optimiser to a learning rate per epoch, or per step where the class says
            ``interval = "step"`` (``train.tasks.schedules``).
        plateau: Quantity watched by a ``ReduceLROnPlateau``.
        weights: Checkpoint to start from, released or ours.
        may_miss: Patterns of parameters the checkpoint may lack.
        may_have: Patterns of parameters in it that this network does not have.
    """

    def __init__(
        self,
        network: str,
        *,
        options: dict[str, Any] | None = None,
        settings: dict[str, Any] | None = None,
        optimizer: OptimizerCallable = torch.optim.Adam,
        scheduler: LRSchedulerCallable | None = None,
        plateau: str = "val/loss",
        weights: Path | None = None,
        may_miss: Sequence[str] = (),
        may_have: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self._zoo: Entry = build(network, **(options or {}))
        self._settings = dict(settings or {})
        replace(self._zoo, settings={**self._zoo.settings, **self._settings}).check_shapes()
        self.network = self._zoo.network
        self._make_optimizer, self._make_scheduler, self._plateau = optimizer, scheduler, plateau
        self.tested: dict[str, Any] = {}  # which weights these are, for ``test.json``
        if weights is not None:
            start_from(self.network, Path(weights), may_miss=may_miss, may_have=may_have)
            self.tested = {"weights": Path(weights).name}
        self.rows: list[Rows] = []
        self.learned: dict[str, Any] = {}  # settings of the manifest that only the run can tell

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what the run found out."""
        checkpoint[LEARNED] = self.learned

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """The same, back."""
        self.learned = dict(checkpoint.get(LEARNED, {}))
        self.tested = place_of(checkpoint)

    @property
    def datamodule(self) -> Any:
        """What the trainer of this run draws from."""
        return self.trainer.datamodule  # type: ignore[attr-defined]

    @property
    def fixed_settings(self) -> dict[str, Any]:
        """What the task itself fixes of the manifest's settings."""
        return {}

    def describe(self, data: Mapping[str, Any] | None = None) -> Entry:
        """The network as it is trained here, for its data and for its manifest entry.

        Args:
            data: ``fixed_settings`` of the data module. What the configuration's ``settings`` say goes
                first, then the task, then the data, then the zoo.
        """
        settings = {**self._zoo.settings, **(data or {}), **self.fixed_settings, **self._settings}
        return replace(self._zoo, settings=settings)

    def __deepcopy__(self, memo: dict[int, Any]) -> Task:
        """A copy with weights of its own (``Ema`` keeps one).

        The makers of optimiser and learning rate stay shared: LightningCLI's hold on to the trainer.
        """
        copied = type(self).__new__(type(self))
        memo[id(self)] = copied
        memo.update({id(maker): maker for maker in (self._make_optimizer, self._make_scheduler)})
        copied.__dict__.update(copy.deepcopy(self.__getstate__(), memo))
        return copied

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What learns, in the form of torch's optimisers; a group may have a rate of its own."""
        return [{"params": [p for p in self.parameters() if p.requires_grad]}]

    def configure_optimizers(self) -> Any:
        """Optimiser and, where asked, a learning rate that changes every epoch."""
        optimizer = self._make_optimizer(self.parameter_groups())
        if self._make_scheduler is None:
            return optimizer
        scheduler = self._make_scheduler(optimizer)
        plan: dict[str, Any] = {"scheduler": scheduler, "interval": getattr(scheduler, "interval", "epoch")}
        if isinstance(scheduler, (torch.optim.lr_scheduler.ReduceLROnPlateau, ReduceLROnPlateau)):
            plan["monitor"] = self._plateau
        return {"optimizer": optimizer, "lr_scheduler": plan}

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """What is made small; a scalar."""
        raise NotImplementedError

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
        """The loss, logged."""
        loss = self.loss(batch)
        samples = len(batch["index"])
        self.log("train/loss", loss, on_step=True, on_epoch=True, prog_bar=True, batch_size=samples)
        return loss

    def keep(self, **rows: Tensor) -> None:
        """Keep rows of an evaluation; ``index`` says which sample each belongs to."""
        self.rows.append({name: value.detach().cpu() for name, value in rows.items()})

    def collect(self) -> dict[str, Tensor]:
        """All kept rows of all processes, each sample once, by index; forgets them."""
        own = {name: torch.cat([r[name] for r in self.rows]) for name in self.rows[0]}
        self.rows = []
        parts: list[dict[str, Tensor]] = [own]
        if self.trainer.world_size > 1:
            parts = [own] * self.trainer.world_size
            torch.distributed.all_gather_object(parts, own)
        both = {name: torch.cat([p[name] for p in parts]) for name in own}
        _, first = _unique(both["index"])
        return {name: value[first] for name, value in both.items()}

    def report(self, part: str, values: dict[str, float]) -> None:
        """Log the results of an evaluation; all processes know the same."""
        shown = next(iter(values), None)
        for name, value in values.items():
            self.log(f"{part}/{name}", float(value), prog_bar=name == shown, rank_zero_only=False)


def _unique(index: Tensor) -> tuple[Tensor, Tensor]:
    """Sorted different values, and where each stands first."""
    order = index.argsort(stable=True)
    ordered = index[order]
    first = torch.ones_like(ordered, dtype=torch.bool)
    first[1:] = ordered[1:] != ordered[:-1]
    return ordered[first], order[first]
