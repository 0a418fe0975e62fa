"""``python -m train cmu``: do paper B's SAM and TAM help on other data than Human3.6M?

PoseFormer with and without the modules, for several window lengths and seeds, all with the same
data, steps and batch: CMU train clips seen by random virtual cameras, tested on every frame of the
test clips. Beside them what answers without looking (the zero pose, the mean pose) and a ridge
regression from the window to the pose. Runs that are finished are not repeated, so the command can
be stopped and started again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from train.data.modules import Cmu
from train.data.sequences import Windows
from train.tasks.lifter import by_action

MEASURED = Path(__file__).resolve().parent / "measured" / "cmu.json"
VARIANTS = {
    "none": {},
    "sam": {"sam": "after_msa"},
    "tam": {"tam": "after_msa"},
    "sam+tam": {"sam": "after_msa", "tam": "after_msa"},
}
METRICS = ("mpjpe_mm", "p_mpjpe_mm", "mpjve_mm")
_RIDGE = 1e-3


@dataclass(frozen=True)
class Budget:
    """What every run of the comparison has in common.

    Attributes:
        steps, batch: Training steps and windows per step.
        width, depth: Of PoseFormer: numbers per joint, blocks of each stack.
        rate: Learning rate, constant; the averaged weights are tested.
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


def run(
    data: Path,
    out: Path,
    budget: Budget,
    frames: Sequence[int],
    variants: Sequence[str],
    seeds: Sequence[int],
    *,
    max_videos: int | None = None,
    keep: bool = False,
) -> dict[str, Any]:
    """All runs; prints and returns the summary, which also lies in ``out/summary.json``.

    Args:
        data: The development data's folder.
        out: Folder of the runs.
        budget: Of every run.
        frames, variants, seeds: What is compared; variants are keys of ``VARIANTS``.
        max_videos: For trials.
        keep: Also write the summary to ``MEASURED``, which ``docs/reproduction.md`` shows.

    Raises:
        InputError: The clips are not there.
        ValueError: A variant is unknown.
    """
    unknown = sorted(set(variants) - set(VARIANTS))
    if unknown:
        raise ValueError(f"variants {unknown} are unknown (known: {', '.join(VARIANTS)})")
    rows = baselines(data, budget, frames, max_videos)
    for f in frames:
        for variant in variants:
            results = [_one(data, out, budget, f, variant, seed, max_videos) for seed in seeds]
            rows.append({"frames": f, "variant": variant, "seeds": len(seeds), **_spread(results)})
            print(_text(rows[-1]), flush=True)
    summary = {"budget": asdict(budget), "rows": rows}
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(summary, indent=1) + "\n"
    (out / "summary.json").write_text(text, encoding="utf-8")
    if keep:
        MEASURED.parent.mkdir(exist_ok=True)
        MEASURED.write_text(text, encoding="utf-8")
    print("\n".join(table(summary)))
    return summary


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
                "network": "poseformer",
                "options": {
                    "frames": frames,
                    "width": budget.width,
                    "depth": budget.depth,
                    **VARIANTS[variant],
                },
                "optimizer": {
                    "class_path": "torch.optim.AdamW",
                    "init_args": {"lr": budget.rate, "weight_decay": 0.01},
                },
            },
        },
        "data": {
            "class_path": "train.data.modules.Cmu",
            "init_args": {**_data(data, budget, max_videos), "seed": seed},
        },
        "trainer": {
            "max_steps": budget.steps,
            "max_epochs": -1,
            "accelerator": "cpu",
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "limit_val_batches": 0,
            "log_every_n_steps": 50,
        },
        "checkpoint": {"monitor": None, "save_top_k": 0},
    }


def _data(data: Path, budget: Budget, max_videos: int | None) -> dict[str, Any]:
    return {
        "folder": str(data),
        "views": budget.views,
        "noise": budget.noise,
        "max_videos": max_videos,
        "batch": budget.batch,
        "workers": 0,
    }


def _one(
    data: Path, out: Path, budget: Budget, frames: int, variant: str, seed: int, max_videos: int | None
) -> dict[str, float]:
    """Train and test one run, unless it was; its averages."""
    from train.tasks.cli import run as run_task

    folder = out / f"f{frames}-{variant}-seed{seed}"
    result, path = folder / "test.json", folder / "run.yaml"
    text = yaml.safe_dump(config(data, folder, budget, frames, variant, seed, max_videos))
    if not result.exists() or path.read_text(encoding="utf-8") != text:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        run_task(["fit", "--config", str(path)])
        run_task(["test", "--config", str(path), f"--ckpt_path={folder / 'checkpoints' / 'last.ckpt'}"])
    measured = json.loads(result.read_text(encoding="utf-8"))
    return {**measured["per_action"]["average"], "parameters": float(measured["parameters"])}


def _spread(results: Iterable[dict[str, float]]) -> dict[str, Any]:
    """Mean and standard deviation over the seeds."""
    rows = list(results)
    out: dict[str, Any] = {"frames_tested": rows[0]["frames"], "parameters": rows[0]["parameters"]}
    for name in METRICS:
        values = np.array([r[name] for r in rows])
        out[name] = float(values.mean())
        out[f"{name}_std"] = float(values.std(ddof=1)) if len(values) > 1 else None
    return out


