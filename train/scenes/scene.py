"""Scenes: people who move on a stage, seen by one camera, with exact truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .mesh import Floats, Ints
from .person import Person, Posed
from .render import Light, Picture, Renderer, Surface, View
from .retarget import Motion, Poses, retarget, stand_on_floor

HIDDEN_M = 0.18  # a keypoint this far behind the visible surface is hidden: it lies inside the body
MIN_PIXELS = 60  # of a person inside the picture; with fewer the person is not labelled


@dataclass(frozen=True, eq=False)
class Actor:
    """A person with something to do.

    Attributes:
        person: The body and its clothes.
        poses: At the frame rate of the scene.
    """

    person: Person
    poses: Poses

    @classmethod
    def play(cls, person: Person, motion: Motion) -> Actor:
        """Let a person move as in a motion, standing on the floor."""
        return cls(person, stand_on_floor(person.body, retarget(person.body, motion)))

    @cached_property
    def surfaces(self) -> tuple[Surface, ...]:
        """What is drawn of the person."""
        return tuple(Surface(p.faces, p.colours, p.gloss) for p in self.person.parts)

    def at(self, frame: int) -> Posed:
        """The posed person."""
        return self.person.pose(self.poses.rotations[frame], self.poses.root[frame])


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known about one picture; P people, those out of view are NaN.

    Attributes:
        keypoints: (P, 17, 3) COCO-17: x px, y px, and 2 visible, 1 hidden or outside the picture.
        boxes: (P, 4) xyxy px of the visible outline's extent, clipped to the picture.
        joints: (P, 17, 3) metres, camera frame, H36M-17 as in ``retarget.joints_of``.
    """

    keypoints: Floats
    boxes: Floats
    joints: Floats


@dataclass(frozen=True, eq=False)
class Scene:
    """A stage with people.

    Attributes:
        actors: The people.
        view: The camera.
        lights: See ``render.Light``.
        ambient: Light from everywhere, 0 to 1.
        stage: Surfaces that do not move, with their vertices.
    """

    actors: tuple[Actor, ...]
    view: View
    lights: tuple[Light, ...]
    ambient: float
    stage: tuple[tuple[Surface, NDArray[np.float32]], ...] = ()

    def draw(self, renderer: Renderer, frame: int) -> tuple[Picture, Truth]:
        """One frame and its truth."""
        posed = [actor.at(frame) for actor in self.actors]
        renderer.lights(self.lights, self.ambient)
        picture = renderer.render(self.view, [*self.stage, *dressed(self.actors, posed)])
        return picture, truth_of(posed, self.view, picture)


def dressed(actors: Sequence[Actor], posed: Sequence[Posed]) -> list[tuple[Surface, NDArray[np.float32]]]:
    """What is drawn of posed people."""
    return [
        (surface, points)
        for actor, pose in zip(actors, posed, strict=True)
        for surface, points in zip(actor.surfaces, pose.points, strict=True)
    ]


def truth_of(posed: Sequence[Posed], view: View, picture: Picture) -> Truth:
    """Labels of posed people in a picture."""
    keypoints = np.full((len(posed), 17, 3), np.nan)
    boxes = np.full((len(posed), 4), np.nan)
    joints = np.full((len(posed), 17, 3), np.nan)
    for i, pose in enumerate(posed):
        box = _box(view, pose, picture)
        if box is None:
            continue
        boxes[i] = box
        joints[i] = view.to_camera(pose.joints)
        points = view.to_camera(pose.keypoints)
        keypoints[i, :, :2] = view.camera.project(points)
        keypoints[i, :, 2] = np.where(_visible(keypoints[i, :, :2], points[:, 2], picture), 2, 1)
    return Truth(keypoints, boxes, joints)


def _box(view: View, pose: Posed, picture: Picture) -> Floats | None:
    """Extent of the part of a person that is inside the picture; None when hardly any is."""
    height, width = picture.depth.shape
    outline = view.camera.project(view.to_camera(pose.outline))
    low = np.clip(np.nanmin(outline, axis=0), 0, (width, height))
    high = np.clip(np.nanmax(outline, axis=0), 0, (width, height))
    if np.isnan(low).any() or np.prod(high - low) < MIN_PIXELS:
        return None
    return np.concatenate([low, high])


