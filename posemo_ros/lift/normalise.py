"""From keypoints to what a lifting network sees, and from its answer back to the camera's axes.

``person``: the viewing rays as seen by a virtual camera that stands where the real one stands,
looks straight at the person without rolling, and is zoomed so that the person fills a fixed size
(the idea of perspective crop layers, Yu et al., CVPR 2021). Intrinsics and place in the image are
gone from the numbers. ``screen``: pixels over the image width (VideoPose3D, Pavllo et al., 2019).

Training uses these same functions. Symbols: ... any leading dimensions, F frames, J keypoints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..types import Floats

Reals = NDArray[np.floating]  # computed in the precision of the input
TORSO = {"coco17": (5, 6, 11, 12), "h36m17": (11, 14, 1, 4)}  # shoulders and hips
_TINY = 1e-9


@dataclass(frozen=True, eq=False)
class PersonView:
    """A sequence seen by its virtual camera.

    Attributes:
        xy: (..., F, J, 2) float32; the keypoints spread around 0 with a root mean square of 1
            per axis; 0 where a keypoint is missing.
        rotation: (..., 3, 3); camera axes to the virtual camera's axes.
    """

    xy: Floats
    rotation: Reals


def encode_person(rays: NDArray[np.floating], scores: NDArray[np.floating], joints: str) -> PersonView:
    """Turn viewing rays into the ``person`` input. One virtual camera serves the whole sequence.

    Args:
        rays: (..., F, J, 2 or 3) viewing rays in the camera frame at z = 1 (the z may be left out);
            NaN where missing.
        scores: (..., F, J); only keypoints above 0 decide where the camera looks and how it zooms.
        joints: Name of the joint set, ``coco17`` or ``h36m17``.
    """
    xy = np.asarray(rays)[..., :2]
    known = np.asarray(np.isfinite(xy).all(-1))
    xy = np.where(known[..., None], xy, xy.dtype.type(0))
    trusted = (known & (np.asarray(scores) > 0)).astype(xy.dtype)
    rotation = _look_at(_aim(xy, trusted, TORSO[joints]))
    seen, in_front = _through(xy, rotation)
    trusted = trusted * in_front
    weight = trusted.sum((-1, -2))
    square = (trusted[..., None] * np.square(seen)).sum((-1, -2, -3)) / np.maximum(2 * weight, _TINY)
    size = np.sqrt(np.maximum(square, _TINY))[..., None, None, None]
    out = np.where((known & in_front)[..., None], seen / size, 0.0)
    return PersonView(out.astype(np.float32), rotation)


def decode_person(relative: NDArray[np.floating], rotation: Reals) -> Floats:
    """Turn root-relative joints from the virtual camera's axes back into the camera's.

    Args:
        relative: (..., J, 3) metres.
        rotation: (..., 3, 3) of the ``PersonView``.

    Returns:
        (..., J, 3) float32 metres.
    """
    return np.asarray(relative @ rotation, np.float32)


def encode_screen(pixels: NDArray[np.floating], width: int, height: int) -> Floats:
    """(..., 2) pixels to x 2 / w - 1, y 2 / w - h / w; NaN stays NaN."""
    points = np.asarray(pixels, np.float64)
    return np.asarray(points * (2.0 / width) - np.array([1.0, height / width]), np.float32)


def _aim(xy: Reals, trusted: Reals, torso: tuple[int, ...]) -> Reals:
    """(..., 2) where to look: mean of the trusted torso keypoints, of all keypoints if there are none."""
    on_torso = np.zeros_like(trusted)
    on_torso[..., torso] = trusted[..., torso]
    has_torso = on_torso.sum((-1, -2), keepdims=True) > 0
    weight = np.where(has_torso, on_torso, trusted)
    total = np.maximum(weight.sum((-1, -2)), _TINY)
    return np.asarray((weight[..., None] * xy).sum((-2, -3)) / total[..., None])


def _look_at(aim: Reals) -> Reals:
    """(..., 3, 3) rows = axes (right, down, forward) of a camera that looks at ray ``aim``, no roll."""
    forward = np.concatenate([aim, np.ones_like(aim[..., :1])], -1)
    forward /= np.linalg.norm(forward, axis=-1, keepdims=True)
    right = np.stack([forward[..., 2], np.zeros_like(forward[..., 0]), -forward[..., 0]], -1)
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    return np.stack([right, np.cross(forward, right), forward], -2)


def _through(xy: Reals, rotation: Reals) -> tuple[Reals, NDArray[np.bool_]]:
    """Rays at z = 1 seen by the turned camera: (..., F, J, 2), and which lie in front of it."""
    r = rotation[..., None, None, :, :]
    turned = r[..., :, 0] * xy[..., :1] + r[..., :, 1] * xy[..., 1:] + r[..., :, 2]
    in_front = turned[..., 2] > 0.1
    depth = np.where(in_front, turned[..., 2], turned.dtype.type(1))
    return turned[..., :2] / depth[..., None], in_front
