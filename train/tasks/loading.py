"""How fast the data of a configuration come, stage by stage, and how fast the network takes them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from .cli import run
from .task import Task


def report(config: Path, batches: int) -> None:
    """Print samples per second of every stage."""
    for stage, rate in measure(config, batches).items():
        print(f"{stage:44} {rate:10.1f} samples/s")


def measure(config: Path, batches: int) -> dict[str, float]:
    """Samples per second: the data set in this process, the loader with its workers, training steps.

    The last stage says whether the second is fast enough: the loader has to be the faster one.
    """
    cli = run(["--config", str(config)], start=False)
    model, data, trainer = cli.model, cli.datamodule, cli.trainer
    trainer.strategy.connect(model)
    data.trainer = trainer
    data.setup("fit")
    loader = data.train_dataloader()
    keys, dataset = list(islice(iter(loader.sampler), batches)), data.datasets["train"]
    rates = {"data set, one process": _rate(dataset[k] for k in keys)}
    stream = _endless(loader)
    batch = next(stream)
    for _ in range(3 * loader.num_workers):  # what lies ready does not count
        next(stream)
    rates[f"loader, {loader.num_workers} workers"] = _rate(islice(stream, batches))
    device = trainer.strategy.root_device
    rates[f"training steps on {device}"] = _rate(_steps(model.to(device), batch, device, batches))
    return rates


def _endless(loader: Any) -> Iterator[Any]:
    while True:
        yield from loader


def _rate(stream: Any) -> float:
    start, count = time.perf_counter(), 0
    for batch in stream:
        count += len(batch["index"])
    return count / max(time.perf_counter() - start, 1e-9)


def _steps(model: Task, batch: dict[str, torch.Tensor], device: torch.device, count: int) -> Iterator[Any]:
    """Forward and backward passes of one batch over and over."""
    batch = {name: value.to(device) for name, value in batch.items()}
    for _ in range(min(count, 10)):
        model.zero_grad()
        model.loss(batch).backward()
        if device.type == "cuda":
            torch.cuda.synchronize()
        yield batch
