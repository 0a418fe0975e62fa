"""Joint positions to bone rotations.

A bone turns so that it points where the recorded joints point (swing). Its twist follows the
hinge of the next joint (elbow, knee) as far as that is bent; a straight limb keeps the twist of
the frames around it. Lengths stay those of the body, so the limb directions of the recording are
met exactly, its positions only up to the difference in proportions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .body import Body
from .mesh import Floats

# Medians of (shoulder - thorax) in the chest's frame over the CMU recordings, metres.
CMU_COLLAR = {"Left": np.array([-0.004, 0.191, -0.027]), "Right": np.array([-0.004, -0.206, -0.055])}
CMU_LEG = 0.837  # metres, thigh + shin of the recordings' skeleton
CMU_ANKLE = 0.065  # metres, height of its ankles above the floor
_SPINE_SHARE = 0.7  # where the thorax lies on the way from Spine1's head to its tail


@dataclass(frozen=True, eq=False)
class Motion:
    """Positions of one person's joints over time; world frame: metres, z up.

    Attributes:
        joints: (T, 17, 3) H36M-17, as in the CMU recordings.
        head_forward, head_left: (T, 3) unit vectors of the head.
        fps: Frames per second.
    """

    joints: Floats
    head_forward: Floats
    head_left: Floats
    fps: float

    def __len__(self) -> int:
        return len(self.joints)


@dataclass(frozen=True, eq=False)
class Poses:
    """Bone rotations over time.

    Attributes:
        rotations: (T, B, 3, 3) turn of each bone away from rest, in the world.
        root: (T, 3) metres, position of the root bone's head.
        fps: Frames per second.
    """

    rotations: Floats
    root: Floats
    fps: float

    def __len__(self) -> int:
        return len(self.root)


def joints_of(body: Body, rotations: Floats, root: Floats) -> Floats:
    """H36M-17 joints of posed bones, defined as in the CMU recordings.

    Pelvis: between the hips. Spine: half-way up. Thorax: 4 cm above the shoulders' line. Neck:
    base of the skull. Head top: middle of the head (the recordings' end of the head bone, about
    0.1 m below the crown).

    Args:
        body: The person.
        rotations: (..., B, 3, 3); root: (..., 3), see ``Rig.place``.

    Returns:
        (..., 17, 3) metres, world frame.
    """
    rig = body.rig
    heads = rig.place(rotations, root)
    out = np.empty((*heads.shape[:-2], 17, 3))
    for joint, (bone, rest) in _anchors(body).items():
        b = rig.index(bone)
        out[..., joint, :] = heads[..., b, :] + rotations[..., b, :, :] @ (rest - rig.heads[b])
    return out


def rest_joints(body: Body) -> Floats:
    """(17, 3) H36M-17 joints of a body at rest."""
    return np.array([rest for _, (_, rest) in sorted(_anchors(body).items())])


def _anchors(body: Body) -> dict[int, tuple[str, Floats]]:
    """The bone that carries each joint, and the joint's rest position."""
    rig = body.rig
    at = {
        1: "RightUpLeg", 2: "RightLeg", 3: "RightFoot", 4: "LeftUpLeg", 5: "LeftLeg", 6: "LeftFoot",
        7: "Spine", 11: "LeftArm", 12: "LeftForeArm", 13: "LeftHand",
        14: "RightArm", 15: "RightForeArm", 16: "RightHand",
    }  # fmt: skip
    out = {joint: (bone, rig.head(bone)) for joint, bone in at.items()}
    low, high = rig.head("Spine1"), rig.tails[rig.index("Spine1")]
    out[0] = ("Hips", (rig.head("LeftUpLeg") + rig.head("RightUpLeg")) / 2)
    out[8] = ("Spine1", low + _SPINE_SHARE * (high - low))
    out[9] = ("Head", (rig.head("Neck1") + rig.head("Head")) / 2)
    crown = rig.tails[rig.index("Head")]
    out[10] = ("Head", rig.head("Head") + 0.4 * (crown - rig.head("Head")))
    return out


