"""``python -m train cmu``: do paper B's SAM and TAM help on other data than Human3.6M?

PoseFormer with and without the modules, for several window lengths and seeds, all with the same
data, steps and batch: CMU train clips seen by random virtual cameras, tested on every frame of the
test clips. Beside them MotionAGFormer-XS and the strided TCN of the starter lifter, what answers without
looking (the zero pose, the mean pose) and a ridge regression from the window to the pose. Runs that are
finished are not repeated, and one that was stopped goes on from its last checkpoint, so the command can be
stopped and started again, and reported as it stands (``report``). ``curves.png`` and the gain over the last
fifth of the steps show whether the runs were long enough.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from posemo_ros.errors import InputError
from posemo_ros.text_files import json_of
from train.data.modules import Cmu
from train.data.sequences import Windows
from train.tasks.callbacks import read_logs
from train.tasks.lifter import by_action

MEASURED = Path(__file__).resolve().parent / "measured"  # cmu_<cameras per clip>_<steps>.json, kept
PICTURES = Path(__file__).resolve().parents[2] / "docs" / "figures"
AG_FORMER, TCN = "motionagformer-xs", "tcn"
VARIANTS: dict[str, dict[str, str]] = {  # PoseFormer's options, except the two other networks
    "none": {},
    "sam": {"sam": "after_msa"},
    "tam": {"tam": "after_msa"},
    "sam+tam": {"sam": "after_msa", "tam": "after_msa"},
    AG_FORMER: {},
    TCN: {},
}
_TCN_WIDTH = 256  # that of the starter lifter
METRICS = ("mpjpe_mm", "p_mpjpe_mm", "mpjve_mm")
_RIDGE = 1e-3
_SCHEDULE = "up in the first twentieth of the steps, then down on half a cosine"
_CONSTANT = "constant"
_FALLS = "A learning rate that falls to zero flattens any curve: more steps may still end lower."
_OLD = "Measured by an older version: today's command lets the learning rate fall and would not repeat it."
_CHANCE = 0.05  # how rare a difference must be between networks that are alike
_FLAT = 0.01  # part of the error that a flat curve may still gain over the last fifth of the steps


@dataclass(frozen=True)
class Budget:
    """What every run of the comparison has in common.

    Attributes:
        steps, batch: Training steps and windows per step.
        width, depth: Of PoseFormer: numbers per joint, blocks of each stack.
        rate: Highest learning rate, see ``_SCHEDULE``; the averaged weights are tested.
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


Done = dict[tuple[int, str], dict[int, dict[str, Any]]]
"""Frames and variant -> seed -> averages of a finished run."""


