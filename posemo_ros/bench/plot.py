"""A report of ``posemo bench`` as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ENDINGS = (".png", ".svg", ".pdf")


def draw(report: Mapping[str, Any], path: Path, note: str = "") -> None:
    """Milliseconds a frame over people and over image size; the bars reach to the 95th percentile.

    Args:
        report: Of ``run.bench``.
        path: PNG, SVG or PDF to write.
        note: Kept inside an SVG or PNG, unseen.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    parts = [("crowds", "people in a VGA image"), ("sizes", "megapixels, one person")]
    parts = [(key, label) for key, label in parts if report[key]]
    figure = Figure(figsize=(5 * len(parts), 4), layout="constrained")
    FigureCanvasAgg(figure)
    for number, (key, label) in enumerate(parts, 1):
        axes = figure.add_subplot(1, len(parts), number)
        for name in dict.fromkeys(f["contender"] for f in report[key]):
            rows = [f for f in report[key] if f["contender"] == name]
            across = [_across(key, f) for f in rows]
            middle = [f["ms"] for f in rows]
            above = [max(f["ms_p95"] - f["ms"], 0) for f in rows]
            axes.errorbar(across, middle, [[0] * len(rows), above], marker="o", capsize=3, label=name)
        axes.set_xlabel(label)
        axes.set_ylabel("ms a frame (median, up to p95)")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    metadata = {"Description": note, **({"Date": None} if path.suffix == ".svg" else {})}
    named = path.suffix in (".svg", ".png")
    with rc_context({"svg.hashsalt": "posemo", "svg.fonttype": "none"}):
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110, metadata=metadata if named else None)


def _across(key: str, figures: Mapping[str, Any]) -> float:
    size: Sequence[int] = figures["size"]
    return float(figures["people"]) if key == "crowds" else size[0] * size[1] / 1e6
