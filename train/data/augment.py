"""From a labelled person to a network's crop: geometry first, then light, blur and occlusion.

Symbols: J joints; (w, h) crop size in pixels; a 2 x 3 matrix maps photo pixels to crop pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from posemo_ros.skeleton import COCO17

from .people import Person

PAD = 114
UPPER = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
SHOULDERS, HIPS = (5, 6), (11, 12)
Matrix = NDArray[np.float64]
Box = NDArray[np.float32]


@dataclass(frozen=True)
class Augmentation:
    """How far a crop may leave the plain one.

    Attributes:
        upright: Standard deviation in degrees of the body axis about the vertical, for people
            who are turned upright by their labels.
        free_turn: Share of those who are turned by any angle up to 100 degrees instead.
        rotation: Standard deviation in degrees for people who are left as they are.
        scale: Standard deviation of the logarithm of the crop's size.
        shift: Standard deviation of the crop's centre, in crop sizes.
        half_body: Share of crops around the upper body alone.
        occlude: Share of crops with a patch over them.
        cut: Share of crops whose lower part lies outside the photo.
        photometric: Whether light, colour and sharpness change.
    """

    upright: float = 18.0
    free_turn: float = 0.15
    rotation: float = 15.0
    scale: float = 0.16
    shift: float = 0.05
    half_body: float = 0.15
    occlude: float = 0.25
    cut: float = 0.12
    photometric: bool = True


def crop_matrix(
    centre: NDArray[np.floating], size: tuple[float, float], angle_deg: float, out: tuple[int, int]
) -> Matrix:
    """Photo to crop for a turned rectangle.

    Args:
        centre: (2,) px, lands in the crop's middle (w / 2, h / 2).
        size: Width and height in photo pixels; filled up to the crop's aspect ratio.
        angle_deg: Turn of the photo in the crop, clockwise on the screen.
        out: (w, h).

    Returns:
        (2, 3) float64.
    """
    w, h = out
    scale = min(w / size[0], h / size[1])
    c, s = scale * np.cos(np.radians(angle_deg)), scale * np.sin(np.radians(angle_deg))
    turn = np.array([[c, -s], [s, c]])
    return np.column_stack((turn, np.array([w / 2, h / 2]) - turn @ np.asarray(centre, np.float64)))


def transform(matrix: Matrix, points: NDArray[np.floating]) -> NDArray[np.float32]:
    """(..., 2) px -> (..., 2) float32 px in the crop."""
    return (np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def mirror(keypoints: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """(J, C) of a crop that was flipped left to right: x turns round, sides change names."""
    flipped = keypoints[COCO17.flip_index].copy()
    flipped[:, 0] = width - 1 - flipped[:, 0]
    return flipped


def trunk_angle(keypoints: NDArray[np.float32]) -> float:
    """Degrees clockwise on the screen from upright of the line hips -> shoulders; 0 if unknown."""
    shoulders = keypoints[list(SHOULDERS)]
    hips = keypoints[list(HIPS)]
    if not (np.any(shoulders[:, 2] > 0) and np.any(hips[:, 2] > 0)):
        return 0.0
    up = shoulders[shoulders[:, 2] > 0, :2].mean(0) - hips[hips[:, 2] > 0, :2].mean(0)
    return float(np.degrees(np.arctan2(up[0], -up[1])))


def extent(
    points: NDArray[np.float32], angle_deg: float, margin: float
) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Centre and size, in photo pixels, of the turned rectangle around points."""
    turn = crop_matrix(np.zeros(2), (1, 1), angle_deg, (1, 1))[:, :2]
    turned = points.astype(np.float64) @ turn.T
    low, high = turned.min(0), turned.max(0)
    size = np.maximum(high - low, 8.0) * (1 + margin)
    return turn.T @ ((low + high) / 2), (float(size[0]), float(size[1]))


def plain_crop(person: Person, out: tuple[int, int], box_scale: float = 1.25) -> Matrix:
    """The crop used at run time: the label box, filled up and widened."""
    x1, y1, x2, y2 = person.box.astype(np.float64)
    size = (box_scale * (x2 - x1), box_scale * (y2 - y1))
    return crop_matrix(np.array([x1 + x2, y1 + y2]) / 2, size, 0.0, out)


def upright_crop(person: Person, out: tuple[int, int], angle_deg: float, box_scale: float = 1.25) -> Matrix:
    """A crop around the labelled points of a person turned by ``angle_deg``."""
    points = np.vstack((person.keypoints[person.keypoints[:, 2] > 0, :2], person.outline))
    centre, (w, h) = extent(points, angle_deg, 0.15)
    return crop_matrix(centre, (w * box_scale, h * box_scale), angle_deg, out)