def possible(frames: int, variant: str) -> bool:
    """Whether a network can have a window: MotionAGFormer needs neighbours in time, the TCN a power of 3."""
    if variant == AG_FORMER:
        return frames > 1
    return variant != TCN or frames in (3, 9, 27, 81, 243)


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
        keep: Also write the summary to ``MEASURED`` and the curves to ``PICTURES``, which
            ``docs/reproduction.md`` shows.

    Raises:
        InputError: The clips are not there, or ``out`` has runs of another budget.
        ValueError: A variant is unknown.
    """
    unknown = sorted(set(variants) - set(VARIANTS))
    if unknown:
        raise ValueError(f"variants {unknown} are unknown (known: {', '.join(VARIANTS)})")
    common = {"schedule": _SCHEDULE, **asdict(budget)}
    _refuse_another(out, common)
    rows = baselines(data, budget, frames, max_videos)
    wanted = [(f, v) for f in frames for v in variants if possible(f, v)]
    done: Done = {key: {} for key in wanted}
    summary: dict[str, Any] = {"budget": common, "rows": rows}
    for seed in seeds:  # seed by seed, so that a comparison that is stopped has all networks
        for f, variant in wanted:
            done[f, variant][seed] = result = _one(data, out, budget, f, variant, seed, max_videos)
            summary = {"budget": common, "rows": [*rows, *_rows(done)]}
            _write(out, summary, keep=keep)
            print(f"f = {f}, {variant}, seed {seed}: {result['mpjpe_mm']:.1f} mm", flush=True)
    print("\n".join(table(summary)))
    return summary


def _refuse_another(out: Path, budget: dict[str, Any]) -> None:
    """One folder, one budget: a table of several compares nothing."""
    if not (out / "summary.json").exists():
        return
    begun = _begun(out)["budget"]
    differing = [
        f"{name} {begun.get(name)}, now {value}" for name, value in budget.items() if begun.get(name) != value
    ]
    if differing:
        raise InputError(f"{out} has runs of another budget ({'; '.join(differing)}); name another --out")


def _begun(out: Path) -> dict[str, Any]:
    """The summary in a folder of runs, with the schedule of before summaries said it."""
    summary = json_of(out / "summary.json")
    if not (isinstance(summary, dict) and isinstance(summary.get("budget"), dict) and "rows" in summary):
        raise InputError(
            f"{out}/summary.json is of something else; expected the --out of `python -m train cmu`"
        )
    return {**summary, "budget": {"schedule": _CONSTANT, **summary["budget"]}}


def report(out: Path, *, keep: bool = False) -> dict[str, Any]:
    """The summary of the runs below ``out`` that are finished; trains nothing.

    Args:
        out: Folder of ``run``, which began at least: it leaves the budget and the baselines there.
        keep: See ``run``.

    Raises:
        InputError: Nothing was begun there, or nothing is finished.
    """
    if not (out / "summary.json").exists():
        raise InputError(f"{out}: no summary.json; expected the folder --out of `python -m train cmu`")
    begun = _begun(out)
    done: Done = {}
    for folder in sorted(out.glob("f*-seed*"), key=lambda p: _place(*_named(p.name))):
        if (folder / "test.json").exists():
            f, variant, seed = _named(folder.name)
            done.setdefault((f, variant), {})[seed] = _result(folder)
    if not done:
        raise InputError(f"{out}: no run is finished (FOLDER/test.json); let `python -m train cmu` go on")
    shown = {"-", *(f for f, _ in done)}
    baselines = [row for row in begun["rows"] if "parameters" not in row and row["frames"] in shown]
    summary = {"budget": begun["budget"], "rows": [*baselines, *_rows(done)]}
    _write(out, summary, keep=keep)
    print("\n".join([*_every_run(done), "", *table(summary), "", verdict(summary)]))
    return summary


def _rows(done: Done) -> list[dict[str, Any]]:
    """A row per network and window length, from the seeds that all networks of this length have finished."""
    rows = []
    for (f, variant), results in done.items():
        common = _common_seeds(done, f)
        if results and common:
            spread = _spread([results[seed] for seed in common])
            rows.append({"frames": f, "variant": variant, "seeds": len(common), **spread})
    return rows


def _common_seeds(done: Done, frames: int) -> list[int]:
    """Those that every network of this length has finished."""
    seeds = [set(results) for (f, _), results in done.items() if f == frames and results]
    return sorted(set.intersection(*seeds)) if seeds else []


def _every_run(done: Done) -> Iterator[str]:
    """A line per finished run; which are not in the table, and why."""
    for (f, variant), results in done.items():
        for seed, result in results.items():
            out = "" if seed in _common_seeds(done, f) else "; not in the table: others lack this seed"
            yield f"f = {f}, {variant}, seed {seed}: {result['mpjpe_mm']:.1f} mm{out}"


def _write(out: Path, summary: dict[str, Any], *, keep: bool) -> None:
    """The summary so far, and the curves of all runs in one picture."""
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(summary, indent=1) + "\n"
    (out / "summary.json").write_text(text, encoding="utf-8")
    draw_comparison(out, out / "curves.png")
    if keep:
        name = f"cmu_{summary['budget']['views']}_{summary['budget']['steps']}"
        MEASURED.mkdir(exist_ok=True)
        (MEASURED / f"{name}.json").write_text(text, encoding="utf-8")
        shutil.copyfile(out / "curves.png", PICTURES / f"{name}.png")


def draw_comparison(out: Path, path: Path) -> None:
    """Validation error by step of every run below ``out``: a plot per window length, a colour per network.

    Args:
        out: Folder of the runs, ``f9-sam+tam-seed0`` and so on.
        path: PNG file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    runs = [(_named(p.name), read_logs(p).get("val/mpjpe_mm", [])) for p in sorted(out.glob("f*-seed*"))]
    lengths = sorted({name[0] for name, _ in runs})
    figure = Figure(figsize=(5 * max(len(lengths), 1), 4), layout="constrained")
    FigureCanvasAgg(figure)
    for i, f in enumerate(lengths):
        axes = figure.add_subplot(1, len(lengths), i + 1)
        for (length, variant, seed), points in runs:
            if length == f and points:
                colour = f"C{list(VARIANTS).index(variant)}"
                axes.plot(*zip(*points, strict=True), color=colour, label=variant if seed == 0 else None)
        axes.set(title=f"f = {f}", xlabel="step", ylabel="MPJPE mm, training clips kept apart")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    figure.savefig(path, dpi=90)


def _place(frames: int, variant: str, seed: int) -> tuple[int, int, int]:
    """Where a run stands in the comparison."""
    return frames, list(VARIANTS).index(variant), seed


def _named(folder: str) -> tuple[int, str, int]:
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
            "init_args": {**_data(data, budget, max_videos), "seed": seed},
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