def baselines(
    data: Path, budget: Budget, frames: Sequence[int], max_videos: int | None
) -> list[dict[str, Any]]:
    """The zero pose, the mean pose, and a ridge regression for every window length."""
    source = Cmu(**{**_data(data, budget, max_videos), "folder": data})
    train, test = source.videos("train"), source.videos("test")
    windows = Windows(test, 1, source.layout)
    truth = windows.joints[windows.centres]
    mean = Windows(train, 1, source.layout).joints.mean(0)
    rows = []
    for name, pose in (("zero pose", np.zeros_like(mean)), ("mean pose", mean)):
        answer = np.broadcast_to(pose, truth.shape).astype(np.float32)
        rows.append(_baseline(name, "-", answer, truth, windows))
    for f in frames:
        learn = Windows(train, f, source.layout, stride=max(1, f // 9))
        ask = Windows(test, f, source.layout)
        answer = ridge(learn, ask)
        rows.append(_baseline("linear", f, answer, truth, windows))
    return rows


def ridge(learn: Windows, ask: Windows) -> NDArray[np.float32]:
    """(N, 17, 3) poses from a linear map of the windows, fitted by ridge regression."""
    size = learn.frames * int(np.prod(learn.keypoints.shape[1:])) + 1
    square, product = np.zeros((size, size)), np.zeros((size, 51))
    for x, y in _parts(learn):
        square += x.T @ x
        product += x.T @ y
    weights = np.linalg.solve(square + _RIDGE * len(learn) * np.eye(size), product)
    return np.concatenate([(x @ weights).reshape(-1, 17, 3) for x, _ in _parts(ask)]).astype(np.float32)


def _parts(windows: Windows) -> Iterable[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    for start in range(0, len(windows), 2048):
        batch = windows[list(range(start, min(start + 2048, len(windows))))]
        flat = batch["keypoints"].reshape(len(batch["index"]), -1).astype(np.float64)
        target = batch["joints"][:, windows.frames // 2].reshape(len(flat), -1).astype(np.float64)
        yield np.concatenate([flat, np.ones((len(flat), 1))], 1), target


def _baseline(
    name: str, frames: int | str, answer: NDArray[np.float32], truth: NDArray[np.float32], windows: Windows
) -> dict[str, Any]:
    average = by_action(answer, truth, np.arange(len(truth)), windows)["average"]
    measured = {m: average[m] for m in METRICS}
    return {"frames": frames, "variant": name, "frames_tested": average["frames"], **measured}


def _text(row: dict[str, Any]) -> str:
    return f"f = {row['frames']}, {row['variant']}: {_cell(row, 'mpjpe_mm')} mm"


def _cell(row: dict[str, Any], name: str) -> str:
    spread = row.get(f"{name}_std")
    return f"{row[name]:.1f}" + (f" ± {spread:.1f}" if spread is not None else "")


def table(summary: dict[str, Any]) -> list[str]:
    """The summary as lines of Markdown."""
    lines = [
        "| f | lifter | parameters | MPJPE mm | P-MPJPE mm | MPJVE mm/frame |",
        "|---|---|---|---|---|---|",
    ]
    for row in summary["rows"]:
        size = f"{int(row['parameters']):,}" if "parameters" in row else ""
        numbers = " | ".join(_cell(row, m) for m in METRICS)
        lines.append(f"| {row['frames']} | {row['variant']} | {size} | {numbers} |")
    return lines


def section() -> str:
    """What ``docs/reproduction.md`` says about this experiment."""
    title = "## CMU motion: do SAM and TAM help on other data?"
    if not MEASURED.exists():
        return f"{title}\n\nNot run here: `python -m train cmu --keep`."
    summary = json.loads(MEASURED.read_text(encoding="utf-8"))
    b, first = summary["budget"], summary["rows"][0]
    seeds = max(row.get("seeds", 1) for row in summary["rows"])
    conditions = (
        f"PoseFormer with {b['width']} numbers per joint and {b['depth']} + {b['depth']} blocks, "
        f"{b['steps']:,} steps of {b['batch']} windows each, learning rate {b['rate']}, {seeds} seeds "
        f"(mean ± standard deviation); CMU train clips, virtual cameras per clip: {b['views']}, keypoint "
        f"noise '{b['noise']}', tested on {int(first['frames_tested']):,} frames of the test clips; "
        "unweighted mean of the actions, float32 on a CPU. `none`: PoseFormer, `sam+tam`: paper B's."
    )
    return "\n\n".join([title, conditions, "\n".join(table(summary)), verdict(summary)])


def verdict(summary: dict[str, Any]) -> str:
    """A sentence per window length: what ``sam+tam`` changes, against the spread of the seeds."""
    rows = {(row["frames"], row["variant"]): row for row in summary["rows"]}
    found = []
    for frames, variant in rows:
        if variant == "sam+tam" and (frames, "none") in rows:
            with_, without = rows[frames, variant], rows[frames, "none"]
            change = with_["mpjpe_mm"] - without["mpjpe_mm"]
            spread = max(with_["mpjpe_mm_std"] or 0.0, without["mpjpe_mm_std"] or 0.0)
            word = (
                "within the seeds' spread" if abs(change) <= spread else "worse" if change > 0 else "better"
            )
            found.append(f"{change:+.1f} mm at f = {frames} ({word})")
    return f"With SAM and TAM the MPJPE changes by {', '.join(found)}." if found else ""
