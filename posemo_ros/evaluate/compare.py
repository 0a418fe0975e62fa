"""Which differences between two runs are more than chance: bootstrap over clips.

The same clips in both runs are pairs. Clips are drawn with replacement; the 95 % interval of the mean
difference says where it lies (Efron & Tibshirani, "An Introduction to the Bootstrap", 1993; computed by
scipy.stats.bootstrap). Of few clips the percentiles are too narrow: of five, one difference in six that is
mere chance would look significant. So they are expanded as Student's t is beside the normal distribution
(Hesterberg, "What Teachers Should Know About the Bootstrap", 2015). Frames of one clip are alike, so they
are no sample of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ..errors import InputError, reason
from ..replay.run_folder import result_folders
from ..text_files import json_of
from .plots import Plot, intervals
from .report import Report, Table

CONFIDENCE = 0.95
RESAMPLES = 9999
FEWEST = 5  # clips for an interval
COVERAGE, SAME_SHARE = "coverage", 0.02
LESS_IS_BETTER = (
    *("_mm", "_px", "_m", "_share", "_ms", "_switches", "_persons", "fragmentations"),
    *("_error", "_cv", "_skating", "_m_s2"),
)
Figures = dict[str, dict[str, float]]  # clip -> name -> value


def evaluate_compare(one: Path, other: Path, *, seed: int = 0) -> Report:
    """Differences of two runs over the clips that both have, or the one clip of each, whatever its name.

    Args:
        one, other: Folders of `posemo run --truth` (of one source or many), or reports of
            `posemo evaluate … --json` with figures by recording or clip.
        seed: Of the drawing.

    Returns:
        ``results``: by figure the means, the difference (other minus one), its interval, and whether it
        is significant; None with fewer than five clips.

    Raises:
        InputError: A run cannot be read, or they have no clip or no figure in common.
    """
    first, second = read_run(one), read_run(other)
    notes = []
    if len(first) == len(second) == 1 and first.keys() != second.keys():
        notes.append(f"{next(iter(first))} is compared with {next(iter(second))}, the only clips there are")
        second = dict(zip(first, second.values(), strict=True))
    clips = [clip for clip in first if clip in second]
    if not clips:
        raise InputError(
            f"{one} ({', '.join(list(first)[:5])}) and {other} ({', '.join(list(second)[:5])}) "
            "have no clip in common"
        )
    notes += _other_shares({clip: (first[clip].get(COVERAGE), second[clip].get(COVERAGE)) for clip in clips})
    named = dict.fromkeys(name for clip in clips for name in first[clip] if name in second[clip])
    names = [name for name in named if name != COVERAGE]
    results = {}
    for name in names:
        pairs = [(first[c].get(name), second[c].get(name)) for c in clips]
        whole = np.array([p for p in pairs if None not in p], np.float64).reshape(-1, 2)
        if len(whole):
            results[name] = _compared(name, whole, seed)
        if one_sided := sum((a is None) != (b is None) for a, b in pairs):
            notes.append(
                f"{name}: {one_sided} clips are left out, in which only one run has it: what was not found "
                "or not answered is not compared here"
            )
    if not results:
        raise InputError(f"{one} and {other} have no figure in common; were they run with --truth?")
    if missing := sorted(set(first) ^ set(second)):
        notes.append(f"left out, because only one run has them: {', '.join(missing)}")
    return Report(
        what="compare",
        samples={"clips": len(clips)},
        models={},
        runtime={},
        protocol={
            "a": str(one),
            "b": str(other),
            "interval": f"{CONFIDENCE:.0%} of the mean difference b - a, bootstrap over clips, "
            f"{RESAMPLES} draws (expanded percentiles), seed {seed}; no correction for several figures",
        },
        results=results,
        tables=[_table(results)],
        plots=_plots(results),
        notes=notes,
    )


def _other_shares(shares: Mapping[str, tuple[float | None, float | None]]) -> list[str]:
    """A note where the runs saw more or less of a clip, by its share of the truth that was compared."""
    unlike = {c: (a, b) for c, (a, b) in shares.items() if a and b and abs(a - b) > SAME_SHARE}
    if not unlike:
        return []
    clip, (a, b) = next(iter(unlike.items()))
    return [
        f"{len(unlike)} of {len(shares)} clips have results for more of the truth in one run ({clip}: {a:.0%}"
        f" and {b:.0%}): what is lost may have been the hard part"
    ]


def _compared(name: str, values: NDArray[np.float64], seed: int) -> dict[str, Any]:
    difference = values[:, 1] - values[:, 0]
    low, high = interval(difference, seed)
    certain = None if low is None or high is None else bool(low > 0 or high < 0)
    less = name.endswith(LESS_IS_BETTER)
    better = ("b" if (difference.mean() < 0) == less else "a") if certain else None
    return {
        "clips": len(values),
        "a": round(float(values[:, 0].mean()), 4),
        "b": round(float(values[:, 1].mean()), 4),
        "difference": round(float(difference.mean()), 4),
        "low": low,
        "high": high,
        "significant": certain,
        "better": better,
    }


def interval(difference: NDArray[np.float64], seed: int = 0) -> tuple[float | None, float | None]:
    """Of the mean difference.

    Args:
        difference: (N,) by clip.
        seed: Of the drawing.

    Returns:
        Low and high end; None, None with fewer than ``FEWEST`` clips.
    """
    if len(difference) < FEWEST:
        return None, None
    if np.ptp(difference) == 0:
        return round(float(difference[0]), 4), round(float(difference[0]), 4)
    found = stats.bootstrap(
        (difference,),
        np.mean,
        confidence_level=_expanded(len(difference)),
        n_resamples=RESAMPLES,
        method="percentile",
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    return round(float(found.low), 4), round(float(found.high), 4)


def _expanded(count: int) -> float:
    """The level of the bootstrap's percentiles that gives ``CONFIDENCE`` with so few clips."""
    t = stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)
    return float(1 - 2 * stats.norm.sf(t * np.sqrt(count / (count - 1))))


