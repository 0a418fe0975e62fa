"""One run of ``python -m train cmu``: its configuration, and what came out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from posemo_ros.errors import InputError
from posemo_ros.text_files import json_of
from train.models.motionagformer import MotionAGFormer
from train.tasks.callbacks import read_logs

AG_FORMER, TCN = "motionagformer-xs", "tcn"
VARIANTS: dict[str, dict[str, str]] = {  # PoseFormer's options, except the two other networks
    "none": {},
    "sam": {"sam": "after_msa"},
    "tam": {"tam": "after_msa"},
    "sam+tam": {"sam": "after_msa", "tam": "after_msa"},
    AG_FORMER: {},
    TCN: {},
}
OTHERS = (AG_FORMER, TCN)  # networks that stand beside PoseFormer
METRICS = ("mpjpe_mm", "p_mpjpe_mm", "mpjve_mm")
SCHEDULE = "up in the first twentieth of the steps, then down on half a cosine"
_TCN_WIDTH = 256  # that of the starter lifter


@dataclass(frozen=True)
class Budget:
    """What every run of the comparison has in common.

    Attributes:
        steps, batch: Training steps and poses taught in each, see ``windows``.
        width, depth: Of PoseFormer: numbers per joint, blocks of each stack.
        rate: Highest learning rate, see ``SCHEDULE``; the averaged weights are tested.
        looks: Validations, evenly over the steps, on training clips kept apart: the curves.
        views: Virtual cameras per clip.
        noise: Of the 2D keypoints, ``perfect`` or ``detector``.
    """

    steps: int = 3000
    batch: int = 256
    width: int = 32
    depth: int = 4
    rate: float = 4e-4
    views: int = 4
    noise: str = "detector"
    looks: int = 5


def possible(frames: int, variant: str) -> bool:
    """Whether a network can have a window: MotionAGFormer needs neighbours in time, the TCN a power of 3."""
    if variant == AG_FORMER:
        return frames > 1
    return variant != TCN or frames in (3, 9, 27, 81, 243)


def place(frames: int, variant: str, seed: int) -> tuple[int, int, int]:
    """Where a run stands in the comparison."""
    return frames, list(VARIANTS).index(variant), seed


def named(folder: str) -> tuple[int, str, int]:
    """``f9-sam+tam-seed0`` as (9, "sam+tam", 0)."""
    head, _, seed = folder.rpartition("-seed")
    frames, _, variant = head[1:].partition("-")
    return int(frames), variant, int(seed)


def config(
    data: Path, out: Path, budget: Budget, frames: int, variant: str, seed: int, max_videos: int | None
) -> dict[str, Any]:
    """The configuration of one run."""
    return {
        "seed_everything": seed,
        "out": str(out),
        "model": {
            "class_path": "train.tasks.lifter.Lifter",
            "init_args": {
                **network(budget, frames, variant),
                "optimizer": {
                    "class_path": "torch.optim.AdamW",
                    "init_args": {"lr": budget.rate, "weight_decay": 0.01},
                },
                "scheduler": {
                    "class_path": "train.tasks.schedules.WarmupCosine",
                    "init_args": {"steps": budget.steps, "warmup": max(1, budget.steps // 20)},
                },
            },
        },
        "data": {
            "class_path": "train.data.modules.Cmu",
            "init_args": {
                **data_options(data, budget, max_videos),
                "batch": windows(budget, frames, variant),
                **({"joints": MotionAGFormer.input_joints} if variant == AG_FORMER else {}),
                "seed": seed,
            },
        },
        "trainer": {
            "max_steps": budget.steps,
            "max_epochs": -1,
            "accelerator": "cpu",
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "check_val_every_n_epoch": None,
            "val_check_interval": max(1, budget.steps // budget.looks),
            "log_every_n_steps": 50,
        },
        "checkpoint": {"monitor": None, "save_top_k": 1, "every_n_train_steps": 200},
    }


def windows(budget: Budget, frames: int, variant: str) -> int:
    """Windows a step: MotionAGFormer is taught every pose of its window, the others the one in the middle."""
    return max(1, round(budget.batch / frames)) if variant == AG_FORMER else budget.batch


def network(budget: Budget, frames: int, variant: str) -> dict[str, Any]:
    """What a configuration's ``model.init_args`` say of a network."""
    if variant == AG_FORMER:  # its own recipe's loss; all of its sizes
        weights = {"sequence_weight": 1.0, "centre_weight": 0.0, "scale_weight": 0.5, "velocity_weight": 20.0}
        return {"network": "motionagformer", "options": {"frames": frames, "channels": 2}, **weights}
    if variant == TCN:
        options = {"frames": frames, "channels": 2, "width": _TCN_WIDTH}
        return {"network": "temporal_lifter", "options": options}
    sizes = {"frames": frames, "width": budget.width, "depth": budget.depth}
    return {"network": "poseformer", "options": {**sizes, **VARIANTS[variant]}}


def data_options(data: Path, budget: Budget, max_videos: int | None) -> dict[str, Any]:
    """What a configuration's ``data.init_args`` say, but for the seed."""
    return {
        "folder": str(data),
        "views": budget.views,
        "noise": budget.noise,
        "max_videos": max_videos,
        "batch": budget.batch,
        "val_stride": 30,
        "workers": 0,
    }


def one(
    data: Path, out: Path, budget: Budget, frames: int, variant: str, seed: int, max_videos: int | None
) -> dict[str, float]:
    """Train and test one run, unless it was; its averages."""
    from train.tasks.cli import run as run_task

    folder = out / f"f{frames}-{variant}-seed{seed}"
    result, path = folder / "test.json", folder / "run.yaml"
    text = yaml.safe_dump(config(data, folder, budget, frames, variant, seed, max_videos))
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise InputError(f"{path} was made with other options or another version; name another --out")
    if not result.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        last = folder / "checkpoints" / "last.ckpt"
        run_task(["fit", "--config", str(path), *([f"--ckpt_path={last}"] if last.exists() else [])])
        run_task(["test", "--config", str(path), f"--ckpt_path={folder / 'checkpoints' / 'last.ckpt'}"])
    return result_of(folder)


def result_of(folder: Path) -> dict[str, Any]:
    """Averages of a finished run, its size, and what the last fifth of its steps gained."""
    measured = json_of(folder / "test.json")
    size, gain = float(measured["parameters"]), last_gain(read_logs(folder).get("val/mpjpe_mm", []))
    return {**measured["per_action"]["average"], "parameters": size, "last_gain": gain}


def last_gain(curve: Sequence[tuple[int, float]]) -> float | None:
    """By which part the error fell over the last fifth of the steps; negative: it rose, None: not known."""
    if len(curve) < 2:
        return None
    steps, errors = np.array(curve).T
    before = float(np.interp(0.8 * steps[-1], steps, errors))
    return (before - float(errors[-1])) / before
