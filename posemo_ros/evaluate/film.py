"""Virtual cameras that film a body, and what a keypoint network would make of it.

Everything is drawn from seeds: the same file gives the same film. Symbols: V views, T frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..camera import Camera
from ..metrics import COCO_SIGMAS
from ..skeleton import COCO17, H36M17
from ..types import Floats

Doubles = NDArray[np.float64]

CAMERA = Camera.from_fov(640, 480, 60.0)
CAMERAS = (
    "640 x 480 px, 60 degrees, standing still anywhere around the clip, looking 5 degrees up to 20 down, "
    "2 to 6 m away or as far as the whole clip needs to fit"
)
_POINTS = H36M17.joints + COCO17.joints[:5]
COCO_OF_BODY = np.array([_POINTS.index(name) for name in COCO17.joints])
LEGS = slice(COCO17.joints.index("left_knee"), None)  # knees and ankles
BODY_SHARE = 0.53  # of its box that a person covers (COCO's segments in the median, about)
_NEAREST_M = 1.0
_MARGIN = 0.9  # of the image that the clip may fill


def look(rng: np.random.Generator, tilt_deg: float | None = None) -> Doubles:
    """(3, 3) world (z up) to the axes of a camera without roll, of any bearing.

    Args:
        rng: Of the bearing and the tilt.
        tilt_deg: How far it looks down; None: drawn, from 5 degrees up to 20 down.
    """
    bearing, drawn = rng.uniform(-np.pi, np.pi), rng.uniform(-5, 20)
    down = np.radians(drawn if tilt_deg is None else tilt_deg)
    ahead = np.array([np.cos(bearing), np.sin(bearing), 0.0])
    right = np.array([ahead[1], -ahead[0], 0.0])
    forward = np.cos(down) * ahead - np.sin(down) * np.array([0.0, 0.0, 1.0])
    return np.stack([right, np.cross(forward, right), forward])


def film(body: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """A clip in the frame of a camera that stands still and sees all of it.

    Args:
        body: (T, 22, 3) metres, z up.
        rng: Source of the camera.

    Returns:
        (T, 22, 3) metres in the camera frame; (3,) straight up in it.
    """
    turn = look(rng)
    pelvis = body[:, 0].astype(np.float64)
    seen = (body - (pelvis.min(0) + pelvis.max(0)) / 2) @ turn.T
    slope = _MARGIN * np.array([CAMERA.width, CAMERA.height]) / 2 / CAMERA.focal
    needed = np.maximum(np.abs(seen[..., :2]) / slope, _NEAREST_M) - seen[..., 2:]
    distance = max(rng.uniform(2, 6), float(needed.max()))
    return np.asarray(seen + [0, 0, distance], np.float32), turn[:, 2].astype(np.float32)


@dataclass(frozen=True)
class Noise:
    """How far keypoints are off, in the unit of COCO's similarity, and how many are lost.

    The error of keypoint k is normal with the standard deviation ``size`` * sigma_k * s on each axis,
    with COCO's sigma_k of human annotators and s the root of the person's area in the image. A
    quarter of its variance stays for the clip, half wanders within about a third of a second, a
    quarter is new in every frame. The mean object keypoint similarity of the keypoints that are seen
    is 1 / (1 + size^2 / 4).

    Attributes:
        size: 1 is as far off as human annotators are from each other.
        lost: Share of the keypoints that are not seen; about five frames at a time.
        hips_up: Knees and ankles lie outside the image and are lost.
    """

    size: float = 0.5
    lost: float = 0.05
    hips_up: bool = False

    @property
    def text(self) -> str:
        """For reports."""
        similarity = 1 / (1 + self.size**2 / 4)
        return (
            f"errors {self.size:g} times those of COCO's annotators (mean similarity {similarity:.2f}), "
            f"a quarter constant, half wandering, a quarter new in each frame; {self.lost:.0%} lost"
        )


def keypoints(seen: Floats, noise: Noise | None, rng: np.random.Generator) -> Floats:
    """What a keypoint network says about a film.

    Args:
        seen: (T, 22, 3) of ``film``.
        noise: None for perfect keypoints.
        rng: Source of chance.

    Returns:
        (T, 17, 3) float32 x px, y px, score; NaN, NaN, 0 where a keypoint is lost. A score is the
        keypoint's own similarity; 1 without noise.
    """
    xy = CAMERA.project(seen[:, COCO_OF_BODY])
    if noise is None:
        return np.concatenate([xy, np.ones_like(xy[..., :1])], -1).astype(np.float32)
    error = noise.size * _wandering(xy.shape, rng)
    scores = np.exp(-np.square(error).sum(-1, keepdims=True) / 8)
    extent = np.sqrt(BODY_SHARE * np.prod(np.ptp(xy, axis=1), -1))[:, None, None]
    out = np.concatenate([xy + extent * COCO_SIGMAS[:, None] * error, scores], -1)
    out[_lost(xy.shape[:2], noise.lost, rng)] = (np.nan, np.nan, 0)
    if noise.hips_up:
        out[:, LEGS] = (np.nan, np.nan, 0)
    return out.astype(np.float32)


def _wandering(shape: tuple[int, ...], rng: np.random.Generator) -> Doubles:
    """(T, ...) normal numbers of variance 1, related in time."""
    steps = rng.standard_normal(shape)
    wander = np.empty(shape)
    wander[0] = steps[0]
    for i in range(1, shape[0]):
        wander[i] = 0.9 * wander[i - 1] + np.sqrt(1 - 0.9**2) * steps[i]
    constant, fresh = rng.standard_normal(shape[1:]), rng.standard_normal(shape)
    return np.asarray(0.5 * constant + np.sqrt(0.5) * wander + 0.5 * fresh)


def _lost(shape: tuple[int, ...], share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(T, J) in runs of five frames on average."""
    back = 0.2
    away = back * share / (1 - share)
    chance = rng.random(shape)
    lost = np.empty(shape, np.bool_)
    lost[0] = chance[0] < share
    for i in range(1, shape[0]):
        lost[i] = np.where(lost[i - 1], chance[i] >= back, chance[i] < away)
    return lost
