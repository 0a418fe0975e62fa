"""overview.png: a clip at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .people_table import STATE_CODES, STATE_WORDS, STATES, Person, timeline_of

MAX_PEOPLE = 6


@dataclass(frozen=True, eq=False)
class Moment:
    """One picked frame: time in seconds, 2D overlay and 3D view, BGR."""

    time_s: float
    overlay: NDArray[np.uint8]
    scene: NDArray[np.uint8]


def overview(
    path: Path, title: str, moments: Sequence[Moment], people: Sequence[Person], end_s: float, images: int
) -> None:
    """Write the overview: pictures, and under them who was seen when and what was said of their emotion.

    Args:
        path: PNG file.
        title: What was run.
        moments: Frames to show, in order.
        people: Everybody; those who were seen longest are shown.
        end_s: Length of the clip.
        images: Number of its images.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    longest = {id(person) for person in sorted(people, key=lambda p: -len(p.seconds))[:MAX_PEOPLE]}
    rows = [person for person in people if id(person) in longest]
    low = 1.6 + 0.5 * len(rows)
    figure = Figure(figsize=(4 * max(len(moments), 2), 6.2 + low), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    parts: Any = figure.subfigures(2, 1, height_ratios=[6.0, low])
    top, bottom = parts
    figure.suptitle(title, fontsize=14, fontweight="bold")
    _pictures(top, moments)
    _rows(bottom, rows, end_s, images)
    figure.savefig(path, dpi=90)


def _pictures(figure: Any, moments: Sequence[Moment]) -> None:
    axes = figure.subplots(2, max(len(moments), 1), squeeze=False)
    for column, moment in enumerate(moments):
        for row, picture in enumerate((moment.overlay, moment.scene)):
            axes[row, column].imshow(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
        axes[0, column].set_title(f"{moment.time_s:.1f} s", fontsize=11)
    for axis in axes.flat:
        axis.set_axis_off()


def _rows(figure: Any, people: Sequence[Person], end_s: float, images: int) -> None:
    """A row per person: the quality of the skeleton, and the emotion or why there is none."""
    if not people:
        figure.text(0.5, 0.5, "nobody was found", ha="center", va="center")
        return
    from matplotlib.patches import Patch

    timeline = timeline_of(people, end_s, images)
    quality, emotion = figure.subplots(2, 1, sharex=True)
    whole: dict[str, Any] = {"aspect": "auto", "interpolation": "none", "extent": (0, end_s, len(people), 0)}
    quality.imshow(timeline.quality, cmap="cividis", vmin=0, vmax=1, **whole)
    emotion.imshow(_coloured(timeline.states), **whole)
    quality.set_title("Seen, and how well (yellow: sure of the joints)", fontsize=11, loc="left")
    emotion.set_title("Emotion, or why there is none", fontsize=11, loc="left")
    for axis in (quality, emotion):
        axis.set_yticks(np.arange(len(people)) + 0.5, [person.name for person in people])
        axis.hlines(np.arange(1, len(people)), 0, end_s, color="white", linewidth=4)
        axis.tick_params(left=False)
        axis.spines[:].set_visible(False)
    shown = [state for k, state in enumerate(STATES) if (timeline.states == k).any()]
    patches = [Patch(color=STATE_CODES[state], label=STATE_WORDS[state]) for state in shown]
    if patches:
        figure.legend(handles=patches, ncols=len(patches), loc="outside lower right", frameon=False)
    emotion.set_xlabel("time [s]", loc="left")


def _coloured(states: NDArray[np.int64]) -> NDArray[np.float64]:
    """(P, B) states as (P, B, 4) colours; white where nobody asked."""
    from matplotlib.colors import to_rgba_array

    colours: NDArray[np.float64] = to_rgba_array([*(STATE_CODES[s] for s in STATES), "white"])
    return colours[states]
