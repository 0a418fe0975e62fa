"""overview.png: a clip at a glance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..draw import EMOTION_COLOURS
from ..types import EMOTIONS, Emotions, EmotionStatus

MAX_PEOPLE = 4


@dataclass(frozen=True, eq=False)
class Moment:
    """One picked frame: time in seconds, 2D overlay and 3D view, BGR."""

    time_s: float
    overlay: NDArray[np.uint8]
    scene: NDArray[np.uint8]


def overview(
    path: Path, title: str, moments: Sequence[Moment], emotions: Mapping[int, Emotions], start_ns: int
) -> None:
    """Write the overview.

    Args:
        path: PNG file.
        title: What was run.
        moments: Frames to show, in order.
        emotions: All estimates by stamp.
        start_ns: Stamp of the first frame, zero of the time axis.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    people = _longest_seen(emotions)
    rows = max(1, len(people))
    figure = Figure(
        figsize=(4 * max(len(moments), 2), 6.2 + 1.7 * rows), facecolor="white", layout="constrained"
    )
    FigureCanvasAgg(figure)
    parts: Any = figure.subfigures(2, 1, height_ratios=[6.0, 0.4 + 1.7 * rows])
    top, bottom = parts
    figure.suptitle(title, fontsize=14, fontweight="bold")
    _pictures(top, moments)
    _curves(bottom, people, emotions, start_ns)
    figure.savefig(path, dpi=90)


def _pictures(figure: Any, moments: Sequence[Moment]) -> None:
    axes = figure.subplots(2, max(len(moments), 1), squeeze=False)
    for column, moment in enumerate(moments):
        for row, picture in enumerate((moment.overlay, moment.scene)):
            axes[row, column].imshow(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
        axes[0, column].set_title(f"{moment.time_s:.1f} s", fontsize=11)
    for axis in axes.flat:
        axis.set_axis_off()


def _curves(figure: Any, people: Sequence[str], emotions: Mapping[int, Emotions], start_ns: int) -> None:
    axes = figure.subplots(max(len(people), 1), 1, sharex=True, squeeze=False)[:, 0]
    if not people:
        axes[0].text(0.5, 0.5, "no emotion estimates", ha="center", va="center", transform=axes[0].transAxes)
        axes[0].set_axis_off()
        return
    end_s = max((max(emotions) - start_ns) * 1e-9, 1e-3)
    for axis, person in zip(axes, people, strict=True):
        times, rows = _series(person, emotions, start_ns)
        for k, name in enumerate(EMOTIONS):
            colour = tuple(c / 255 for c in EMOTION_COLOURS[name][::-1])
            axis.plot(times, rows[:, k], color=colour, linewidth=1.8, label=name)
        axis.set_ylim(0, 1)
        axis.set_xlim(0, end_s)
        axis.set_ylabel(person, rotation=0, labelpad=14, fontweight="bold")
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.3)
    axes[0].set_title("Emotion probabilities (gaps: not enough to say)", fontsize=11, loc="left")
    axes[0].legend(ncols=len(EMOTIONS), loc="lower right", bbox_to_anchor=(1, 1), fontsize=9, frameon=False)
    axes[-1].set_xlabel("time [s]")


def _series(
    person: str, emotions: Mapping[int, Emotions], start_ns: int
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """(T,) seconds and (T, 6) probabilities, NaN where no valid estimate was given."""
    stamps = sorted(emotions)
    rows = np.full((len(stamps), len(EMOTIONS)), np.nan, np.float32)
    for row, stamp in enumerate(stamps):
        estimate = emotions[stamp]
        if person in estimate.ids:
            n = estimate.ids.index(person)
            if estimate.status[n] is EmotionStatus.VALID:
                rows[row] = estimate.probabilities[n]
    return (np.array(stamps) - start_ns) * 1e-9, rows


def _longest_seen(emotions: Mapping[int, Emotions]) -> list[str]:
    """The people with the most valid estimates, or, failing that, with the most estimates."""
    counts: dict[str, tuple[int, int]] = {}
    for estimate in emotions.values():
        for name, status in zip(estimate.ids, estimate.status, strict=True):
            valid, seen = counts.get(name, (0, 0))
            counts[name] = (valid + (status is EmotionStatus.VALID), seen + 1)
    best = sorted(counts, key=lambda name: counts[name], reverse=True)[:MAX_PEOPLE]
    return sorted(best, key=lambda name: (len(name), name))
