"""Plots of figures as data, drawn by plotly.js in the page of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Trace = dict[str, Any]
WHOLE = (0.0, 1.0)  # the axis of a share


@dataclass(frozen=True)
class Plot:
    """One plot.

    Attributes:
        title: What is shown, in a few words.
        text: How to read it, a sentence.
        traces: Of plotly.js, without colours.
        x, y: Titles of the axes.
        layout: More of plotly.js' layout; ``xaxis`` and ``yaxis`` are added to ours.
    """

    title: str
    text: str
    traces: Sequence[Trace]
    x: str = ""
    y: str = ""
    layout: Mapping[str, Any] = field(default_factory=dict)

    def as_data(self) -> dict[str, Any]:
        """For the script of the page."""
        layout = {**self.layout}
        for axis, title in (("xaxis", self.x), ("yaxis", self.y)):
            layout[axis] = {"title": {"text": title}, **layout.get(axis, {})}
        return {"traces": list(self.traces), "layout": layout}


def bars(
    title: str,
    text: str,
    rows: Mapping[str, Mapping[str, float]],
    y: str,
    *,
    range_: tuple[float, float] | None = None,
) -> Plot:
    """Groups of bars: a colour for each row, a group for each of its names."""
    traces = [
        {"type": "bar", "name": name, "x": list(figures), "y": [known(v) for v in figures.values()]}
        for name, figures in rows.items()
    ]
    return Plot(title, text, traces, y=y, layout={"yaxis": {"range": list(range_)}} if range_ else {})


def lines(
    title: str,
    text: str,
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    x: str,
    y: str,
    range_: tuple[float, float] | None = None,
    marked: bool = True,
) -> Plot:
    """A line with marks for each curve, ``name -> (x, y)``."""
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers" if marked else "lines",
            "name": name,
            "x": [known(v) for v in at],
            "y": [known(v) for v in values],
        }
        for name, (at, values) in curves.items()
    ]
    return Plot(title, text, traces, x, y, {"yaxis": {"range": list(range_)}} if range_ else {})


def heatmap(title: str, text: str, rows: Mapping[str, Mapping[str, float]], *, x: str, y: str) -> Plot:
    """A matrix with its numbers, the first row on top."""
    columns = list(next(iter(rows.values())))
    values = [[known(v) for v in row.values()] for row in rows.values()]
    trace = {
        "type": "heatmap",
        "x": columns,
        "y": list(rows),
        "z": values,
        "text": [[f"{v:g}" for v in row.values()] for row in rows.values()],
        "texttemplate": "%{text}",
        "colorscale": "Cividis",
        "showscale": False,
    }
    return Plot(title, text, [trace], x, y, {"yaxis": {"autorange": "reversed"}})


def intervals(title: str, text: str, rows: Mapping[str, tuple[float, float, float]], *, x: str) -> Plot:
    """A point with its interval for each name, ``(low, middle, high)``; a line at 0."""
    middles = [m for _, m, _ in rows.values()]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": middles,
        "y": list(rows),
        "marker": {"size": 9},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [h - m for _, m, h in rows.values()],
            "arrayminus": [m - low for low, m, _ in rows.values()],
        },
    }
    layout = {
        "yaxis": {"autorange": "reversed", "automargin": True},
        "xaxis": {"zeroline": True, "zerolinewidth": 2},
        "showlegend": False,
        "height": 120 + 36 * len(rows),
    }
    return Plot(title, text, [trace], x, layout=layout)


def known(value: float) -> float | None:
    """Without NaN, which JSON does not know."""
    return round(float(value), 6) if np.isfinite(value) else None
