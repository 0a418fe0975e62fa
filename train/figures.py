"""Figures of model cards: how reliable scores are, and line drawings of the worst answers.

Drawn from figures and films alone (no photo of anybody), as SVG by hand: small, and the same bytes each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posemo_ros.skeleton import COCO17, H36M17
from posemo_ros.types import Floats
from train.data.sightings import Sightings

SIDE, GAP = 220, 40  # px of a panel, and between panels
ENOUGH, SEEN = 8, 0.2  # visible joints of somebody who could be found; least score of a joint that is drawn
TRUE, FOUND = "#888888", "#c0392b"
Bones = Iterable[tuple[int, int]]


def reliability_figure(reports: dict[str, Sequence[Sequence[float]]]) -> str:
    """SVG: scores against the share of joints that are right, in bins, for each set.

    Args:
        reports: Name of the set -> rows (mean score, share of right joints, count), as
            ``people_report.reliability`` gives them.
    """
    return _page([_reliability(name, rows) for name, rows in reports.items()])


def _reliability(name: str, rows: Sequence[Sequence[float]]) -> str:
    most = max(row[2] for row in rows)
    dots = [
        f'<circle cx="{SIDE * score:.1f}" cy="{SIDE * (1 - true):.1f}" r="{2 + 8 * (n / most) ** 0.5:.1f}" '
        f'fill="{FOUND}" fill-opacity="0.7"/>'
        for score, true, n in rows
        if n
    ]
    frame = f'<rect width="{SIDE}" height="{SIDE}" fill="none" stroke="{TRUE}"/>'
    ideal = _line((0, SIDE), (SIDE, 0), TRUE, 1)
    axes = _text("score, 0 to 1", SIDE / 2, SIDE + 14) + _text("right", -4, 10, "end")
    return frame + ideal + "".join(dots) + axes + _text(name, SIDE / 2, -8)


def worst_keypoints(seen: Sightings, count: int = 5) -> str:
    """SVG: of so many films kept to report, the person and frame with the worst keypoints of all."""
    away = np.linalg.norm(seen.found[..., :2] - seen.truth[..., :2], axis=-1)
    visible = (seen.truth[..., 2] == 2) & np.isfinite(away)
    size = np.ptp(seen.truth[..., :2], axis=2).max(-1)
    error = (np.where(visible, away, 0).sum(-1) / np.maximum(visible.sum(-1), 1)) / size
    error = np.where((visible.sum(-1) >= ENOUGH) & np.isfinite(error), error, -1)
    panels = []
    for person, frame in _worst(error, seen.film, count):
        truth, found = seen.truth[person, frame, :, :2], seen.found[person, frame].copy()
        found[found[:, 2] < SEEN] = np.nan
        name = f"{100 * error[person, frame]:.0f} % of the size off"
        panels.append(_drawn(truth, found[:, :2], COCO17.bones, name))
    return _page(panels)


def worst_skeletons(answers: Sequence[Floats], seen: Sightings, count: int = 5) -> str:
    """SVG: the same for the lifter's answers, as the camera sees them and from the side.

    Args:
        answers: (T, 17, 4) of every person, see ``skeleton_report.lift_all``.
        seen: The persons.
        count: How many.
    """
    found = np.stack(list(answers))[..., :3]
    truth = seen.joints - seen.joints[:, :, :1]
    error = np.linalg.norm(found - truth, axis=-1).mean(-1)
    error = np.where(np.isfinite(error), error, -1)
    panels = []
    for person, frame in _worst(error, seen.film, count):
        for axes, view in (((0, 1), "from in front"), ((2, 1), "from the side")):
            name = f"{1e3 * error[person, frame]:.0f} mm, {view}"
            here = truth[person, frame][:, axes], found[person, frame][:, axes]
            panels.append(_drawn(here[0], here[1], H36M17.bones, name))
    return _page(panels, columns=4)


def missed(seen: Sightings, count: int = 5) -> str:
    """SVG: of so many films kept to report, who was in clear view and not found for longest.

    The whole image: everybody's true joints in grey, what was found in red, the missed one thick.
    """
    clear = ((seen.truth[..., 2] == 2).sum(-1) >= ENOUGH) & ~np.isfinite(seen.found[..., 0]).any(-1)
    height = np.ptp(seen.truth[..., 1], axis=-1)
    panels = list[tuple[int, str]]()
    for person in sorted(range(len(seen)), key=lambda i: -int(clear[i].sum())):
        film = int(seen.film[person])
        if film % 2 == 0 or not clear[person].any() or film in [f for f, _ in panels]:
            continue
        frame = int(np.where(clear[person], height[person], -1).argmax())
        words = f"not found in {clear[person].sum()} images, {height[person, frame]:.0f} px high here"
        panels.append((film, _in_image(seen, person, frame) + _text(words, SIDE / 2, -8)))
    return _page([panel for _, panel in panels[:count]])


def _in_image(seen: Sightings, person: int, frame: int) -> str:
    """Everybody in an image of the person's film, true and found; the person thick."""
    width, height = seen.camera[person, :2]
    scale = SIDE / max(width, height)
    out = f'<rect width="{scale * width:.0f}" height="{scale * height:.0f}" fill="none" stroke="{TRUE}"/>'
    for other in np.flatnonzero(seen.film == seen.film[person]):
        thick = 5 if other == person else 2
        found = np.where(seen.found[other, frame, :, 2:] >= SEEN, seen.found[other, frame, :, :2], np.nan)
        for points, colour, line in ((seen.truth[other, frame, :, :2], TRUE, thick), (found, FOUND, 1)):
            inside = np.all((points >= 0) & (points <= [width, height]), axis=1).tolist()
            for a, b in COCO17.bones:
                if inside[a] and inside[b]:
                    out += _line(scale * points[a], scale * points[b], colour, line)
    return out


