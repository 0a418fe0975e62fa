"""One training loop and one export for the small starter models."""

from __future__ import annotations

import copy
import csv
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

Batch = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Plan:
    """How long and how fast to learn.

    Attributes:
        steps: Batches in all.
        rate: Highest learning rate, reached after ``warmup`` steps, then down to 0 on a cosine.
        decay: Weight decay.
        average: Of the weights that are kept: an exponential mean over about 1 / (1 - average) steps.
        log_every, save_every: Steps between lines of the log and between checkpoints.
    """

    steps: int
    rate: float = 2e-3
    warmup: int = 200
    decay: float = 1e-2
    average: float = 0.998
    log_every: int = 100
    save_every: int = 500

    def rate_at(self, step: int) -> float:
        """Learning rate of a step."""
        warm = min(1.0, (step + 1) / self.warmup)
        return float(self.rate * warm * 0.5 * (1 + np.cos(np.pi * step / self.steps)))


def fit(
    net: nn.Module,
    make_batch: Callable[[np.random.Generator], Batch],
    loss: Callable[[Tensor, Tensor], Tensor],
    plan: Plan,
    run: Path,
    *,
    seed: int = 0,
) -> nn.Module:
    """Train, and return the averaged network in evaluation mode.

    Leaves ``log.csv`` and ``last.pt`` in ``run``; a run that was stopped goes on from there. Batch
    i is drawn from (seed, i), so a resumed run sees what an uninterrupted one would have seen.

    Args:
        net: Changed.
        make_batch: Inputs and targets, float32 or int64.
        loss: Of the network's answer and the target.
        plan: See ``Plan``.
        run: Folder, made if need be.
        seed: Of the batches; seed torch before making ``net``.
    """
    run.mkdir(parents=True, exist_ok=True)
    mean = copy.deepcopy(net).eval()
    optimizer = torch.optim.AdamW(net.parameters(), plan.rate, weight_decay=plan.decay)
    first = _resume(run / "last.pt", net, mean, optimizer)
    started, total = time.monotonic(), 0.0
    net.train()
    for step, (inputs, target) in _ahead(make_batch, range(first, plan.steps), seed):
        for group in optimizer.param_groups:
            group["lr"] = plan.rate_at(step)
        optimizer.zero_grad()
        value = loss(net(torch.from_numpy(inputs)), torch.from_numpy(target))
        value.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        _average(mean, net, min(plan.average, (1 + step) / (10 + step)))
        total += value.item()
        if (step + 1) % plan.log_every == 0:
            _log(run / "log.csv", step + 1, total / plan.log_every, time.monotonic() - started)
            total = 0.0
        if (step + 1) % plan.save_every == 0 or step + 1 == plan.steps:
            states = {"net": net.state_dict(), "mean": mean.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save({**states, "step": step + 1}, run / "last.pt")
    return mean


def _ahead(
    make: Callable[[np.random.Generator], Batch], steps: range, seed: int
) -> Iterator[tuple[int, Batch]]:
    """Batches made by a second thread while the network learns."""
    ready: queue.Queue[tuple[int, Batch] | BaseException] = queue.Queue(maxsize=4)

    def work() -> None:
        try:
            for step in steps:
                ready.put((step, make(np.random.default_rng((seed, step)))))
        except BaseException as error:  # handed to the training loop, which raises it
            ready.put(error)

    threading.Thread(target=work, daemon=True).start()
    for _ in steps:
        item = ready.get()
        if isinstance(item, BaseException):
            raise item
        yield item


def _resume(path: Path, net: nn.Module, mean: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    net.load_state_dict(state["net"])
    mean.load_state_dict(state["mean"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])


@torch.no_grad()
def _average(mean: nn.Module, net: nn.Module, keep: float) -> None:
    for a, b in zip(mean.state_dict().values(), net.state_dict().values(), strict=True):
        if a.is_floating_point():
            a.lerp_(b, 1 - keep)
        else:
            a.copy_(b)


def _log(path: Path, step: int, loss: float, seconds: float) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["step", "loss", "seconds"])
        writer.writerow([step, f"{loss:.5f}", f"{seconds:.0f}"])


def export(net: nn.Module, example: Tensor, path: Path, *, input_name: str, output_name: str) -> float:
    """Write an ONNX file with a free batch size and compare it with torch.

    Args:
        net: In evaluation mode.
        example: An input with a batch of at least 2.
        path: Of the file.
        input_name, output_name: In the graph.

    Returns:
        The largest difference between ONNX Runtime and torch on a random input.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    batch = torch.export.Dim("batch", min=1, max=1024)
    torch.onnx.export(
        net,
        (example,),
        str(path),
        input_names=[input_name],
        output_names=[output_name],
        dynamic_shapes=({0: batch},),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    _strip(path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    trial = torch.randn(3, *example.shape[1:])
    with torch.no_grad():
        expected = net(trial).numpy()
    return float(np.abs(session.run(None, {input_name: trial.numpy()})[0] - expected).max())


def _strip(path: Path) -> None:
    """Take names of source files, which the exporter writes down, out of the model."""
    model = onnx.load(str(path))
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for values in (model.graph.value_info, model.graph.input, model.graph.output):
        for value in values:
            del value.metadata_props[:]
    del model.graph.metadata_props[:]
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