def _data(data: Path, budget: Budget, max_videos: int | None) -> dict[str, Any]:
    return {
        "folder": str(data),
        "views": budget.views,
        "noise": budget.noise,
        "max_videos": max_videos,
        "batch": budget.batch,
        "val_stride": 30,
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
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise InputError(f"{path} was made with other options or another version; name another --out")
    if not result.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        last = folder / "checkpoints" / "last.ckpt"
        run_task(["fit", "--config", str(path), *([f"--ckpt_path={last}"] if last.exists() else [])])
        run_task(["test", "--config", str(path), f"--ckpt_path={folder / 'checkpoints' / 'last.ckpt'}"])
    return _result(folder)


def _result(folder: Path) -> dict[str, Any]:
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


def _spread(results: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Mean and standard deviation over the seeds."""
    rows = list(results)
    out: dict[str, Any] = {"frames_tested": rows[0]["frames"], "parameters": rows[0]["parameters"]}
    gains = [r["last_gain"] for r in rows if r["last_gain"] is not None]
    out["last_gain"] = float(np.mean(gains)) if gains else None
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


def _cell(row: dict[str, Any], name: str) -> str:
    spread = row.get(f"{name}_std")
    return f"{row[name]:.1f}" + (f" ± {spread:.1f}" if spread is not None else "")


def table(summary: dict[str, Any]) -> list[str]:
    """The summary as lines of Markdown."""
    lines = [
        "| f | lifter | parameters | seeds | MPJPE mm | P-MPJPE mm | MPJVE mm/frame | last fifth |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in summary["rows"]:
        size = f"{int(row['parameters']):,}" if "parameters" in row else ""
        numbers = " | ".join(_cell(row, m) for m in METRICS)
        gain = row.get("last_gain")
        change = "" if gain is None else f"{-gain:+.1%}"
        seeds = row.get("seeds", "")
        lines.append(f"| {row['frames']} | {row['variant']} | {size} | {seeds} | {numbers} | {change} |")
    return lines


def section() -> str:
    """What ``docs/reproduction.md`` says about this experiment: every comparison that was kept."""
    title = "## CMU motion: do SAM and TAM help on other data?"
    kept = sorted(MEASURED.glob("cmu_*.json"), reverse=True)
    parts = [part for path in kept for part in _comparison(path)]
    return "\n\n".join([title, *(parts or ["Not run here: `python -m train cmu --keep`."])])


def _comparison(path: Path) -> list[str]:
    """Conditions, table, verdict and curves of one kept file."""
    summary = json_of(path)
    b, first = summary["budget"], summary["rows"][0]
    picture = PICTURES / f"{path.stem}.png"
    conditions = (
        f"Virtual cameras per clip: {b['views']}. PoseFormer with {b['width']} numbers per joint and "
        f"{b['depth']} + {b['depth']} blocks, "
        f"{b['steps']:,} steps of {b['batch']} windows each, learning rate {b['rate']} "
        f"({b['schedule']}); with several seeds mean ± standard deviation; CMU train clips, keypoint "
        f"noise '{b['noise']}', tested on {int(first['frames_tested']):,} frames of the test clips; "
        "unweighted mean of the actions, float32 on a CPU. `none`: PoseFormer, `sam+tam`: paper B's, "
        f"`{TCN}`: the network of the starter lifter. Last fifth: change of the error on training clips kept "
        "apart over the last fifth of the steps."
    )
    curves = [f"![Error by step of every run](figures/{picture.name})"] if picture.exists() else []
    return [
        conditions,
        "\n".join(table(summary)),
        " ".join(
            filter(
                None, [verdict(summary), flatness(summary), _FALLS if b["schedule"] == _SCHEDULE else _OLD]
            )
        ),
        *curves,
    ]


def verdict(summary: dict[str, Any]) -> str:
    """What the modules change, a sentence each: per window length, and whether it may be chance."""
    rows = {(row["frames"], row["variant"]): row for row in summary["rows"]}
    sentences = []
    for variant, name in (("sam", "SAM"), ("tam", "TAM"), ("sam+tam", "SAM and TAM")):
        lengths = [f for f, v in rows if v == variant and (f, "none") in rows]
        found = [_change(f, rows[f, variant], rows[f, "none"]) for f in lengths]
        sentences += [f"With {name} the MPJPE changes by {', '.join(found)}."] if found else []
    return " ".join(sentences)


def _change(frames: int, with_: dict[str, Any], without: dict[str, Any]) -> str:
    change = with_["mpjpe_mm"] - without["mpjpe_mm"]
    return f"{change:+.1f} mm at f = {frames} ({_judgement(change, with_, without)})"


def _judgement(change: float, with_: dict[str, Any], without: dict[str, Any]) -> str:
    """By Welch's t-test over the seeds."""
    from scipy.stats import ttest_ind_from_stats

    if None in (with_["mpjpe_mm_std"], without["mpjpe_mm_std"]):
        return "one seed: its spread is not known"
    samples = [row[key] for row in (with_, without) for key in ("mpjpe_mm", "mpjpe_mm_std", "seeds")]
    p = float(ttest_ind_from_stats(*samples, equal_var=False).pvalue)
    if not p < _CHANCE:
        return f"may be chance, p = {p:.2f}"
    return f"{'worse' if change > 0 else 'better'}, p = {p:.2f}"


def flatness(summary: dict[str, Any]) -> str:
    """A sentence on whether the runs were long enough."""
    gains = [row["last_gain"] for row in summary["rows"] if row.get("last_gain") is not None]
    if not gains:
        return ""
    least, most = min(gains), max(gains)
    if most <= _FLAT:
        return f"The curves are flat: the last fifth of the steps gained {most:.1%} at most."
    return (
        f"The curves are not flat: the last fifth of the steps still took {least:.1%} to {most:.1%} off the "
        "error. The figures compare networks after this budget, not at their best."
    )
