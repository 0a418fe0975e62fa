"""Emotional movement recorded as BVH, such as the PhysioNet set of Zhang et al. (2020).

"Kinematic dataset of actors expressing emotions", doi 10.13026/kg8b-1t49: files named
``F01A0V1.bvh``: actor (F or M and a number), emotion (A anger, D disgust, F fear, H happiness,
N neutral, SA sadness, SU surprise), scenario, version.
Symbols: N frames, J joints of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posemo_ros.errors import InputError
from posemo_ros.types import EMOTIONS

from .emotion_clips import EmotionClip
from .files import malformed, need

SECTION = "BVH clips with emotions"
NAME = re.compile(
    r"(?P<actor>[FM]\d+)_?(?P<emotion>SA|SU|A|D|F|H|N)_?(?P<scenario>\d+)_?V(?P<version>\d+)", re.I
)
CODES = {"A": "anger", "D": "disgust", "F": "fear", "H": "joy", "SA": "sadness", "SU": "surprise"}

Doubles = NDArray[np.float64]

# H36M-17 joint -> names of the same joint in usual BVH rigs; several in one tuple: their mean.
_NAMES: tuple[tuple[tuple[str, ...], ...], ...] = (
    (("leftupleg", "rightupleg"), ("lefthip", "righthip"), ("hips",)),
    (("rightupleg",), ("righthip",)),
    (("rightleg",), ("rightknee",)),
    (("rightfoot",), ("rightankle",)),
    (("leftupleg",), ("lefthip",)),
    (("leftleg",), ("leftknee",)),
    (("leftfoot",), ("leftankle",)),
    (("spine", "spine1"), ("chest",), ("spine",)),
    (("neck1",), ("neck",)),
    (("head",),),
    (("head end",),),
    (("leftarm",), ("leftshoulder",)),
    (("leftforearm",), ("leftelbow",)),
    (("lefthand",), ("leftwrist",)),
    (("rightarm",), ("rightshoulder",)),
    (("rightforearm",), ("rightelbow",)),
    (("righthand",), ("rightwrist",)),
)


@dataclass(frozen=True, eq=False)
class Joint:
    """A joint of the file.

    Attributes:
        name: Lower case, without a prefix such as ``mixamorig:``; ``<parent> end`` for end sites.
        parent: Index, -1 for the root.
        offset: (3,) in the file's unit.
        channels: Such as ``Xposition``, ``Zrotation``, in their order.
    """

    name: str
    parent: int
    offset: Doubles
    channels: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Bvh:
    """A file's content.

    Attributes:
        joints: Parents first.
        values: (N, channels).
        rate_hz: Frames per second.
    """

    joints: tuple[Joint, ...]
    values: Doubles
    rate_hz: float


def read(path: Path) -> Bvh:
    """Parse a BVH file.

    Raises:
        InputError: It is missing or no BVH file.
    """
    need(path, "a BVH file", SECTION)
    try:
        words = iter(path.read_text(encoding="utf-8", errors="replace").split())
        joints: list[Joint] = []
        for word in words:
            if word in ("ROOT", "JOINT"):
                _read_joint(words, -1, joints)
            elif word == "MOTION":
                break
        _expect(words, "Frames:")
        count = int(next(words))
        _expect(words, "Frame")
        _expect(words, "Time:")
        seconds = float(next(words))
        values = np.array(list(words), np.float64).reshape(count, sum(len(j.channels) for j in joints))
        if not len(joints) or seconds <= 0 or not count:
            raise ValueError(f"{len(joints)} joints, {count} frames of {seconds} s")
        if not np.isfinite(values).all():
            raise ValueError("numbers like NaN")
        return Bvh(tuple(joints), values, 1 / seconds)
    except (ValueError, StopIteration) as error:
        raise malformed(path, f"{error!r}", "HIERARCHY and MOTION of a BVH file", SECTION) from error


def _expect(words: Iterator[str], wanted: str) -> None:
    word = next(words)
    if word != wanted:
        raise ValueError(f"{word!r} in place of {wanted!r}")


def _read_joint(words: Iterator[str], parent: int, joints: list[Joint], name: str = "") -> None:
    """One joint from behind its keyword to its closing brace, children included."""
    name = name or next(words).split(":")[-1].lower()
    _expect(words, "{")
    offset, index, added = np.zeros(3), len(joints), False
    channels: tuple[str, ...] = ()
    for word in words:
        if word == "OFFSET":
            offset = np.array([float(next(words)) for _ in range(3)])
        elif word == "CHANNELS":
            channels = tuple(next(words) for _ in range(int(next(words))))
        if not added and word in ("JOINT", "End", "}"):
            joints.append(Joint(name, parent, offset, channels))
            added = True
        if word == "JOINT":
            _read_joint(words, index, joints)
        elif word == "End":
            _expect(words, "Site")
            _read_joint(words, index, joints, f"{name} end")
        elif word == "}":
            return
    raise ValueError(f"joint {name!r} has no end")


def positions(motion: Bvh) -> Doubles:
    """(N, J, 3) joint positions in the file's unit and axes.

    A joint's position channels, where it has any, take the place of its offset.
    """
    count = len(motion.values)
    at, turns = np.zeros((count, len(motion.joints), 3)), np.zeros((count, len(motion.joints), 3, 3))
    column = 0
    for i, joint in enumerate(motion.joints):
        values = motion.values[:, column : column + len(joint.channels)]
        column += len(joint.channels)
        offset, turn = np.tile(joint.offset, (count, 1)), np.tile(np.eye(3), (count, 1, 1))
        for channel, value in zip(joint.channels, values.T, strict=True):
            axis = "XYZ".index(channel[0].upper())
            if channel[1:].lower() == "position":
                offset[:, axis] = value
            else:
                turn = turn @ _about(axis, np.radians(value))
        parent = joint.parent
        if parent < 0:
            at[:, i], turns[:, i] = offset, turn
        else:
            at[:, i] = at[:, parent] + (turns[:, parent] @ offset[..., None])[..., 0]
            turns[:, i] = turns[:, parent] @ turn
    return at


def _about(axis: int, angles: Doubles) -> Doubles:
    """(N, 3, 3) turns about a coordinate axis."""
    out = np.tile(np.eye(3), (len(angles), 1, 1))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    out[:, i, i] = out[:, j, j] = np.cos(angles)
    out[:, j, i] = np.sin(angles)
    out[:, i, j] = -out[:, j, i]
    return out


def h36m_joints(motion: Bvh, *, unit_m: float = 0.01) -> NDArray[np.float32]:
    """(N, 17, 3) metres, z up (the file's y), H36M-17.

    Raises:
        InputError: A joint cannot be found under its usual names.
    """
    at = positions(motion) * unit_m
    index = {joint.name: i for i, joint in reversed(list(enumerate(motion.joints)))}
    columns = []
    for joint, alternatives in enumerate(_NAMES):
        for names in alternatives:
            if all(name in index for name in names):
                columns.append(at[:, [index[n] for n in names]].mean(1))
                break
        else:
            known = ", ".join(j.name for j in motion.joints)
            raise InputError(f"BVH: no joint {alternatives} for H36M-17 joint {joint} among: {known}")
    return np.stack(columns, 1)[..., (2, 0, 1)].astype(np.float32)


def load_clips(
    folder: Path, actors: tuple[str, ...] | None = None, *, unit_m: float = 0.01
) -> list[EmotionClip]:
    """All files with one of the six emotions below a folder; neutral ones are left out.

    Args:
        folder: Searched with its subfolders.
        actors: Only these.
        unit_m: Metres per unit of the files; centimetres by default.

    Raises:
        InputError: There is no such file, a name has another form, or a file is malformed.
    """
    need(folder, "a folder of BVH files named like F01A0V1.bvh", SECTION)
    clips = []
    for path in sorted(folder.rglob("*.bvh")):
        match = NAME.fullmatch(path.stem)
        if match is None:
            raise malformed(
                path, f"name {path.stem!r}", "actor, emotion, scenario, version: F01A0V1", SECTION
            )
        code, actor = match["emotion"].upper(), match["actor"].upper()
        if code == "N" or (actors is not None and actor not in actors):
            continue
        motion = read(path)
        joints = h36m_joints(motion, unit_m=unit_m)
        none = np.zeros((0, 0, 0), np.float32)
        times = np.arange(len(joints)) / motion.rate_hz
        emotion = EMOTIONS.index(CODES[code])
        poses = joints - joints[:, :1]
        clips.append(
            EmotionClip(path.stem, emotion, actor, path.stem, times, poses, np.zeros(0), none, "world")
        )
    if not clips:
        raise malformed(folder, "no usable *.bvh", "files named like F01A0V1.bvh", SECTION)
    return clips