def _angle(person: Person, a: Augmentation, rng: np.random.Generator) -> float:
    if person.source != "lspet":
        return float(rng.normal(0, a.rotation)) if rng.random() < 0.6 else 0.0
    turn = rng.uniform(-100, 100) if rng.random() < a.free_turn else rng.normal(0, a.upright)
    return float(turn) - trunk_angle(person.keypoints)


def random_crop(person: Person, out: tuple[int, int], a: Augmentation, rng: np.random.Generator) -> Matrix:
    """A crop to train on."""
    angle = _angle(person, a, rng)
    seen = person.keypoints[:, 2] > 0
    upper = np.isin(np.arange(17), UPPER) & seen
    x1, y1, x2, y2 = person.box.astype(np.float64)
    if upper.sum() >= 5 and rng.random() < a.half_body:
        centre, size = extent(person.keypoints[upper, :2], angle, 0.3)
    elif person.source == "lspet":
        points = np.vstack((person.keypoints[seen, :2], person.outline))
        centre, size = extent(points, angle, 0.15)
    else:
        centre, size = np.array([x1 + x2, y1 + y2]) / 2, (float(x2 - x1), float(y2 - y1))
    factor = 1.25 * float(np.exp(rng.normal(0, a.scale)))
    centre = centre + rng.normal(0, a.shift, 2) * max(size)
    return crop_matrix(centre, (size[0] * factor, size[1] * factor), angle, out)


def warp(image: NDArray[np.uint8], matrix: Matrix, out: tuple[int, int]) -> NDArray[np.uint8]:
    """(h, w, 3) uint8 crop; what lies outside the photo is grey. Shrinks without aliasing."""
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < 0.5:
        small = 1 / max(1, int(1 / scale))
        shrunk = cv2.resize(image, None, fx=small, fy=small, interpolation=cv2.INTER_AREA)
        image = np.asarray(shrunk, np.uint8)
        matrix = np.column_stack((matrix[:, :2] / small, matrix[:, 2]))
    crop = cv2.warpAffine(image, matrix, out, flags=cv2.INTER_LINEAR, borderValue=(PAD, PAD, PAD))
    return np.asarray(crop, np.uint8)


def relight(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Brightness, contrast, gamma, colour cast; sometimes grey, coarse pixels, noise."""
    image = np.asarray(cv2.LUT(image, _tone_curves(rng)), np.uint8)
    if rng.random() < 0.1:
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        image = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
    if rng.random() < 0.15:
        image = _coarser(image, rng.uniform(0.3, 0.8))
    if rng.random() < 0.1:
        noise = rng.normal(0, rng.uniform(2, 12), image.shape)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    return image


def _tone_curves(rng: np.random.Generator) -> NDArray[np.uint8]:
    """(1, 256, 3) table of new values per channel."""
    levels = np.arange(256, dtype=np.float32) / 255
    contrast, bright, gamma = rng.uniform(0.65, 1.35), rng.normal(0, 0.08), np.exp(rng.normal(0, 0.25))
    casts = contrast * np.exp(rng.normal(0, 0.06, 3))
    curves = np.clip((levels[:, None] ** gamma - 0.5) * casts + 0.5 + bright, 0, 1)
    return np.asarray(curves[None] * 255).astype(np.uint8)


def _coarser(image: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    """Shrunk by a factor and blown up again."""
    h, w = image.shape[:2]
    size = (max(8, int(w * factor)), max(8, int(h * factor)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR), np.uint8)


def cover(image: NDArray[np.uint8], patch: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A random rectangle of another photo over 2 to 15 % of the crop."""
    h, w = image.shape[:2]
    area, ratio = rng.uniform(0.02, 0.15) * h * w, np.exp(rng.normal(0, 0.5))
    ph, pw = int(min(h - 1, np.sqrt(area * ratio))), int(min(w - 1, np.sqrt(area / ratio)))
    y, x = int(rng.integers(0, h - ph)), int(rng.integers(0, w - pw))
    sy = int(rng.integers(0, max(1, patch.shape[0] - ph)))
    sx = int(rng.integers(0, max(1, patch.shape[1] - pw)))
    piece = patch[sy : sy + ph, sx : sx + pw]
    out = image.copy()
    out[y : y + piece.shape[0], x : x + piece.shape[1]] = piece
    return out
