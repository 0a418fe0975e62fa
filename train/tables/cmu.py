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
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from posemo_ros.errors import InputError
from posemo_ros.text_files import json_of
from train.tasks.callbacks import read_logs

from .cmu_baselines import baselines
from .cmu_runs import METRICS, OTHERS, SCHEDULE, VARIANTS, Budget, named, one, place, possible, result_of
from .cmu_section import MEASURED, PICTURES, table, verdict

_CONSTANT = "constant"

Done = dict[tuple[int, str], dict[int, dict[str, Any]]]
"""Frames and variant -> seed -> averages of a finished run."""


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
    common = {"schedule": SCHEDULE, **asdict(budget)}
    _refuse_another(out, common)
    rows = baselines(data, budget, frames, max_videos)
    wanted = [(f, v) for f in frames for v in variants if possible(f, v)]
    done: Done = {key: {} for key in wanted}
    summary: dict[str, Any] = {"budget": common, "rows": rows}
    for seed in seeds:  # seed by seed, so that a comparison that is stopped has all networks
        for f, variant in wanted:
            done[f, variant][seed] = result = one(data, out, budget, f, variant, seed, max_videos)
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
    for folder in sorted(out.glob("f*-seed*"), key=lambda p: place(*named(p.name))):
        if (folder / "test.json").exists():
            f, variant, seed = named(folder.name)
            done.setdefault((f, variant), {})[seed] = result_of(folder)
    if not done:
        raise InputError(f"{out}: no run is finished (FOLDER/test.json); let `python -m train cmu` go on")
    shown = {"-", *(f for f, _ in done)}
    baselines = [row for row in begun["rows"] if "parameters" not in row and row["frames"] in shown]
    summary = {"budget": begun["budget"], "rows": [*baselines, *_rows(done)]}
    _write(out, summary, keep=keep)
    print("\n".join([*_every_run(done), "", *table(summary), "", verdict(summary)]))
    return summary


def _rows(done: Done) -> list[dict[str, Any]]:
    """A row per network and window length, from its ``_seeds``."""
    rows = []
    for (f, variant), results in done.items():
        if seeds := _seeds(done, f, variant):
            spread = _spread([results[seed] for seed in seeds])
            rows.append({"frames": f, "variant": variant, "seeds": len(seeds), **spread})
    return rows


def _seeds(done: Done, frames: int, variant: str) -> list[int]:
    """Those that count: of PoseFormer's variants the ones that all of them have finished."""
    results = done[frames, variant]
    if variant in OTHERS or not results:
        return sorted(results)
    alike = [set(r) for (f, v), r in done.items() if f == frames and v not in OTHERS and r]
    return sorted(set.intersection(*alike))


def _every_run(done: Done) -> Iterator[str]:
    """A line per finished run; which are not in the table, and why."""
    for (f, variant), results in done.items():
        for seed, result in results.items():
            out = "" if seed in _seeds(done, f, variant) else "; not in the table: others lack this seed"
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

    runs = [(named(p.name), read_logs(p).get("val/mpjpe_mm", [])) for p in sorted(out.glob("f*-seed*"))]
    lengths = sorted({name[0] for name, _ in runs})
    figure = Figure(figsize=(5 * max(len(lengths), 1), 4), layout="constrained")
    FigureCanvasAgg(figure)
    for i, f in enumerate(lengths):
        axes = figure.add_subplot(1, len(lengths), i + 1)
        named_once = set[str]()
        for (length, variant, _), points in runs:
            if length == f and points:
                colour = f"C{list(VARIANTS).index(variant)}"
                label = None if variant in named_once else variant
                axes.plot(*zip(*points, strict=True), color=colour, label=label)
                named_once.add(variant)
        axes.set(title=f"f = {f}", xlabel="step", ylabel="MPJPE mm, training clips kept apart")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    figure.savefig(path, dpi=90)


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