def _worst(error: NDArray[Any], film: NDArray[np.int64], count: int) -> list[tuple[int, int]]:
    """(person, frame) of the largest errors, one for each film that is kept to report."""
    best = error.argmax(1)
    order = sorted(range(len(error)), key=lambda i: -float(error[i, best[i]]))
    chosen: dict[int, tuple[int, int]] = {}
    for person in order:
        if film[person] % 2 == 1 and error[person, best[person]] > 0:
            chosen.setdefault(int(film[person]), (person, int(best[person])))
    return list(chosen.values())[:count]


def _drawn(truth: Floats, found: Floats, bones: Bones, name: str) -> str:
    """Both skeletons, the truth in grey, in one panel."""
    both = np.concatenate([truth, found[np.isfinite(found).all(1)]])
    low, size = both.min(0), max(float(np.ptp(both, axis=0).max()), 1e-6)
    pairs = list(bones)
    out = _text(name, SIDE / 2, -8)
    for points, colour, width in ((truth, TRUE, 5), (found, FOUND, 2)):
        placed = (points - low) / size * SIDE
        for a, b in pairs:
            if np.isfinite(placed[[a, b]]).all():
                out += _line(placed[a], placed[b], colour, width)
    return out


def _line(a: Sequence[float] | Floats, b: Sequence[float] | Floats, colour: str, width: int) -> str:
    return (
        f'<line x1="{a[0]:.1f}" y1="{a[1]:.1f}" x2="{b[0]:.1f}" y2="{b[1]:.1f}" stroke="{colour}" '
        f'stroke-width="{width}" stroke-linecap="round"/>'
    )


def _text(words: str, x: float, y: float, anchor: str = "middle") -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-family="sans-serif" font-size="12" '
        f'text-anchor="{anchor}">{words}</text>'
    )


def _page(panels: Sequence[str], columns: int = 5) -> str:
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    step = SIDE + GAP
    placed = [
        f'<g transform="translate({GAP + step * (i % columns)} {GAP + step * (i // columns)})">{panel}</g>'
        for i, panel in enumerate(panels)
    ]
    width, height = GAP + step * columns, GAP + step * rows
    body = "\n".join(placed)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">\n<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
    )