def retarget(body: Body, motion: Motion) -> Poses:
    """Make a body move as recorded, on the floor z = 0.

    Args:
        body: The person.
        motion: T frames in order; twists are smoothed over them.

    Returns:
        T poses.
    """
    rest, joints = rest_joints(body), motion.joints
    rig = body.rig
    turn: dict[str, Floats] = {}
    (hips, chest), (hips_rest, chest_rest) = body_frames(joints), body_frames(rest)
    hips, chest = hips @ hips_rest.T, chest @ chest_rest.T
    head = np.stack(
        [motion.head_forward, motion.head_left, np.cross(motion.head_forward, motion.head_left)], axis=-1
    )
    for bone in ("Hips", "LHipJoint", "RHipJoint", "LowerBack"):
        turn[bone] = hips
    turn["Spine"] = turn["Spine1"] = chest
    turn["Neck"], turn["Neck1"], turn["Head"] = slerp(chest, head, 0.3), slerp(chest, head, 0.65), head
    for side, (shoulder, elbow, wrist), (hip, knee, ankle) in (
        ("Left", (11, 12, 13), (4, 5, 6)),
        ("Right", (14, 15, 16), (1, 2, 3)),
    ):
        seen = np.einsum("tji,tj->ti", chest, joints[:, shoulder] - joints[:, 8])
        turn[f"{side}Shoulder"] = chest @ swing(CMU_COLLAR[side], seen)
        upper, lower = _limb(turn[f"{side}Shoulder"], rest, joints, (shoulder, elbow, wrist), motion.fps)
        turn[f"{side}Arm"], turn[f"{side}ForeArm"] = upper, lower
        for bone in (f"{side}Hand", f"{side}FingerBase", f"{side}HandFinger1", f"{side[0]}Thumb"):
            turn[bone] = lower
        thigh, shin = _limb(hips, rest, joints, (hip, knee, ankle), motion.fps)
        turn[f"{side}UpLeg"], turn[f"{side}Leg"] = thigh, shin
        turn[f"{side}Foot"] = turn[f"{side}ToeBase"] = _foot(body, side, shin, joints[:, ankle])
    rotations = np.stack([turn[b] for b in rig.bones], axis=1)
    return Poses(rotations, _root(body, rest, joints, rotations), motion.fps)


def _root(body: Body, rest: Floats, joints: Floats, rotations: Floats) -> Floats:
    """(T, 3) position of the root bone, so that the pelvis goes where it was recorded, scaled."""
    leg = np.linalg.norm(rest[4] - rest[5]) + np.linalg.norm(rest[5] - rest[6])
    hips = body.rig.head("Hips")
    pelvis = leg / CMU_LEG * (joints[:, 0] - [0, 0, CMU_ANKLE])
    pelvis[:, 2] += rest[6, 2] - body.floor
    return np.asarray(pelvis - rotations[:, body.rig.index("Hips")] @ (rest[0] - hips))


def _limb(
    parent: Floats, rest: Floats, joints: Floats, chain: tuple[int, int, int], fps: float
) -> tuple[Floats, Floats]:
    """(T, 3, 3) turns of a limb's two bones."""
    a, b, c = chain
    upper_rest, lower_rest = rest[b] - rest[a], rest[c] - rest[b]
    upper, lower = _unit(joints[:, b] - joints[:, a]), _unit(joints[:, c] - joints[:, b])
    turn = swing(parent @ upper_rest, upper) @ parent
    carried = _unit(np.cross(upper, turn @ lower_rest))
    seen = np.cross(upper, lower)
    bend = np.clip((np.linalg.norm(seen, axis=-1) - 0.08) / 0.3, 0, 1)
    angle = np.arctan2(np.einsum("ti,ti->t", np.cross(carried, seen), upper), (carried * seen).sum(-1))
    twist = _steady(angle, bend, fps)
    turn = axis_angle(upper * twist[:, None]) @ turn
    return turn, swing(turn @ lower_rest, lower) @ turn


