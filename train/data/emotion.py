"""Training samples for the emotion model: made-up expression, seen by a camera, lifted with errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from posemo_ros.emotion.window import in_axes
from posemo_ros.inference.manifest import EmotionSpec
from posemo_ros.types import EMOTIONS

from .body import Floats, heading, mirror, scale_bones
from .cameras import ON_A_ROBOT, random_poses, see
from .cmu import Motion, sample
from .expression import express, random_styles
from .lifting import bend, borrow_arms, sit
from .manners import manners, tempos

NEUTRAL_SHARE = 0.5
_UNSEEN_LEGS = 0.3  # share of movements whose legs the lifter has to guess


@dataclass(frozen=True, eq=False)
class Movements:
    """B movements and what they express.

    Attributes:
        bodies: (B, T, 22, 3) float32 metres, z up; see ``body.NAMES``.
        emotions: (B,) indices into ``EMOTIONS``; meaningless where the intensity is 0.
        intensity: (B,) 0 (neutral) .. 1.
    """

    bodies: Floats
    emotions: np.ndarray
    intensity: np.ndarray


def movements(
    motion: Motion,
    frames: int,
    rate_hz: float,
    rng: np.random.Generator,
    count: int,
    *,
    neutral: float = NEUTRAL_SHARE,
) -> Movements:
    """Random movements; a share of them neutral, the others at intensities from 0.4 to 1.2.

    Neutral ones are of many kinds (``manners``); the expressive ones are built on fewer of them:
    angry people limp, too.
    """
    emotions = rng.integers(0, len(EMOTIONS), count)
    intensity = np.where(rng.random(count) < neutral, 0.0, rng.uniform(0.4, 1.2, count))
    style = random_styles(emotions, intensity, rng)
    quiet = intensity == 0
    tempo = np.exp(style["tempo"] + np.where(quiet, tempos(count, rng), rng.normal(0, 0.12, count)))
    offsets = np.arange(1 - frames, 1) / rate_hz * tempo[:, None]
    body = borrow_arms(sample(motion, rng, count, offsets), rng)
    sit(body, rng.random(count) < 0.1, rng)
    bend(body, rng, size=0.4)
    some = quiet | (rng.random(count) < 0.25)
    body[some] = manners(body[some], rate_hz, rng)
    body[~quiet] = express(body[~quiet], {k: v[~quiet] for k, v in style.items()}, rate_hz, rng)
    body = scale_bones(body, np.exp(rng.normal(0, 0.05, (count, 9))).astype(np.float32))
    body = np.where((rng.random(count) < 0.5)[:, None, None, None], mirror(body), body)
    return Movements(body.astype(np.float32), emotions, intensity)


def soft_labels(samples: Movements, *, neutral: bool = False) -> Floats:
    """Targets of the cross-entropy.

    Args:
        samples: B movements.
        neutral: Neutral is a class of its own, the seventh.

    Returns:
        Without it (B, 6): one for the emotion; a sixth for each where the movement is neutral.
        With it (B, 7): weak expression belongs to both.
    """
    rows = np.eye(len(EMOTIONS), dtype=np.float32)[samples.emotions]
    if not neutral:
        rows[samples.intensity == 0] = 1 / len(EMOTIONS)
        return rows
    shown = np.where(samples.intensity > 0, np.clip((samples.intensity - 0.1) / 0.5, 0.5, 1), 0)
    shown = shown[:, None].astype(np.float32)
    return np.concatenate([rows * shown, 1 - shown], 1)


def as_lifted(body: Floats, spec: EmotionSpec, rng: np.random.Generator) -> Floats:
    """What a lifter would say of bodies seen by random cameras, in the axes of the model.

    Args:
        body: (B, T, 22, 3) metres, z up.
        spec: Of the emotion model.
        rng: Of the cameras and the errors.

    Returns:
        (B, T, 17, 3) metres, pelvis at the origin.
    """
    body = _guess_legs(body, rng.random(len(body)) < _UNSEEN_LEGS, rng)
    middle = body[:, body.shape[1] // 2, None, None, 0]
    seen = see(body - middle, *random_poses(rng, len(body), ON_A_ROBOT))[:, :, :17]
    seen = seen - seen[:, :, :1] + lifting_errors(seen.shape[:3], rng)
    seen = seen - seen[:, :, :1]
    return in_axes(seen, spec.axes)


def _guess_legs(body: Floats, who: np.ndarray, rng: np.random.Generator) -> Floats:
    """What a lifter makes of legs outside the image: both alike, at rest, half standing, half sitting."""
    out = body.copy()
    axes = heading(body[who])
    bend = np.radians(rng.uniform(0, 75, len(axes)))
    back = bend * rng.uniform(0, 1, len(axes)) * rng.choice([0.3, 1.0], len(axes))
    down = {(1, 2): bend, (4, 5): bend, (2, 3): -back, (5, 6): -back}
    for (upper, lower), angle in down.items():
        length = np.linalg.norm(body[who, :, lower] - body[who, :, upper], axis=-1, keepdims=True)
        own = np.stack([np.sin(angle), rng.normal(0, 0.08, len(axes)), -np.cos(angle)], -1)
        own = (own / np.linalg.norm(own, axis=-1, keepdims=True)).astype(np.float32)
        direction = (axes @ own[:, None, :, None])[..., 0]
        out[who, :, lower] = out[who, :, upper] + length * direction
    return out


def lifting_errors(shape: tuple[int, int, int], rng: np.random.Generator) -> Floats:
    """(B, T, 17, 3) metres in the camera's axes: constant, wandering and fresh errors, most in depth.

    About the size of the starter lifter's (models/lifter.md).
    """
    b, t, j = shape
    strength = rng.uniform(0.3, 1.3, (b, 1, 1, 1))
    joint = np.where(np.isin(np.arange(j), (3, 6, 13, 16)), 1.5, 1.0)[:, None]
    steps = rng.standard_normal((b, t, j, 3), np.float32)
    wander = np.empty_like(steps)
    wander[:, 0] = steps[:, 0]
    for i in range(1, t):
        wander[:, i] = 0.7 * wander[:, i - 1] + 0.714 * steps[:, i]  # variance stays 1
    constant = rng.standard_normal((b, 1, j, 3), np.float32)
    fresh = rng.standard_normal((b, t, j, 3), np.float32)
    errors = 0.030 * constant + 0.014 * wander + 0.006 * fresh
    return (strength * joint * errors * np.array([0.7, 0.7, 1.5], np.float32)).astype(np.float32)
