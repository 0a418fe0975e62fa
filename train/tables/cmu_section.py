"""What ``docs/reproduction.md`` says about the CMU comparison: conditions, table, verdict, curves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from posemo_ros.text_files import json_of

from .cmu_runs import AG_FORMER, METRICS, SCHEDULE, TCN

MEASURED = Path(__file__).resolve().parent / "measured"  # cmu_<cameras per clip>_<steps>.json, kept
PICTURES = Path(__file__).resolve().parents[2] / "docs" / "figures"
_FALLS = "A learning rate that falls to zero flattens any curve: more steps may still end lower."
_OLD = "Measured by an older version: today's command lets the learning rate fall and would not repeat it."
_CHANCE = 0.05  # how rare a difference must be between networks that are alike
_FLAT = 0.01  # part of the error that a flat curve may still gain over the last fifth of the steps


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
        f"{b['steps']:,} steps of {b['batch']} windows each{_sequences(summary)}, learning rate {b['rate']} "
        f"({b['schedule']}); with several seeds mean ± standard deviation; CMU train clips, keypoint "
        f"noise '{b['noise']}', tested on {int(first['frames_tested']):,} frames of the test clips; "
        "unweighted mean of the actions, float32 on a CPU. `none`: PoseFormer, `sam+tam`: paper B's, "
        f"`{TCN}`: the network of the starter lifter, which itself sees its window normalised by the person "
        "and learned longer (its card). Last fifth: change of the error on training clips kept "
        "apart over the last fifth of the steps."
    )
    curves = [f"![Error by step of every run](figures/{picture.name})"] if picture.exists() else []
    return [
        conditions,
        "\n".join(table(summary)),
        " ".join(
            filter(None, [verdict(summary), flatness(summary), _FALLS if b["schedule"] == SCHEDULE else _OLD])
        ),
        *curves,
    ]


def _sequences(summary: dict[str, Any]) -> str:
    """What is said of a network that is taught all poses of its window, where it took part."""
    if all(row["variant"] != AG_FORMER for row in summary["rows"]):
        return ""
    return (
        f" ({AG_FORMER}: a f-th of that, since it is taught f poses of each; with its own recipe's "
        "loss, in which the movement from frame to frame weighs 20 times)"
    )


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
