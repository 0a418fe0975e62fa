"""Joint sets: which joint has which index, what mirrors what, what is drawn.

COCO-17 follows the COCO keypoint annotations (Lin et al., 2014); H36M-17 is the 17-joint
subset of Human3.6M in the order of VideoPose3D (Pavllo et al., 2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class JointSet:
    """A named, ordered set of joints.

    Attributes:
        name: Identifier used in messages and in the model manifest.
        joints: Joint names; the position is the index.
        bones: Pairs of joint indices to draw, each once, parent first.
        pairs: (left, right) index pairs.
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    pairs: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(self.joints)

    def index(self, joint: str) -> int:
        """Index of a joint.

        Raises:
            KeyError: The set has no such joint; the message lists the known ones.
        """
        try:
            return self.joints.index(joint)
        except ValueError:
            raise KeyError(f"{self.name} has no joint {joint!r}; it has {', '.join(self.joints)}") from None

    def side(self, joint: int) -> str:
        """'left', 'right' or 'middle' of the body."""
        return self._sides[joint]

    @cached_property
    def _sides(self) -> tuple[str, ...]:
        left = {a for a, _ in self.pairs}
        right = {b for _, b in self.pairs}
        return tuple(
            "left" if i in left else "right" if i in right else "middle" for i in range(len(self.joints))
        )

    def mirrored(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., J, C) as seen in a mirror: x changes its sign, left and right change their names."""
        out = points[..., self.flip_index, :]
        out[..., 0] *= -1
        return out

    @cached_property
    def flip_index(self) -> NDArray[np.int64]:
        """(J,) index array: ``points[..., flip_index, :]`` swaps left and right."""
        order = np.arange(len(self.joints))
        for a, b in self.pairs:
            order[a], order[b] = b, a
        return order


COCO17 = JointSet(
    name="coco17",
    joints=(
        "nose",
        "left_eye",
        "right_eye",
        "left_ear",
        "right_ear",
        "left_shoulder",
        "right_shoulder",
        "left_elbow",
        "right_elbow",
        "left_wrist",
        "right_wrist",
        "left_hip",
        "right_hip",
        "left_knee",
        "right_knee",
        "left_ankle",
        "right_ankle",
    ),
    bones=(
        (0, 1),
        (0, 2),
        (1, 3),
        (2, 4),
        (5, 6),
        (5, 7),
        (7, 9),
        (6, 8),
        (8, 10),
        (5, 11),
        (6, 12),
        (11, 12),
        (11, 13),
        (13, 15),
        (12, 14),
        (14, 16),
    ),
    pairs=((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)),
)

H36M17 = JointSet(
    name="h36m17",
    joints=(
        "pelvis",
        "right_hip",
        "right_knee",
        "right_ankle",
        "left_hip",
        "left_knee",
        "left_ankle",
        "spine",
        "thorax",
        "neck_nose",
        "head_top",
        "left_shoulder",
        "left_elbow",
        "left_wrist",
        "right_shoulder",
        "right_elbow",
        "right_wrist",
    ),
    bones=(
        (0, 1),
        (1, 2),
        (2, 3),
        (0, 4),
        (4, 5),
        (5, 6),
        (0, 7),
        (7, 8),
        (8, 9),
        (9, 10),
        (8, 11),
        (11, 12),
        (12, 13),
        (8, 14),
        (14, 15),
        (15, 16),
    ),
    pairs=((4, 1), (5, 2), (6, 3), (11, 14), (12, 15), (13, 16)),
)

JOINT_SETS = {s.name: s for s in (COCO17, H36M17)}

# (H36M-17 joint, COCO-17 joints whose mean it is): the joints both sets know.
COCO_OF_H36M: tuple[tuple[int, tuple[int, ...]], ...] = (
    (0, (11, 12)),
    (1, (12,)),
    (2, (14,)),
    (3, (16,)),
    (4, (11,)),
    (5, (13,)),
    (6, (15,)),
    (8, (5, 6)),
    (11, (5,)),
    (12, (7,)),
    (13, (9,)),
    (14, (6,)),
    (15, (8,)),
    (16, (10,)),
)
_ALONE = np.array([(joint, *parts) for joint, parts in COCO_OF_H36M if len(parts) == 1]).T
_MEANS = [(joint, parts) for joint, parts in COCO_OF_H36M if len(parts) > 1]


def h36m_from_coco(keypoints: NDArray[np.floating]) -> NDArray[np.float32]:
    """2D keypoints of COCO-17 as H36M-17, as far as both sets know the joints.

    Pelvis and thorax are the means of the hips and of the shoulders; the spine is half-way
    between these two; neck/nose is the nose; head top lies on the line thorax -> middle of the
    ears, 1.8 times as far (a convention, not a measurement). A joint's score is the lowest of
    those it is made from.

    Args:
        keypoints: (..., 17, 3) x px, y px, score; NaN where nothing is known.

    Returns:
        (..., 17, 3) float32, the same meaning; NaN coordinates spread to what is made from them.
    """
    source = np.asarray(keypoints, np.float32)
    out = np.full(source.shape, np.nan, np.float32)
    out[..., _ALONE[0], :] = source[..., _ALONE[1], :]
    for joint, parts in _MEANS:
        out[..., joint, :2] = source[..., parts, :2].mean(axis=-2)
        out[..., joint, 2] = source[..., parts, 2].min(axis=-1)
    out[..., 7, :2] = (out[..., 0, :2] + out[..., 8, :2]) / 2
    out[..., 7, 2] = np.minimum(out[..., 0, 2], out[..., 8, 2])
    out[..., 9, :] = source[..., 0, :]
    ears = source[..., (3, 4), :]
    middle = ears[..., :2].mean(axis=-2)
    out[..., 10, :2] = out[..., 8, :2] + 1.8 * (middle - out[..., 8, :2])
    out[..., 10, 2] = np.minimum(out[..., 8, 2], ears[..., 2].min(axis=-1))
    return out
