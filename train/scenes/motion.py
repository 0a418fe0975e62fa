"""What people do: recorded clips, procedural gestures, invented poses.

The recordings are the CMU Graphics Lab's (mocap.cs.cmu.edu; created with funding from NSF
EIA-0196217), as H36M-17 joint positions. Gestures replace the arms of a recording; directions are
given in the chest's frame (x forward, y left, z up) for the left arm and mirrored for the right.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from posemo_ros.errors import InputError
from posemo_ros.evaluate.clips import good_runs, read_arrays

from .assets import asset
from .mesh import Floats
from .retarget import Motion, axis_angle, body_frames

_HEAD_LIFT = np.radians(12)  # the recordings' head joint looks this far down when people look ahead
_LEFT, _RIGHT = (11, 12, 13), (14, 15, 16)


class Clips:
    """The recorded clips.

    Args:
        data: Folder of the development data, see ``assets.data_dir``.

    Raises:
        InputError: The recordings are missing or not readable.
    """

    def __init__(self, data: Path | None = None) -> None:
        self._arrays = read_arrays(asset("cmu_mocap/cmu_h36m17.npz", data))
        self.names = [str(n) for n in self._arrays["clip_names"]]
        self.actions = [str(n) for n in self._arrays["action"]]
        self.splits = [str(n) for n in self._arrays["split"]]
        self.usable = [i for i in range(len(self.names)) if len(self._longest(i)) >= 60]

    def whole(self, clip: int | str) -> Motion:
        """The longest stretch of a clip without damaged frames, feet near the floor z = 0."""
        number = self.names.index(clip) if isinstance(clip, str) else clip
        rows = self._longest(number)
        joints = self._arrays["positions"][rows].astype(np.float64)
        joints[..., 2] -= float(self._arrays["clip_floor_z"][number])
        left = self._arrays["head_left"][rows].astype(np.float64)
        forward = self._arrays["head_forward"][rows].astype(np.float64)
        lifted = np.einsum("tij,tj->ti", axis_angle(-_HEAD_LIFT * left), forward)
        return Motion(joints, lifted, left, float(self._arrays["fps"]))

    def _longest(self, clip: int) -> np.ndarray:
        start, end = self._arrays["clip_start"][clip : clip + 2]
        runs = good_runs(self._arrays["frame_ok"][start:end])
        longest = max(runs, key=lambda run: run.stop - run.start, default=slice(0, 0))
        return np.arange(start + longest.start, start + longest.stop)


def cut(motion: Motion, start_s: float, length_s: float, fps: float) -> Motion:
    """A stretch of a motion at another frame rate, interpolated.

    Raises:
        InputError: The motion is too short.
    """
    count = round(length_s * fps)
    at = start_s * motion.fps + np.arange(count) * motion.fps / fps
    if at[0] < 0 or at[-1] > len(motion) - 1:
        raise InputError(
            f"motion lasts {len(motion) / motion.fps:.2f} s; {start_s} to {start_s + length_s} s asked"
        )
    low = np.minimum(at.astype(int), len(motion) - 2)
    share = at - low

    def mix(x: Floats) -> Floats:
        w = share.reshape(-1, *[1] * (x.ndim - 1))
        return np.asarray(x[low] * (1 - w) + x[low + 1] * w)

    return Motion(mix(motion.joints), _unit(mix(motion.head_forward)), _unit(mix(motion.head_left)), fps)


def turn(motion: Motion, angle: float, origin: tuple[float, float] = (0, 0)) -> Motion:
    """Turn a motion about the vertical (radians) and put its first pelvis over ``origin``."""
    rotation = axis_angle(np.array([0, 0, angle]))
    start = motion.joints[0, 0] * [1, 1, 0]
    joints = (motion.joints - start) @ rotation.T + [*origin, 0]
    return Motion(joints, motion.head_forward @ rotation.T, motion.head_left @ rotation.T, motion.fps)


def loop(motion: Motion, length_s: float, blend_s: float = 0.15) -> Motion:
    """Make a walk longer: whole gait cycles one behind the other, each start faded into.

    The cycle is the one of 0.8 s and more after which the pose (about the pelvis) is most like
    that of the start.
    """
    pose = motion.joints - motion.joints[:, :1]
    blend = round(blend_s * motion.fps)
    last = len(motion) - blend - 1
    shortest = round(0.8 * motion.fps)
    if last <= shortest:
        raise InputError(f"a walk of {len(motion) / motion.fps:.2f} s is too short to be made longer")
    unlike = np.abs(pose[shortest:last] - pose[0]).mean(axis=(1, 2))
    cycle = shortest + int(np.argmin(unlike))
    step = (motion.joints[cycle, 0] - motion.joints[0, 0]) * [1, 1, 0]
    share = np.ones(cycle)
    share[:blend] = np.linspace(0, 1, blend, endpoint=False)
    rounds = int(np.ceil(length_s * motion.fps / cycle)) + 1

    def tile(values: Floats, shift: Floats) -> Floats:
        first, again = values[:cycle], values[cycle : 2 * cycle]
        faded = first.copy()
        weight = share[:blend].reshape(-1, *[1] * (values.ndim - 1))
        faded[:blend] = first[:blend] * weight + (again[:blend] - shift) * (1 - weight)
        return np.concatenate([first, *(faded + k * shift for k in range(1, rounds))])

    still = np.zeros(3)
    return Motion(
        tile(motion.joints, step),
        _unit(tile(motion.head_forward, still)),
        _unit(tile(motion.head_left, still)),
        motion.fps,
    )


def hold(motion: Motion, frame: int, length_s: float, fps: float, sway: float = 1.0) -> Motion:
    """Stand in the pose of one frame, breathing and swaying slightly."""
    t = np.arange(round(length_s * fps)) / fps
    joints = np.repeat(motion.joints[frame : frame + 1], len(t), axis=0)
    height = joints[..., 2] / joints[0, :, 2].max()
    joints[..., 0] += sway * 0.012 * height * np.sin(1.1 * t + 0.3)[:, None]
    joints[..., 1] += sway * 0.018 * height * np.sin(0.7 * t)[:, None]
    look = axis_angle(np.array([0, 0, 1.0]) * (sway * 0.25 * np.sin(0.5 * t))[:, None])
    return Motion(joints, look @ motion.head_forward[frame], look @ motion.head_left[frame], fps)


# Gestures -----------------------------------------------------------------------------------

Arm = tuple[Floats, Floats]  # directions of upper arm and forearm, chest frame, left arm
_Gesture = Callable[[float], Arm]


def _arm(upper: tuple[float, float, float], lower: tuple[float, float, float]) -> Arm:
    return np.array(upper), np.array(lower)


def _wave(t: float) -> Arm:
    return _arm((0.3, 0.75, 0.25), (0.25, 0.15 + 0.55 * np.sin(9 * t), 1))


def _point(t: float) -> Arm:
    return _arm((0.9, 0.3, 0.03 * np.sin(3 * t) - 0.1), (1, 0.15, 0.08))


def _shrug(t: float) -> Arm:
    return _arm((0.15, 0.35, -0.9), (0.65, 0.65, 0.3 + 0.05 * np.sin(4 * t)))


def _to_head(t: float) -> Arm:
    return _arm((0.55, 0.75, 0.35), (-0.3, -0.85, 0.75 + 0.03 * np.sin(3 * t)))


def _talk(t: float) -> Arm:
    return _arm(
        (0.25 + 0.15 * np.sin(2.6 * t), 0.25, -0.9),
        (0.85, -0.15 + 0.3 * np.sin(3.4 * t), 0.2 + 0.35 * np.sin(4.3 * t)),
    )


def _on_hip(t: float) -> Arm:
    return _arm((-0.25, 0.65, -0.75), (0.35, -0.75, -0.5 + 0.02 * np.sin(2 * t)))


def _crossed(t: float) -> Arm:
    return _arm((0.35, 0.25, -0.85), (0.55, -0.95, 0.25 + 0.02 * np.sin(2 * t)))


def _to_chin(t: float) -> Arm:
    return _arm((0.5, 0.05, -0.85), (0.4, -0.4, 0.95 + 0.04 * np.sin(2 * t)))


def _raised(t: float) -> Arm:
    return _arm((0.1, 0.45, 0.9), (0.1, 0.15 + 0.1 * np.sin(5 * t), 1))


def _offer(t: float) -> Arm:
    return _arm((0.35, 0.3, -0.85), (1, 0.15, 0.05 + 0.08 * np.sin(2.5 * t)))


def _hanging(t: float) -> Arm:
    return _arm((0.02, 0.16, -1), (0.2, 0.06, -1 + 0.02 * np.sin(2 * t)))


GESTURES: dict[str, _Gesture] = {
    "wave": _wave,
    "point": _point,
    "shrug": _shrug,
    "hands_to_head": _to_head,
    "talk": _talk,
    "hands_on_hips": _on_hip,
    "crossed": _crossed,
    "think": _to_chin,
    "raised": _raised,
    "offer": _offer,
    "hanging": _hanging,
}


@dataclass(frozen=True)
class Gesture:
    """One gesture in time.

    Attributes:
        name: One of ``GESTURES``.
        start_s, end_s: When it begins and has ended; it fades in and out over ``fade_s``.
        sides: "left", "right" or "both".
        fade_s: Seconds.
        shift_s: Moves the gesture's own clock, so that two people do not move alike.

    Raises:
        InputError: The name is unknown.
    """

    name: str
    start_s: float = 0.0
    end_s: float = 1e9
    sides: str = "both"
    fade_s: float = 0.5
    shift_s: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in GESTURES:
            raise InputError(f"gesture {self.name!r} is unknown (known: {', '.join(GESTURES)})")


def gesture(motion: Motion, what: Gesture) -> Motion:
    """Let a person gesture while moving as recorded."""
    t = np.arange(len(motion)) / motion.fps
    rise = np.clip((t - what.start_s) / what.fade_s, 0, 1)
    fall = np.clip((what.end_s - t) / what.fade_s, 0, 1)
    share = np.minimum(rise, fall)
    share = share * share * (3 - 2 * share)
    joints = motion.joints.copy()
    if what.name == "shrug":
        joints[:, [11, 14], 2] += 0.045 * share[:, None]
    chest = body_frames(joints)[1]
    for side, chain, sign in (("left", _LEFT, 1), ("right", _RIGHT, -1)):
        if what.sides in (side, "both"):
            phase = what.shift_s + (0.4 if side == "right" else 0.0)
            arms = np.array([GESTURES[what.name](s + phase) for s in t]) * [1, sign, 1]
            _move_arm(joints, chain, np.einsum("tij,tkj->tki", chest, arms), share)
    return replace(motion, joints=joints)


def _move_arm(joints: Floats, chain: tuple[int, int, int], wanted: Floats, share: Floats) -> None:
    """Blend one arm's two directions (T, 2, 3) into the joints, keeping lengths; in place."""
    old = joints.copy()
    for k, (a, b) in enumerate(itertools.pairwise(chain)):
        bone = old[:, b] - old[:, a]
        length = np.linalg.norm(bone, axis=-1, keepdims=True)
        mixed = _unit(bone) * (1 - share[:, None]) + _unit(wanted[:, k]) * share[:, None]
        joints[:, b] = joints[:, a] + length * _unit(mixed)


