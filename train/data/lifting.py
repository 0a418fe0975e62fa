"""Training samples for the lifting network: bodies, cameras, keypoint noise, what the lifter sees."""

from __future__ import annotations

import numpy as np

from posemo_ros.inference.manifest import LiftSpec
from posemo_ros.interpolate import fill
from posemo_ros.lift.lifter import encode
from posemo_ros.settings import KEYPOINT_THRESHOLD

from .body import Floats, chest_axes, coco_keypoints, heading, mirror, scale_bones, turn
from .cameras import random_poses, see
from .cmu import Motion, sample
from .corruption import Corruption, corrupt

_NEAREST_M = 0.3
_ARMS = (12, 13, 15, 16)
_LEGS = (1, 2, 3, 4, 5, 6)


def training_batch(
    motion: Motion, spec: LiftSpec, noise: Corruption, rng: np.random.Generator, count: int
) -> tuple[Floats, Floats]:
    """Windows as the network sees them, and the truth.

    Returns:
        (B, F, 17, channels) input; (B, 17, 3) pelvis-relative metres in the virtual camera's axes.
    """
    half = spec.frames // 2
    speed = np.exp(np.clip(rng.normal(0, 0.25, (count, 1)), -0.5, 0.5))
    offsets = np.asarray(np.arange(-half, half + 1) / spec.rate_hz * speed)
    body = vary(sample(motion, rng, count, offsets), rng)
    body = body - body[:, half, None, None, 0]
    seen = see(body, *random_poses(rng, count))
    points = coco_keypoints(seen)
    xy = np.asarray(points[..., :2] / np.maximum(points[..., 2:], _NEAREST_M), points.dtype)
    noisy, scores = corrupt(xy, noise, rng)
    index = _visible_frames(spec.frames, count, rng)[..., None]
    scores = np.take_along_axis(scores, index, 1)
    known = scores >= KEYPOINT_THRESHOLD
    noisy = fill(np.arange(spec.frames), np.take_along_axis(noisy, index[..., None], 1), known)
    inputs, rotation = encode(noisy, np.where(known, scores, np.float32(0)), spec)
    joints = seen[:, half, :17] - seen[:, half, :1]
    target = joints if rotation is None else joints @ np.swapaxes(rotation, -1, -2)
    return inputs, target.astype(np.float32)


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
    sit(body, rng.random(count) < 0.08, rng)
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
