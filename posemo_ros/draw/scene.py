"""3D: skeletons on a floor with a metre grid, seen by an orbiting camera."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..settings import KEYPOINT_THRESHOLD
from ..skeleton import H36M17
from ..types import Skeletons3D
from . import style
from .style import Colour, Picture

GROUND, FLOOR, GRID, SHADOW = (style.bgr(c) for c in ("#171C24", "#1F2630", "#3A4554", "#10141A"))
_FEET = [H36M17.index(j) for j in ("left_ankle", "right_ankle")]
_FOV_DEG = 32.0
GUESS = style.bgr("#5A6675")
GUESSED = KEYPOINT_THRESHOLD  # joints with a lower score were not seen; the lifter made them up


@dataclass(frozen=True)
class View3D:
    """Where the 3D view looks, in the frame of the real camera (x right, y down, z forward).

    Attributes:
        centre: x, y, z in metres of the point in the middle of the picture.
        floor_y: Height of the floor in metres (y points down).
        half_size: Metres from the centre to the edge of the floor.
        azimuth_deg, elevation_deg: The view turned to the side and lifted against the real camera.
    """

    centre: tuple[float, float, float] = (0.0, 0.2, 4.0)
    floor_y: float = 1.1
    half_size: float = 1.5
    azimuth_deg: float = -32.0
    elevation_deg: float = 16.0

    def project(self, points: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.float64]:
        """Pixels of points.

        Args:
            points: (..., 3) metres in the frame of the real camera; NaN stays NaN.
            size: Width and height of the picture.

        Returns:
            (..., 3): x px, y px, pixels per metre at that depth; NaN behind the view's eye.
        """
        focal = min(size) / 2 / np.tan(np.radians(_FOV_DEG) / 2)
        distance = 0.9 * max(self.half_size, 1.0) / np.sin(np.radians(_FOV_DEG) / 2)
        local = (np.asarray(points, np.float64) - self.centre) @ self._rotation().T
        depth = local[..., 2] + distance
        scale = focal / np.where(depth > 0.1, depth, np.nan)
        x = size[0] / 2 + local[..., 0] * scale
        y = size[1] / 2 + local[..., 1] * scale
        return np.stack([x, y, scale], axis=-1)

    def _rotation(self) -> NDArray[np.float64]:
        """(3, 3) from the real camera's axes to the view's."""
        a, e = np.radians([self.azimuth_deg, self.elevation_deg])
        turn = np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
        lift = np.array([[1, 0, 0], [0, np.cos(e), -np.sin(e)], [0, np.sin(e), np.cos(e)]])
        return np.asarray(lift @ turn, np.float64)


def fit_view(joints: Iterable[NDArray[np.floating]], previous: View3D | None = None) -> View3D:
    """A view that shows all these joints.

    Args:
        joints: Arrays (..., 17, 3) in metres in the camera frame: of one frame, or of many for a
            view that stands still; NaN is ignored.
        previous: For a live picture: the view moves a tenth of the way from here, so that it
            glides instead of jumping.

    Returns:
        The view; the previous (or default) one when no joint is known.
    """
    points = [np.asarray(j, np.float64).reshape(-1, len(H36M17), 3) for j in joints]
    known = np.concatenate(points) if points else np.zeros((0, len(H36M17), 3))
    known = known[np.isfinite(known).all(axis=(1, 2))]
    if not len(known):
        return previous or View3D()
    low, high = np.percentile(known.reshape(-1, 3), [2, 98], axis=0)
    floor = float(np.median(known[:, _FEET, 1].max(axis=1))) + 0.08
    middle = (low + high) / 2
    half = float(max(1.1, np.hypot(*(high - low)[[0, 2]]) / 2 + 0.4, (high - low)[1] / 2 + 0.25))
    fitted = View3D((float(middle[0]), float(middle[1]), float(middle[2])), floor, half)
    return fitted if previous is None else _towards(previous, fitted, 0.1)


def _towards(a: View3D, b: View3D, part: float) -> View3D:
    def mix(x: float, y: float) -> float:
        return x + part * (y - x)

    x, y, z = (mix(p, q) for p, q in zip(a.centre, b.centre, strict=True))
    return View3D((x, y, z), mix(a.floor_y, b.floor_y), mix(a.half_size, b.half_size))


def scene(
    skeletons: Skeletons3D | None, size: tuple[int, int], view: View3D | None = None, *, note: str = ""
) -> Picture:
    """A picture of the skeletons in space.

    The floor grid is one metre wide and lies at the height of the lowest feet, level with the
    camera; its labels are distances from the camera. Bones to joints that were not seen are thin and
    grey. People without a place in space are named
    below, not drawn.

    Args:
        skeletons: Of one image; None draws the empty floor.
        size: Width and height in pixels.
        view: Where to look from; None fits this image alone.
        note: A line in the upper left corner.

    Returns:
        (height, width, 3) uint8 BGR.
    """
    skeletons = skeletons or Skeletons3D()
    view = view or fit_view([skeletons.joints])
    canvas = np.full((size[1], size[0], 3), GROUND, np.uint8)
    unit = max(0.6, min(size) / 480)
    _floor(canvas, view, unit)
    placed = np.asarray(np.isfinite(skeletons.roots).all(axis=1))
    for n in _far_to_near(skeletons, placed):
        _shadow(canvas, skeletons.joints[n], view)
    for n in _far_to_near(skeletons, placed):
        _person(canvas, skeletons.joints[n], skeletons.scores[n], skeletons.ids[n], view, unit)
    missing = [name for name, known in zip(skeletons.ids, placed, strict=True) if not known]
    _captions(canvas, unit, note, missing)
    return canvas


def _far_to_near(skeletons: Skeletons3D, placed: NDArray[np.bool_]) -> list[int]:
    return sorted(np.flatnonzero(placed).tolist(), key=lambda n: -float(skeletons.roots[n, 2]))


def _floor(canvas: Picture, view: View3D, unit: float) -> None:
    size = (canvas.shape[1], canvas.shape[0])
    x0, z0 = (np.floor(view.centre[i] - view.half_size) for i in (0, 2))
    x1, z1 = (np.ceil(view.centre[i] + view.half_size) for i in (0, 2))
    corners = np.array([[x0, z0], [x1, z0], [x1, z1], [x0, z1]])
    outline = view.project(_on_floor(corners, view), size)
    if not style.drawable(outline):
        return
    points = np.array([style.fixed(p) for p in outline])
    cv2.fillConvexPoly(canvas, points, FLOOR, cv2.LINE_AA, 4)
    for x in np.arange(x0, x1 + 0.5):
        _grid_line(canvas, view, (x, z0), (x, z1), unit)
    for z in np.arange(z0, z1 + 0.5):
        _grid_line(canvas, view, (x0, z), (x1, z), unit)
        end = view.project(_on_floor(np.array([x1, z]), view), size)
        if z >= 0:
            style.text(canvas, f"{z:.0f} m", (end[0] + 6 * unit, end[1]), 10.5 * unit, style.MUTED)


def _on_floor(xz: NDArray[np.floating], view: View3D) -> NDArray[np.float64]:
    """(..., 2) x, z as (..., 3) points on the floor."""
    return np.stack([xz[..., 0], np.full(xz.shape[:-1], view.floor_y), xz[..., 1]], axis=-1)


def _grid_line(
    canvas: Picture, view: View3D, a: tuple[float, float], b: tuple[float, float], unit: float
) -> None:
    ends = view.project(_on_floor(np.array([a, b]), view), (canvas.shape[1], canvas.shape[0]))
    if style.drawable(ends):
        style.line(canvas, ends[0], ends[1], GRID, max(1.0, unit))


def _shadow(canvas: Picture, joints: NDArray[np.floating], view: View3D) -> None:
    flat = np.array(joints, np.float64)
    flat[:, 1] = view.floor_y
    points = view.project(flat, (canvas.shape[1], canvas.shape[0]))
    for a, b in H36M17.bones:
        if style.drawable(points[[a, b]]):
            style.line(canvas, points[a], points[b], SHADOW, 0.09 * points[a, 2])


def _person(
    canvas: Picture,
    joints: NDArray[np.floating],
    scores: NDArray[np.floating],
    track_id: str,
    view: View3D,
    unit: float,
) -> None:
    guessed = scores < GUESSED
    own = style.person_colour(track_id)
    points = view.project(joints, (canvas.shape[1], canvas.shape[0]))
    depth = [(float(points[[a, b], 2].mean()), a, b) for a, b in H36M17.bones]
    for scale, a, b in sorted(d for d in depth if np.isfinite(d[0])):
        if style.drawable(points[[a, b]]):
            guess = guessed[a] or guessed[b]
            colour = GUESS if guess else style.side_colour(H36M17.side(b), own)
            width = max(2.0 * unit, 0.05 * scale) * (0.5 if guess else 1)
            style.line(canvas, points[a], points[b], style.DARK, width + 2 * unit)
            style.line(canvas, points[a], points[b], colour, width)
    for joint, point in enumerate(points):
        if style.drawable(point) and not guessed[joint]:
            _ball(canvas, point, style.side_colour(H36M17.side(joint), own), unit)
    head = points[H36M17.index("head_top")]
    if style.drawable(head):
        at = (head[0], head[1] - 14 * unit)
        style.text(canvas, track_id, at, 13 * unit, own, bold=True, anchor="centre")


def _ball(canvas: Picture, point: NDArray[np.float64], colour: Colour, unit: float) -> None:
    radius = max(1.8 * unit, 0.032 * float(point[2]))
    style.disc(canvas, point, radius, style.LIGHT)
    style.disc(canvas, point, 0.62 * radius, colour)


def _captions(canvas: Picture, unit: float, note: str, missing: list[str]) -> None:
    height, width = canvas.shape[:2]
    font, bottom = 11 * unit, height - 14 * unit
    if note:
        style.text(canvas, note, (12 * unit, 16 * unit), font, style.MUTED)
    if missing:
        words = f"not placed in space: {', '.join(missing)}"
        style.text(canvas, words, (12 * unit, bottom - 18 * unit), font, style.MUTED)
    x = 12 * unit
    for words, colour in (("left", style.LEFT), ("right", style.RIGHT)):
        style.disc(canvas, np.array([x + 4 * unit, bottom]), 4 * unit, colour)
        style.text(canvas, words, (x + 13 * unit, bottom), font, style.MUTED)
        x += 24 * unit + style.text_width(words, font)
    style.text(canvas, "grid 1 m", (width - 12 * unit, bottom), font, style.MUTED, anchor="right")
