"""Training samples for the lifting network: bodies, cameras, keypoint noise, what the lifter sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from posemo_ros.inference.manifest import LiftSpec
from posemo_ros.interpolate import fill
from posemo_ros.lift.lifter import encode
from posemo_ros.settings import KEYPOINT_THRESHOLD

from .body import Floats, chest_axes, coco_keypoints, heading, mirror, rotation_matrix, scale_bones, turn
from .cameras import random_poses, robot_poses, see
from .cmu import Motion, sample

_NEAREST_M = 0.3
UP_KNOWN = 0.5  # share of the windows whose camera knows which way is up
UP_ERROR = np.radians(1.5)  # standard deviation about each axis of what it knows
_ARMS = (12, 13, 15, 16)
_LEGS = (1, 2, 3, 4, 5, 6)
_ANKLES = (3, 6)


class Noise(Protocol):
    """True keypoints (B, F, 17, 2) to those that a network finds, and their scores (B, F, 17)."""

    def __call__(self, xy: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Draw them; a score of 0 where a keypoint is missing."""


@dataclass(frozen=True)
class Mixed:
    """One of several kinds of noise for each sample.

    Attributes:
        kinds: Noise and how often it comes.
    """

    kinds: tuple[tuple[Noise, float], ...]

    def __call__(self, xy: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """See ``Noise``."""
        shares = np.array([share for _, share in self.kinds])
        kind = rng.choice(len(shares), len(xy), p=shares / shares.sum())
        found, scores = np.empty_like(xy), np.empty(xy.shape[:-1], np.float32)
        for number, (noise, _) in enumerate(self.kinds):
            mine = kind == number
            if mine.any():
                found[mine], scores[mine] = noise(xy[mine], rng)
        return found, scores


def training_batch(
    motion: Motion, spec: LiftSpec, noise: Noise, rng: np.random.Generator, count: int
) -> dict[str, Floats]:
    """Windows as the network sees them, and the truth; each with the window one frame later.

    Returns:
        ``keypoints`` (2 B, F, 17, channels) input, the later windows behind the others; ``joints``
        (2 B, 17, 3) pelvis-relative metres in each virtual camera's axes; ``rotation`` (2 B, 3, 3),
        by which joints @ rotation are in the camera's axes; ``stands`` (2 B, 17) 1 for feet on the ground.
    """
    half, frames = spec.frames // 2, spec.frames
    speed = np.exp(np.clip(rng.normal(0, 0.25, (count, 1)), -0.5, 0.5))
    offsets = np.asarray(np.arange(-half, half + 2) / spec.rate_hz * speed)
    body = vary(sample(motion, rng, count, offsets), rng)
    body = body - body[:, half, None, None, 0]
    rotation, position = _cameras(rng, count)
    seen = see(body, rotation, position)
    points = coco_keypoints(seen)
    xy = np.asarray(points[..., :2] / np.maximum(points[..., 2:], _NEAREST_M), points.dtype)
    noisy, scores = noise(xy, rng)
    index = _visible_frames(frames, count, rng)
    up = _told_up(rotation, rng)
    parts = [_window(noisy, scores, index + later, spec, up) for later in (0, 1)]
    truth = [seen[:, half + later, :17] - seen[:, half + later, :1] for later in (0, 1)]
    turned = np.concatenate([p[1] for p in parts]).astype(np.float32)
    return {
        "keypoints": np.concatenate([p[0] for p in parts]),
        "joints": np.concatenate(truth).astype(np.float32) @ np.swapaxes(turned, -1, -2),
        "rotation": turned,
        "stands": np.concatenate([_standing(body[:, half + later]) for later in (0, 1)]),
    }


def _window(
    noisy: Floats, scores: Floats, index: np.ndarray, spec: LiftSpec, up: Floats
) -> tuple[Floats, Floats]:
    """The network's input for the frames (B, F) that are known, and the turn to undo."""
    scores = np.take_along_axis(scores, index[..., None], 1)
    known = scores >= KEYPOINT_THRESHOLD
    points = fill(np.arange(spec.frames), np.take_along_axis(noisy, index[..., None, None], 1), known)
    inputs, rotation = encode(points, np.where(known, scores, np.float32(0)), spec, up)
    if rotation is None:
        rotation = np.broadcast_to(np.eye(3), (len(inputs), 3, 3))
    return inputs, np.asarray(rotation, np.float32)


def _told_up(rotation: Floats, rng: np.random.Generator) -> Floats:
    """(B, 3) straight up in the axes of cameras (B, 3, 3), a little off; 0, 0, 0 where it is not known."""
    off = rotation_matrix(rng.normal(0, UP_ERROR, (len(rotation), 3)))
    up = (off @ rotation[:, :, 2:])[..., 0]
    return np.where(rng.random(len(rotation))[:, None] < UP_KNOWN, up, np.float32(0)).astype(np.float32)


def _cameras(rng: np.random.Generator, count: int) -> tuple[Floats, Floats]:
    """Half of them anywhere, half as robots carry them."""
    anywhere, robots = random_poses(rng, count), robot_poses(rng, count)
    on_robot = rng.random(count) < 0.5
    rotation = np.where(on_robot[:, None, None], robots[0], anywhere[0])
    return rotation, np.where(on_robot[:, None], robots[1], anywhere[1])


def _standing(body: Floats) -> Floats:
    """(B, 17) 1 for ankles that are as low as the lower one (B, 22, 3), to 5 cm."""
    out = np.zeros((len(body), 17), np.float32)
    heights = body[:, _ANKLES, 2]
    out[:, _ANKLES] = heights < heights.min(1, keepdims=True) + 0.05
    return out


def _visible_frames(frames: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """(B, F) which frame stands in each place: the future and the past may not be known (yet)."""
    half = frames // 2
    ahead = np.where(rng.random(count) < 0.5, 0, rng.integers(1, half + 1, count))
    behind = np.where(rng.random(count) < 0.15, rng.integers(0, half + 1, count), half)
    return np.clip(np.arange(frames), (half - behind)[:, None], (half + ahead)[:, None])


def vary(body: Floats, rng: np.random.Generator) -> Floats:
    """Other bodies and other poses than the recorded ones, so that a window of walking may become
    somebody who sits, bends or waves. (B, F, 22, 3) to the same.
    """
    count = len(body)
    body = borrow_arms(body, rng)
    sit(body, rng.random(count) < 0.2, rng)
    bend(body, rng)
    _stand_still(body, rng.random(count) < 0.3)
    factors = np.exp(rng.normal(0, 0.07, (count, 9))).astype(np.float32)
    body = scale_bones(body, factors)
    return np.where((rng.random(count) < 0.5)[:, None, None, None], mirror(body), body)


def borrow_arms(body: Floats, rng: np.random.Generator) -> Floats:
    """Arms of another sample, held to the chest as they were to the other's."""
    out = body.copy()
    takes = np.flatnonzero(rng.random(len(body)) < 0.4)
    gives = rng.permutation(len(body))[: len(takes)]
    shoulders = {12: 11, 13: 11, 15: 14, 16: 14}
    own, other = chest_axes(body[takes]), chest_axes(body[gives])
    for joint in _ARMS:
        shoulder = shoulders[joint]
        offset = (body[gives, :, joint] - body[gives, :, shoulder])[..., None, :] @ other
        out[takes, :, joint] = body[takes, :, shoulder] + (offset @ np.swapaxes(own, -1, -2))[..., 0, :]
    return out


def sit(body: Floats, who: np.ndarray, rng: np.random.Generator) -> None:
    """Thighs forward, shins down, legs at rest; in place."""
    some = body[who]
    if not len(some):
        return
    middle = some.shape[1] // 2
    pose = some[:, middle, None]
    axes = heading(some)
    still = ((pose[:, :, _LEGS] - pose[:, :, :1]) @ axes[:, middle, None]) @ np.swapaxes(axes, -1, -2)
    some[:, :, _LEGS] = some[:, :, :1] + still
    bend = np.radians(rng.uniform(50, 100, len(some)))
    for side in ("left", "right"):
        own = bend + rng.normal(0, 0.1, len(some))
        turn(some, f"{side}_thigh", _pitch(-own), axes)
        turn(some, f"{side}_shin", _pitch(own + rng.normal(0, 0.25, len(some))), axes)
    body[who] = some


def _pitch(angles: np.ndarray) -> Floats:
    zero = np.zeros_like(angles)
    return np.stack([zero, angles, zero], -1).astype(np.float32)


# Degrees of random, constant turns: roll, pitch, yaw; the pitch's mean after the comma.
_TURNS = {
    "trunk": ((6, 14, 6), 6),
    "chest": ((5, 8, 8), 3),
    "head": ((10, 14, 22), 0),
    "left_arm": ((22, 28, 18), -6),
    "right_arm": ((22, 28, 18), -6),
    "left_forearm": ((14, 22, 14), -12),
    "right_forearm": ((14, 22, 14), -12),
    "left_thigh": ((7, 9, 8), 0),
    "right_thigh": ((7, 9, 8), 0),
}


def bend(body: Floats, rng: np.random.Generator, *, size: float = 1.0) -> None:
    """Turn parts of half of the bodies by random angles, ``size`` times as far; in place."""
    count = len(body)
    axes = heading(body)
    for part, (spread, pitch) in _TURNS.items():
        angles = size * (rng.standard_t(5, (count, 3)) * spread + (0, pitch, 0))
        angles *= (rng.random(count) < 0.5)[:, None]
        turn(body, part, np.radians(np.clip(angles, -100, 100)).astype(np.float32), axes)


def _stand_still(body: Floats, who: np.ndarray) -> None:
    """Take the way through the room out of a movement, as if the camera followed; in place."""
    way = body[who, :, :1] - body[who, body.shape[1] // 2, None, :1]
    body[who] -= way
