"""What happens beside the learning: averaged weights, seeds, curves, results on disk."""

from __future__ import annotations

import csv
import json
import math
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import BasePredictionWriter, Callback, WeightAveraging
from numpy.typing import NDArray
from torch import Tensor

from posemo_ros.types import EMOTIONS
from train.data.files import write_npz
from train.models.counting import count_parameters

SECONDS_BETWEEN_CURVES = 60.0
CURVES_FILE = "curves.png"  # in the folder of a run
DARK = 0.5  # shade on which white is easier to read


class Ema(WeightAveraging):
    """Exponential mean of the weights; it is what is validated, saved and exported.

    Args:
        decay: Share of the old mean that is kept per step, less in the first steps
            (``(1 + n) / (10 + n)``); 0 keeps the last weights.
    """

    def __init__(self, decay: float = 0.999) -> None:
        def average(mean: Tensor, current: Tensor, count: Tensor) -> Tensor:
            if not mean.is_floating_point():  # buffers of indices: the mean of 5 and 5 would be cut to 4
                return current
            kept = min(decay, (1.0 + float(count)) / (10.0 + float(count)))
            return kept * mean + (1 - kept) * current

        super().__init__(avg_fn=average)


class SeedEveryStep(Callback):
    """Dropout of a step depends on (seed, epoch, step, process) alone, so a resumed run repeats it."""

    def on_train_batch_start(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed torch."""
        words = (trainer.datamodule.seed, trainer.current_epoch, batch_idx, trainer.global_rank)  # type: ignore[attr-defined]
        torch.manual_seed(int(np.random.SeedSequence(words).generate_state(1)[0]))


class Curves(Callback):
    """Draws ``curves.png`` from the CSV logs of a run, those before a resume included.

    Args:
        folder: Of the run; the logs lie below it in ``csv/version_*``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._drawn = time.monotonic()

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Draw what is there so far, once a minute."""
        if trainer.is_global_zero and time.monotonic() - self._drawn > SECONDS_BETWEEN_CURVES:
            self._draw()
            self._drawn = time.monotonic()

    def on_fit_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Draw the whole run."""
        if trainer.is_global_zero:
            self._draw()

    def _draw(self) -> None:
        rows = learned(self.folder)
        if rows:
            draw_curves(rows, self.folder / CURVES_FILE)


class Lines(Callback):
    """A line per validation in the place of the progress bar: in a log file a bar is a line per step."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def on_validation_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """What the last validation measured, and how far the training is."""
        if not trainer.is_global_zero or trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        found = {n: float(v) for n, v in trainer.callback_metrics.items() if n.startswith("val/")}
        values = ", ".join(f"{name} {value:.4g}" for name, value in sorted(found.items()))
        minutes = (time.monotonic() - self._begun) / 60
        steps = f"{trainer.global_step} of {trainer.estimated_stepping_batches}"
        print(f"step {steps}, {minutes:.1f} minutes: {values}", flush=True)


def learned(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What ``curves.png`` shows of the logs of a run: quantities of training and validation."""
    rows = {n: v for n, v in read_logs(folder).items() if n.startswith(("train/", "val/"))}
    rows.pop("val/frames", None)
    return rows


def read_logs(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Quantity -> (step, value) of all CSV logs of a run, oldest first; later runs replace a step."""
    values: dict[str, dict[int, float]] = defaultdict(dict)
    logs = sorted(folder.glob("csv/version_*/metrics.csv"), key=lambda p: int(p.parent.name.split("_")[1]))
    for path in logs:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                for name, text in row.items():
                    if text and name not in ("step", "epoch") and math.isfinite(float(text)):
                        values[name][int(row["step"])] = float(text)
    return {name: sorted(points.items()) for name, points in values.items()}


def draw_curves(curves: dict[str, list[tuple[int, float]]], path: Path | BinaryIO) -> None:
    """One small plot per quantity, as PNG; losses on a log scale."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = sorted(n for n in curves if not n.endswith("_step"))
    columns = min(3, len(names)) or 1
    lines = -(-len(names) // columns) or 1
    figure = Figure(figsize=(4.5 * columns, 3 * lines), layout="constrained")
    FigureCanvasAgg(figure)
    for i, name in enumerate(names):
        axes = figure.add_subplot(lines, columns, i + 1)
        steps, values = zip(*curves[name], strict=True)
        axes.plot(steps, values, linewidth=1)
        axes.set_title(name, fontsize=9)
        axes.set_xlabel("step", fontsize=8)
        axes.grid(alpha=0.3)
        if "loss" in name and min(values) > 0:
            axes.set_yscale("log")
    figure.savefig(path, dpi=90, format="png")


def draw_confusion(counts: NDArray[np.int64], names: Sequence[str], path: Path) -> None:
    """Confusion matrix as a picture: a row per label, shares of the row as shades, counts as numbers.

    Args:
        counts: (K, K), rows labels, columns answers.
        names: K.
        path: PNG file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure = Figure(figsize=(5.5, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="answer", ylabel="label", xticks=range(len(names)), yticks=range(len(names)))
    axes.set_xticklabels(names, rotation=45, ha="right")
    axes.set_yticklabels(names)
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if shares[row, column] > DARK else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=colour)
    figure.colorbar(image, label="share of the label", shrink=0.8)
    figure.savefig(path, dpi=110)


class Results(Callback):
    """Writes ``test.json``: results, per action or class, and under which conditions; ``confusion.png``.

    Args:
        folder: Of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def on_test_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Write the file."""
        if not trainer.is_global_zero:
            return
        data = trainer.datamodule  # type: ignore[attr-defined]
        result: dict[str, Any] = {
            "metrics": {
                name.split("/", 1)[1]: round(float(value), 6)
                for name, value in trainer.callback_metrics.items()
                if "/" in name and np.isfinite(float(value))
            },
            "samples": len(data.datasets["test"]),
            "data": data.title,
            "parameters": count_parameters(module.network),  # type: ignore[arg-type]
            "precision": str(trainer.precision),
            "device": str(trainer.strategy.root_device),
            "checkpoint": checkpoint_of(trainer, module),
        }
        for table in ("per_action", "per_camera", "per_joint"):
            if getattr(module, table, None):
                result[table] = getattr(module, table)
        self.folder.mkdir(parents=True, exist_ok=True)
        if hasattr(module, "confusion"):
            result["confusion"] = np.asarray(module.confusion).tolist()
            draw_confusion(np.asarray(module.confusion), EMOTIONS, self.folder / "confusion.png")
        part = self.folder / "test.json.part"  # never a result that is not whole
        part.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        part.replace(self.folder / "test.json")


def checkpoint_of(trainer: lightning.Trainer, module: lightning.LightningModule) -> dict[str, Any]:
    """Which weights are tested: ``weights``, the file, and of a run ``epochs`` and ``steps``."""
    known: dict[str, Any] = dict(module.tested)  # type: ignore[arg-type]
    return {"weights": Path(trainer.ckpt_path).name, **known} if trainer.ckpt_path else known


class Predictions(BasePredictionWriter):
    """Writes ``predictions.npz``: the arrays of all steps, by sample.

    Args:
        folder: Of the run.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(write_interval="epoch")
        self.folder = Path(folder)

    def write_on_epoch_end(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        predictions: Any,
        batch_indices: Any,
    ) -> None:
        """Write the file; one per process."""
        rows = {k: torch.cat([p[k].float().cpu() for p in predictions]).numpy() for k in predictions[0]}
        rows["index"] = rows["index"].astype(np.int64)
        order = rows["index"].argsort(kind="stable")
        suffix = f"-{trainer.global_rank}" if trainer.world_size > 1 else ""
        write_npz(self.folder / f"predictions{suffix}.npz", **{k: v[order] for k, v in rows.items()})
