"""Movement in words: descriptors that the literature on expression uses.

Posture, energy and the quality of movement, after Laban's effort (weight, time, flow, space) and
shape, as in studies that measured them: Wallbott 1998; de Meijer 1989; Camurri, Lagerlöf & Volpe,
Int. J. Human-Computer Studies 59 (2003) 213-225; Roether et al. 2009; Gross et al. 2012;
Larboulette & Gibet, MOCO 2015 (definitions); Ahmed, Bari & Gavrilova, IEEE Access 8 (2020).
All are free of the person's size (lengths are in leg lengths) and of the way the person faces.

Symbols: N movements, T poses, D descriptors.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..types import Floats

Doubles = NDArray[np.float64]

_WRISTS, _ELBOWS, _SHOULDERS, _ANKLES = [13, 16], [12, 15], [11, 14], [3, 6]
_KNEES, _HIPS = [2, 5], [1, 4]
_ENDS = [10, 13, 16, 3, 6]  # head, wrists, ankles
_TRUNK, _NECK, _HEAD = [0, 8], [8, 9], [9, 10]
_MOVING = [9, 13, 16]  # head and wrists, whose energy is looked at over time


class Descriptor(NamedTuple):
    """What a number says, in words, when it is high and when it is low; the joints (H36M-17) it is about."""

    high: str
    low: str
    joints: list[int]

    def words(self, *, high: bool) -> str:
        """What it says."""
        return self.high if high else self.low


DESCRIPTORS: dict[str, Descriptor] = {
    "trunk_pitch": Descriptor("trunk bent forward", "trunk upright or back", _TRUNK),
    "neck_pitch": Descriptor("neck bent forward", "neck straight", _NECK),
    "head_pitch": Descriptor("head bowed", "head raised", _HEAD),
    "head_on_trunk": Descriptor(
        "head bowed against the trunk", "head held back against the trunk", [*_TRUNK, *_HEAD]
    ),
    "trunk_change": Descriptor("trunk moves", "trunk still", _TRUNK),
    "wrist_height": Descriptor("hands high", "hands low", _WRISTS),
    "highest_wrist": Descriptor("a hand raised", "no hand raised", _WRISTS),
    "wrist_forward": Descriptor("hands before the body", "hands at the sides", _WRISTS),
    "wrist_spread": Descriptor("arms open", "arms close to the body", _WRISTS),
    "elbow_flexion": Descriptor("elbows bent", "arms hanging", _ELBOWS),
    "knee_flexion": Descriptor("knees bent", "legs straight", _KNEES),
    "extension": Descriptor("body wide", "body contracted", _ENDS),
    "arm_symmetry": Descriptor("arms held alike", "arms held differently", _WRISTS),
    "arm_speed": Descriptor("fast arms", "slow arms", _WRISTS),
    "peak_speed": Descriptor("a fast arm movement", "no fast movement", _WRISTS),
    "foot_speed": Descriptor("fast feet", "slow feet", _ANKLES),
    "arms_to_feet": Descriptor(
        "arms faster than the steps", "arms quieter than the steps", [*_WRISTS, *_ANKLES]
    ),
    "arm_acceleration": Descriptor("forceful arms", "soft arms", _WRISTS),
    "arm_jerk": Descriptor("jerky arms", "even arms", _WRISTS),
    "jerkiness": Descriptor("hasty for its speed", "smooth for its speed", _WRISTS),
    "directness": Descriptor("straight paths of the hands", "winding paths of the hands", _WRISTS),
    "swing": Descriptor("large arm swing", "small arm swing", _WRISTS),
    "beat": Descriptor("hands move up and down", "hands keep their height", _WRISTS),
    "tremble": Descriptor("trembling", "no trembling", [*_ELBOWS, *_WRISTS]),
    "suddenness": Descriptor("a sudden change", "an even course", _MOVING),
    "stillness": Descriptor("stillness", "constant movement", _MOVING),
    "hand_change": Descriptor("hands rise", "hands sink", _WRISTS),
    "head_change": Descriptor("head goes back", "head sinks", _HEAD),
    "trunk_lean_change": Descriptor("trunk goes back", "trunk goes forward", _TRUNK),
}
NAMES = tuple(DESCRIPTORS)
RUNNING = 1.8  # leg lengths per second, mean of both feet; fast walking has 1.4, running 2.5
STILL = 0.95  # share of the time without movement of head and hands
STANDING = 0.2  # leg lengths per second, mean of both feet
_JOINTS = {words: tuple(d.joints) for d in DESCRIPTORS.values() for words in (d.high, d.low)}


def joints_of(words: str) -> tuple[int, ...]:
    """Joints of H36M-17 that the words of a descriptor are about; none for words of another network."""
    return _JOINTS.get(words, ())


def describe(poses: Floats, rate_hz: float) -> Floats:
    """Descriptors of movements.

    Args:
        poses: (N, T, 17, 3) metres, H36M-17, pelvis at the origin, x where the person faces on
            average, y left, z up (``window.upright``); T at least 8, without NaN.
        rate_hz: Poses per second.

    Returns:
        (N, D) float32 in the order of ``NAMES``. Angles in radians, lengths in leg lengths;
        speeds, accelerations and jerks as natural logs of one plus leg lengths per second, per
        second squared and cubed.
    """
    p = np.asarray(poses, np.float64)
    p = p / np.maximum(_leg_lengths(p), 0.1)[:, None, None, None]
    velocity = _smooth(np.diff(p, axis=1)) * rate_hz
    acceleration = np.diff(velocity, axis=1) * rate_hz
    jerk = np.diff(acceleration, axis=1) * rate_hz
    columns = {**_posture(p), **_movement(p, velocity, acceleration, jerk), **_course(p, velocity)}
    return np.stack([columns[name] for name in NAMES], -1).astype(np.float32)


def runs(descriptors: Floats) -> bool:
    """Whether the feet of one row of ``describe`` are those of somebody who runs."""
    return bool(descriptors[NAMES.index("foot_speed")] > np.log1p(RUNNING))


def rests(descriptors: Floats) -> bool:
    """Whether one row of ``describe`` is of somebody who keeps still: there is no movement to be read."""
    still = descriptors[NAMES.index("stillness")] >= STILL
    return bool(still and descriptors[NAMES.index("foot_speed")] < np.log1p(STANDING))


def _leg_lengths(p: Doubles) -> Doubles:
    """(N,) thigh plus shin: where trunk and head begin differs more from skeleton to skeleton."""
    thighs = np.linalg.norm(p[:, :, _KNEES] - p[:, :, _HIPS], axis=-1)
    shins = np.linalg.norm(p[:, :, _ANKLES] - p[:, :, _KNEES], axis=-1)
    return np.asarray((thighs + shins).mean((1, 2)))


def _posture(p: Doubles) -> dict[str, Doubles]:
    wrists, shoulders = p[:, :, _WRISTS], p[:, :, _SHOULDERS]
    outward = np.array([1.0, -1.0])  # y is left, and the left wrist comes first
    spread = ((wrists - shoulders)[..., 1] * outward).mean(-1)
    ends = p[:, :, _ENDS] - p[:, :, _ENDS].mean(2, keepdims=True)
    height = wrists[..., 2].mean(1)  # (N, 2)
    return {
        "trunk_pitch": _pitch(p, 0, 8).mean(1),
        "neck_pitch": _pitch(p, 8, 9).mean(1),
        "head_pitch": _pitch(p, 9, 10).mean(1),
        # Where the camera is tilted, everybody leans; what lies between two parts stays.
        "head_on_trunk": (_pitch(p, 9, 10) - _pitch(p, 0, 8)).mean(1),
        "wrist_height": height.mean(1),
        "highest_wrist": wrists[..., 2].max(-1).mean(1),
        "wrist_forward": (wrists - shoulders)[..., 0].mean((1, 2)),
        "wrist_spread": spread.mean(1),
        "elbow_flexion": _flexion(p, _SHOULDERS, _ELBOWS, _WRISTS).mean((1, 2)),
        "knee_flexion": _flexion(p, _HIPS, _KNEES, _ANKLES).mean((1, 2)),
        "extension": np.linalg.norm(ends, axis=-1).mean((1, 2)),
        "arm_symmetry": -np.abs(height[:, 0] - height[:, 1]),
    }


def _movement(p: Doubles, velocity: Doubles, acceleration: Doubles, jerk: Doubles) -> dict[str, Doubles]:
    arms = np.linalg.norm(velocity[:, :, _WRISTS], axis=-1)  # (N, T-1, 2)
    feet = np.linalg.norm(velocity[:, :, _ANKLES], axis=-1).mean((1, 2))
    force = np.linalg.norm(acceleration[:, :, _WRISTS], axis=-1).mean((1, 2))
    rough = np.linalg.norm(jerk[:, :, _WRISTS], axis=-1).mean((1, 2))
    speed = arms.mean((1, 2))
    local = (p[:, :, _WRISTS] - p[:, :, _SHOULDERS]) - (p[:, :, _WRISTS] - p[:, :, _SHOULDERS]).mean(
        1, keepdims=True
    )
    path = np.linalg.norm(np.diff(p[:, :, _WRISTS], axis=1), axis=-1).sum(1)
    way = np.linalg.norm(np.ptp(p[:, :, _WRISTS], axis=1), axis=-1)
    return {
        "arm_speed": np.log1p(speed),
        "peak_speed": np.log1p(np.quantile(arms, 0.95, axis=(1, 2))),
        "foot_speed": np.log1p(feet),
        "arms_to_feet": np.log((speed + 0.1) / (feet + 0.1)),
        "arm_acceleration": np.log1p(force),
        "arm_jerk": np.log1p(rough),
        "jerkiness": np.log1p(rough) - 2 * np.log1p(speed),
        "directness": np.log((way.mean(1) + 0.05) / (path.mean(1) + 0.05)),
        "swing": np.log(0.02 + local[..., 0].std(1).mean(1)),
        "beat": np.log(0.02 + local[..., 2].std(1).mean(1)),
        "trunk_change": np.log(0.01 + _pitch(p, 0, 8).std(1)),
    }


def _course(p: Doubles, velocity: Doubles) -> dict[str, Doubles]:
    energy = (velocity[:, :, _MOVING] ** 2).sum(-1).mean(-1)  # (N, T-1)
    mean = energy.mean(1) + 1e-3
    third = max(p.shape[1] // 3, 1)

    def rise(values: Doubles) -> Doubles:
        return np.asarray(values[:, -third:].mean(1) - values[:, :third].mean(1))

    return {
        "tremble": _fast_share(p),
        "suddenness": np.log(energy.max(1) / mean + 1e-3),
        "stillness": (energy < 0.05).mean(1),
        "hand_change": rise(p[:, :, _WRISTS, 2].mean(-1)),
        "head_change": rise(-_pitch(p, 9, 10)),
        "trunk_lean_change": rise(-_pitch(p, 0, 8)),
    }


def _pitch(p: Doubles, lower: int, upper: int) -> Doubles:
    """(N, T) how far a part leans to where the person faces, radians."""
    part = p[:, :, upper] - p[:, :, lower]
    return np.asarray(np.arctan2(part[..., 0], np.maximum(part[..., 2], 1e-3)))


def _flexion(p: Doubles, first: list[int], middle: list[int], last: list[int]) -> Doubles:
    """(N, T, 2) how far joints are bent, radians, 0 when straight."""
    a, b = p[:, :, first] - p[:, :, middle], p[:, :, last] - p[:, :, middle]
    lengths = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    cosine = (a * b).sum(-1) / np.maximum(lengths, 1e-9)
    return np.asarray(np.pi - np.arccos(np.clip(cosine, -1, 1)))


def _smooth(values: Doubles) -> Doubles:
    """Mean with both neighbours, a half as much each: lifted joints tremble."""
    padded = np.concatenate([values[:, :1], values, values[:, -1:]], 1)
    return np.asarray(0.25 * padded[:, :-2] + 0.5 * padded[:, 1:-1] + 0.25 * padded[:, 2:])


def _fast_share(p: Doubles) -> Doubles:
    """(N,) share of the forearms' movement in the upper half of the frequencies."""
    moves = np.diff(p[:, :, _WRISTS] - p[:, :, _ELBOWS], axis=1)
    power = (np.abs(np.fft.rfft(moves, axis=1)) ** 2).sum((2, 3))[:, 1:]
    half = power.shape[1] // 2
    return np.asarray(power[:, half:].sum(1) / (power.sum(1) + 1e-6))