def read_run(path: Path) -> Figures:
    """Figures by clip.

    Raises:
        InputError: There are none.
    """
    if path.is_dir():
        folders = result_folders(path)
        if not folders:
            raise InputError(
                f"{path} is no folder of `posemo run`: it has neither batch.json nor results.mcap"
            )
        summaries = {folder: _json(folder / "summary.json") for folder in folders}
        found = {_clip_name(path, f, s): _numbers(s.get("truth")) for f, s in summaries.items()}
    else:
        content = _json(path)
        results = content.get("results", {})
        clips = content.get("by_clip") or (
            results.get("recordings", {}) if isinstance(results, Mapping) else {}
        )
        found = {n: _numbers(f) for n, f in clips.items()} if isinstance(clips, Mapping) else {}
    found = {name: figures for name, figures in found.items() if figures.keys() - {COVERAGE}}
    if not found:
        raise InputError(
            f"{path} has no figures by clip; expected a folder of `posemo run … --truth` or a report of "
            "`posemo evaluate tracking --json`"
        )
    return found


def _clip_name(run: Path, folder: Path, summary: Mapping[str, Any]) -> str:
    """Of a run of one source the source's name, for its folder may be called anything."""
    return str(summary.get("source") or folder.name) if folder == run else folder.name


def _numbers(figures: object) -> dict[str, float]:
    if not isinstance(figures, Mapping):
        return {}
    numbers = {k: v for k, v in figures.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}
    return {str(k): float(v) for k, v in numbers.items() if k not in ("frames", "persons", "offset_s")}


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json_of(path)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {reason(error)}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object")
    return content


def _plots(results: Mapping[str, Mapping[str, Any]]) -> list[Plot]:
    """Figures of all units in one plot: in percent of a's mean."""
    rows = {
        name: tuple(100 * r[k] / abs(r["a"]) for k in ("low", "difference", "high"))
        for name, r in results.items()
        if r["low"] is not None and r["a"]
    }
    if not rows:
        return []
    text = (
        f"b - a in percent of a's mean, with the {CONFIDENCE:.0%} interval. An interval that leaves out 0 is "
        "more than chance. Whether more is better depends on the figure: see the table."
    )
    return [intervals("Differences", text, rows, x="b - a, percent of a")]  # type: ignore[arg-type]


def _table(results: Mapping[str, Mapping[str, Any]]) -> Table:
    rows = []
    for name, r in results.items():
        ends = "too few clips" if r["low"] is None else f"{r['low']:g} to {r['high']:g}"
        verdict = {None: "-", True: f"yes, {r['better']} is better", False: "no"}[r["significant"]]
        rows.append((name, r["clips"], r["a"], r["b"], r["difference"], ends, verdict))
    return Table("b - a", ("figure", "clips", "a", "b", "difference", "interval", "significant"), rows)