def _visible(pixels: Floats, depth: Floats, picture: Picture) -> NDArray[np.bool_]:
    """(17,) whether a keypoint is inside the picture and nothing lies in front of its body."""
    height, width = picture.depth.shape
    x, y = np.nan_to_num(pixels, nan=-1).round().astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    surface = picture.depth[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    return np.asarray(inside & (depth < surface + HIDDEN_M), np.bool_)


# Stages -------------------------------------------------------------------------------------


def quad(
    corners: Sequence[ArrayLike], colour: ArrayLike, cells: int = 1
) -> tuple[Surface, NDArray[np.float32]]:
    """A flat four-sided patch (corners in order), cut into cells so that light can vary on it."""
    a, b, c, d = (np.asarray(corner, np.float64) for corner in corners)
    s, t = np.meshgrid(np.linspace(0, 1, cells + 1), np.linspace(0, 1, cells + 1), indexing="ij")
    s, t = s[..., None], t[..., None]
    points = (a * (1 - s) + b * s) * (1 - t) + (d * (1 - s) + c * s) * t
    colours = np.tile(np.asarray(colour), (points.shape[0] * points.shape[1], 1))
    return Surface(_cells(cells), _bytes(colours)), points.reshape(-1, 3).astype(np.float32)


def box(
    centre: Sequence[float], size: Sequence[float], colour: ArrayLike
) -> list[tuple[Surface, NDArray[np.float32]]]:
    """Six sides of a block, metres."""
    lo, hi = np.asarray(centre) - np.asarray(size) / 2, np.asarray(centre) + np.asarray(size) / 2
    sides = []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        for end, order in ((hi, 1), (lo, -1)):
            corners = np.empty((4, 3))
            corners[:, axis] = end[axis]
            corners[:, u] = [lo[u], hi[u], hi[u], lo[u]]
            corners[:, v] = [lo[v], lo[v], hi[v], hi[v]]
            sides.append(quad(list(corners[::order]), colour))
    return sides


def room(
    depth: float, width: float, height: float, floor: Sequence[float], wall: Sequence[float]
) -> list[tuple[Surface, NDArray[np.float32]]]:
    """Floor (tiles in two close shades), back wall with a skirting board, side walls.

    The camera's side is x = 0; the back wall stands at x = depth, left is +y.
    """
    half, shade = width / 2, np.asarray(wall)
    top_left, top_right = (depth, half, height), (depth, -half, height)
    left, right = (depth, half, 0), (depth, -half, 0)
    return [
        _tiles(depth, width, np.asarray(floor)),
        quad([left, right, top_right, top_left], shade, 12),
        quad([(-2, half, 0), left, top_left, (-2, half, height)], shade * 0.93, 12),
        quad([right, (-2, -half, 0), (-2, -half, height), top_right], shade * 0.9, 12),
        *box((depth - 0.01, 0, 0.05), (0.02, width, 0.1), shade * 0.6),
    ]


def _tiles(
    depth: float, width: float, colour: Floats, side: float = 0.6
) -> tuple[Surface, NDArray[np.float32]]:
    points: list[tuple[float, float, float]] = []
    faces: list[tuple[int, int, int]] = []
    colours: list[Floats] = []
    for i, x in enumerate(np.arange(-2, depth, side)):
        for j, y in enumerate(np.arange(-width / 2, width / 2, side)):
            n = len(points)
            points += [(x, y, 0), (x + side, y, 0), (x + side, y + side, 0), (x, y + side, 0)]
            faces += [(n, n + 1, n + 2), (n, n + 2, n + 3)]
            colours += [colour * (1.0 if (i + j) % 2 else 0.94)] * 4
    return Surface(np.array(faces), _bytes(np.array(colours))), np.array(points, np.float32)


def _cells(n: int) -> Ints:
    index = np.arange((n + 1) ** 2).reshape(n + 1, n + 1)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    return np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])


def _bytes(colours: Floats) -> NDArray[np.uint8]:
    return np.clip(colours * 255, 0, 255).astype(np.uint8)