# Invented poses, for training pictures ------------------------------------------------------

_TREE = {1: (2, 3), 2: (3,), 4: (5, 6), 5: (6,), 11: (12, 13), 12: (13,), 14: (15, 16), 15: (16,)}


def bend_limbs(motion: Motion, rng: np.random.Generator, spread: float) -> Motion:
    """Turn every limb bone by a random angle (standard deviation ``spread`` radians)."""
    joints = motion.joints.copy()
    for joint, below in _TREE.items():
        rotation = axis_angle(rng.normal(0, spread, 3))
        for child in below:
            joints[:, child] = joints[:, joint] + (joints[:, child] - joints[:, joint]) @ rotation.T
    return replace(motion, joints=joints)


def sit(motion: Motion, rng: np.random.Generator, drop: float = 0.4) -> Motion:
    """Fold the legs as on a chair (or, with little ``drop``, crouching), the pelvis lowered."""
    joints = motion.joints.copy()
    hips = body_frames(joints)[0]
    for side, (hip, knee, ankle) in ((1, (4, 5, 6)), (-1, (1, 2, 3))):
        spread, lift, tuck = rng.uniform(0, 0.45), rng.normal(0.0, 0.2), rng.normal(0.05, 0.25)
        thigh = hips @ _unit(np.array([1, side * spread, lift]))
        shin = hips @ _unit(np.array([tuck, side * rng.uniform(-0.2, 0.2), -1]))
        joints[:, knee] = joints[:, hip] + 0.428 * thigh
        joints[:, ankle] = joints[:, knee] + 0.409 * shin
    joints[..., 2] -= drop
    return replace(motion, joints=joints)


def tilt(motion: Motion, rng: np.random.Generator, spread: float) -> Motion:
    """Tip the whole person about a random axis through the pelvis."""
    rotation = axis_angle(rng.normal(0, spread, 3))
    centre = motion.joints[:, :1]
    return Motion(
        (motion.joints - centre) @ rotation.T + centre,
        motion.head_forward @ rotation.T,
        motion.head_left @ rotation.T,
        motion.fps,
    )


def look(motion: Motion, rng: np.random.Generator, spread: float) -> Motion:
    """Turn the head by a random angle."""
    rotation = axis_angle(rng.normal(0, 1, 3) * [0.5 * spread, 0.7 * spread, spread])
    return replace(
        motion,
        head_forward=motion.head_forward @ rotation.T,
        head_left=motion.head_left @ rotation.T,
    )


def _unit(vector: Floats) -> Floats:
    return np.asarray(vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-9))
