"""Skeletons in other frames, and as frames of their own.

Frames and their names follow REP-103 (x forward, y left, z up in a body) and REP-155 (``body_<id>`` at the
middle of the hips, its parent the frame of the sensor).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .skeleton import H36M17
from .types import Skeletons3D

Doubles = NDArray[np.float64]
PELVIS, LEFT_HIP, RIGHT_HIP, THORAX = (H36M17.index(j) for j in ("pelvis", "left_hip", "right_hip", "thorax"))
OPTICAL_UP = np.array([0.0, -1.0, 0.0])
SHORTEST_M = 1e-3


@dataclass(frozen=True, eq=False)
class Rigid:
    """A motion of a rigid body: x in the old frame is ``rotation @ x + translation`` in the new one.

    Attributes:
        rotation: (3, 3).
        translation: (3,) metres.
    """

    rotation: Doubles
    translation: Doubles

    @classmethod
    def of(cls, quaternion: Sequence[float], translation: Sequence[float]) -> Rigid:
        """From a quaternion x, y, z, w of any length but 0, and metres.

        Raises:
            InputError: The numbers are not finite, or the quaternion is 0.
        """
        x, y, z, w = q = np.array(quaternion, np.float64)
        length, moved = float(q @ q), np.array(translation, np.float64)
        if not (np.isfinite(length) and length > 1e-12 and np.isfinite(moved).all()):
            raise InputError(f"no transform: rotation {q.tolist()}, translation {moved.tolist()}")
        s = 2 / length
        rotation = np.array(
            [
                [1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w)],
                [s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w)],
                [s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y)],
            ]
        )
        return cls(rotation, moved)


def transformed(skeletons: Skeletons3D, motion: Rigid, frame_id: str) -> Skeletons3D:
    """The same people in another frame, whose name they then carry; what is unknown stays so.

    Args:
        skeletons: N persons.
        motion: From their frame to the other.
        frame_id: Its name.
    """
    return replace(
        skeletons,
        relative=(skeletons.relative @ motion.rotation.T).astype(np.float32),
        roots=(skeletons.roots @ motion.rotation.T + motion.translation).astype(np.float32),
        view=replace(skeletons.view, frame_id=frame_id, camera=None),
    )


@dataclass(frozen=True, eq=False)
class FrameOf:
    """A frame to publish.

    Attributes:
        parent, child: Names.
        translation: (3,) metres in the parent.
        quaternion: (4,) x, y, z, w.
    """

    parent: str
    child: str
    translation: Doubles
    quaternion: Doubles


def joint_frames(skeletons: Skeletons3D, prefix: str = "") -> Iterator[FrameOf]:
    """``body_<id>`` of everybody whose place and trunk are known, and their joints ``<joint>_<id>`` below it.

    A body's frame lies in the pelvis, z along the trunk, y to the person's left, x forward. Joints have its
    axes. People and joints that are not known are left out.

    Args:
        skeletons: N persons.
        prefix: Before every child's name, so that the people of two cameras do not mix.
    """
    for row, name in enumerate(skeletons.ids):
        relative, root = skeletons.relative[row].astype(np.float64), skeletons.roots[row].astype(np.float64)
        axes = body_axes(relative)
        if axes is None or not np.isfinite(root).all():
            continue
        body = f"{prefix}body_{name}"
        yield FrameOf(skeletons.view.frame_id, body, root + relative[PELVIS], quaternion_of(axes))
        level = np.array([0.0, 0.0, 0.0, 1.0])
        for joint, place in zip(H36M17.joints, (relative - relative[PELVIS]) @ axes, strict=True):
            if joint != "pelvis" and np.isfinite(place).all():
                yield FrameOf(body, f"{prefix}{joint}_{name}", place, level)


def body_axes(relative: Doubles) -> Doubles | None:
    """(3, 3) forward, left and up of a body as columns; None where hips and thorax do not fix them.

    Args:
        relative: (17, 3) metres, H36M-17.
    """
    up = relative[THORAX] - relative[PELVIS]
    left = relative[LEFT_HIP] - relative[RIGHT_HIP]
    forward = np.cross(left, up)
    lengths = np.linalg.norm(up), np.linalg.norm(forward)
    if not np.isfinite(lengths).all() or min(lengths) < SHORTEST_M:
        return None
    z, x = up / lengths[0], forward / lengths[1]
    return np.stack([x, np.cross(z, x), z], axis=1)


def quaternion_of(rotation: Doubles) -> Doubles:
    """(4,) x, y, z, w, w >= 0, of a (3, 3) rotation: by Bar-Itzhack (2000), never singular."""
    r = rotation
    k = np.array(
        [
            [r[0, 0] - r[1, 1] - r[2, 2], r[1, 0] + r[0, 1], r[2, 0] + r[0, 2], r[2, 1] - r[1, 2]],
            [r[1, 0] + r[0, 1], r[1, 1] - r[0, 0] - r[2, 2], r[2, 1] + r[1, 2], r[0, 2] - r[2, 0]],
            [r[2, 0] + r[0, 2], r[2, 1] + r[1, 2], r[2, 2] - r[0, 0] - r[1, 1], r[1, 0] - r[0, 1]],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], r[0, 0] + r[1, 1] + r[2, 2]],
        ]
    )
    q = np.linalg.eigh(k / 3)[1][:, -1]
    return np.asarray(q if q[3] >= 0 else -q, np.float64)