def _steady(angle: Floats, trust: Floats, fps: float) -> Floats:
    """Angles (T,) smoothed over 0.1 s, where trust is low taken from their neighbours."""
    vector = trust[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    vector[:, 0] += 0.02
    sigma = 0.05 * fps
    reach = int(3 * sigma)
    if reach >= 1 and len(angle) > 1:
        kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
        padded = np.pad(vector, ((reach, reach), (0, 0)), mode="edge")
        vector = np.stack([np.convolve(padded[:, k], kernel, "valid") for k in range(2)], axis=-1)
    return np.asarray(np.arctan2(vector[:, 1], vector[:, 0]))


def _foot(body: Body, side: str, shin: Floats, ankle: Floats) -> Floats:
    """Turns of a foot, which the recordings do not hold.

    It keeps its angle to the shin, but its toes do not reach below the floor: a low ankle lays
    the foot flat, a lifting one tips it over the toes.
    """
    rig = body.rig
    reach = np.linalg.norm(rig.tails[rig.index(f"{side}Foot")] - rig.head(f"{side}Foot"))
    follow = np.arcsin(np.clip(-shin[:, 2, 0], -1, 1))  # how far the toes point down
    forward = shin[:, :, 0] * [1, 1, 0]
    lying = np.linalg.norm(forward, axis=-1) < 0.3
    limit = np.arcsin(np.clip((ankle[:, 2] - CMU_ANKLE) / reach, 0, 0.95))
    down = np.minimum(follow, limit)
    x = _unit(np.where(lying[:, None], [1.0, 0, 0], forward)) * np.cos(down)[:, None]
    x = x + np.array([0, 0, -1.0]) * np.sin(down)[:, None]
    y = _unit(np.cross([0.0, 0, 1], x))
    flat = np.stack([x, y, np.cross(x, y)], axis=-1)
    return np.where(lying[:, None, None], shin, flat)


def stand_on_floor(body: Body, poses: Poses, window_s: float = 0.6) -> Poses:
    """Shift a motion up and down so that its lowest joint of the feet stands on the floor z = 0.

    The shift follows the lowest sole within ``window_s`` either side, smoothly, so short flights
    (running, jumping) stay flights.
    """
    rig = body.rig
    heads = rig.place(poses.rotations, poses.root)
    feet = [rig.index(b) for b in ("LeftFoot", "RightFoot", "LeftToeBase", "RightToeBase")]
    lowest = (heads[:, feet, 2] - (rig.heads[feet, 2] - body.floor)).min(axis=1)
    reach = max(1, int(window_s * poses.fps))
    held = np.array([lowest[max(0, t - reach) : t + reach + 1].min() for t in range(len(lowest))])
    kernel = np.hanning(2 * reach + 3)[1:-1]
    smooth = np.convolve(np.pad(held, reach, mode="edge"), kernel / kernel.sum(), "valid")
    root = poses.root.copy()
    root[:, 2] -= smooth
    return Poses(poses.rotations, root, poses.fps)


def swing(source: Floats, target: Floats) -> Floats:
    """(..., 3, 3) shortest rotations that turn directions ``source`` (..., 3) to ``target``."""
    a, b = _unit(source), _unit(target)
    axis = np.cross(a, b)
    sine = np.linalg.norm(axis, axis=-1, keepdims=True)
    angle = np.arctan2(sine, (a * b).sum(-1, keepdims=True))
    return axis_angle(axis / np.maximum(sine, 1e-9) * angle)


def axis_angle(vector: Floats) -> Floats:
    """(..., 3, 3) rotation matrices of rotation vectors (..., 3) in radians (Rodrigues)."""
    angle = np.linalg.norm(vector, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(vector / np.maximum(angle[..., 0], 1e-12), -1, 0)
    zero = np.zeros_like(x)
    k = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=-1).reshape(*x.shape, 3, 3)
    return np.asarray(np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * (k @ k))


def slerp(start: Floats, end: Floats, share: float) -> Floats:
    """(T, 3, 3) rotations part of the way from ``start`` to ``end``."""
    step = end @ np.swapaxes(start, -1, -2)
    angle = np.arccos(np.clip((np.trace(step, axis1=-2, axis2=-1) - 1) / 2, -1, 1))
    axis = np.stack(
        [
            step[..., 2, 1] - step[..., 1, 2],
            step[..., 0, 2] - step[..., 2, 0],
            step[..., 1, 0] - step[..., 0, 1],
        ],
        axis=-1,
    )
    return axis_angle(_unit(axis) * (share * angle)[..., None]) @ start


def _frames(joints: Floats, left: int, right: int, low: int, high: int) -> Floats:
    """(..., 3, 3) columns forward, left, up; up is exact, left as near as can be."""
    up = _unit(joints[..., high, :] - joints[..., low, :])
    across = joints[..., left, :] - joints[..., right, :]
    forward = _unit(np.cross(across, up))
    return np.stack([forward, np.cross(up, forward), up], axis=-1)


def _unit(vector: Floats) -> Floats:
    return np.asarray(vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-9))


def body_frames(joints: Floats) -> tuple[Floats, Floats]:
    """(..., 3, 3) frames of hips and chest, columns forward, left, up, from H36M-17 joints."""
    return _frames(joints, 4, 1, 0, 7), _frames(joints, 11, 14, 7, 8)
