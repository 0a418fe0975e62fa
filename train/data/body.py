"""A 3D body to pose and to photograph: H36M-17 joints plus the five face points of COCO-17.

Everything works on batches of movements, (B, F, 22, 3) float32 metres in a world frame with z up.
Symbols: B samples, F frames.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posemo_ros.skeleton import COCO17, H36M17

Floats = NDArray[np.float32]

FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
NAMES = H36M17.joints + FACE
PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15, *(9,) * 5)
HEAD = (10, 17, 18, 19, 20, 21)
# Body index of each COCO-17 keypoint.
COCO_FROM_BODY = np.array([NAMES.index(name) for name in COCO17.joints])
MIRRORED = np.array(
    [NAMES.index(n.replace("left", "*").replace("right", "left").replace("*", "right")) for n in NAMES]
)

# Part -> (joint it turns about, what turns along).
PARTS: dict[str, tuple[int, tuple[int, ...]]] = {
    "trunk": (0, (7, 8, 9, 11, 12, 13, 14, 15, 16, *HEAD)),
    "chest": (7, (8, 9, 11, 12, 13, 14, 15, 16, *HEAD)),
    "neck": (8, (9, *HEAD)),
    "head": (9, HEAD),
    "left_arm": (11, (12, 13)),
    "right_arm": (14, (15, 16)),
    "left_forearm": (12, (13,)),
    "right_forearm": (15, (16,)),
    "left_thigh": (4, (5, 6)),
    "right_thigh": (1, (2, 3)),
    "left_shin": (5, (6,)),
    "right_shin": (2, (3,)),
}

# Bones of equal scale, and the share each kind has in the body's height when standing.
_BONE_KINDS = ((1, 4), (2, 5), (3, 6), (7, 8), (9,), HEAD, (11, 14), (12, 15), (13, 16))
_HEIGHT_M = np.array([0, 0.43, 0.41, 0.52, 0.10, 0.20, 0, 0, 0], np.float32)


def rotation_matrix(vectors: ArrayLike) -> Floats:
    """(..., 3) rotation vectors, radians, to (..., 3, 3) matrices (Rodrigues)."""
    v = np.asarray(vectors, np.float64)
    angle = np.linalg.norm(v, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(v / np.maximum(angle[..., 0], 1e-12), -1, 0)
    o = np.zeros_like(x)
    k = np.stack([o, -z, y, z, o, -x, -y, x, o], -1).reshape(*v.shape[:-1], 3, 3)
    return (np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * (k @ k)).astype(np.float32)


def heading(body: Floats) -> Floats:
    """(B, F, 3, 3) columns: forward, left, up of every frame; forward and left are level."""
    left = (body[..., 4, :] + body[..., 11, :] - body[..., 1, :] - body[..., 14, :]) * np.array(
        [1, 1, 0], np.float32
    )
    left = left / np.maximum(np.linalg.norm(left, axis=-1, keepdims=True), 1e-6)
    up = np.broadcast_to(np.array([0, 0, 1], np.float32), left.shape)
    return np.stack([np.cross(left, up), left, up], -1).astype(np.float32)


def chest_axes(body: Floats) -> Floats:
    """(B, F, 3, 3) columns: forward, left, up of the upper trunk."""
    up = body[..., 8, :] - body[..., 7, :]
    up = up / np.maximum(np.linalg.norm(up, axis=-1, keepdims=True), 1e-6)
    left = body[..., 11, :] - body[..., 14, :]
    left = left - (left * up).sum(-1, keepdims=True) * up
    left = left / np.maximum(np.linalg.norm(left, axis=-1, keepdims=True), 1e-6)
    return np.stack([np.cross(left, up), left, up], -1).astype(np.float32)


def turn(body: Floats, part: str, vectors: Floats, axes: Floats) -> None:
    """Turn a part of the body about its joint, in place.

    Args:
        body: (B, F, 22, 3), changed.
        part: One of ``PARTS``.
        vectors: (B, 3) or (B, F, 3) rotation vectors, radians, in ``axes``: (roll to the right,
            pitch forward, yaw to the left).
        axes: (B, F, 3, 3) of ``heading`` or ``chest_axes``.
    """
    joint, moved = PARTS[part]
    own = rotation_matrix(vectors if vectors.ndim == 3 else vectors[:, None])
    matrix = axes @ own @ np.swapaxes(axes, -1, -2)
    pivot = body[:, :, joint, None]
    body[:, :, moved] = (body[:, :, moved] - pivot) @ np.swapaxes(matrix, -1, -2) + pivot


def scale_bones(body: Floats, factors: Floats) -> Floats:
    """Other proportions at the same height.

    Args:
        body: (B, F, 22, 3).
        factors: (B, 9) of hip width, thigh, shin, trunk, neck, head, shoulders, upper arm, forearm.
    """
    height = (factors * _HEIGHT_M).sum(1, keepdims=True) / _HEIGHT_M.sum()
    factors = factors / height
    out = body.copy()
    of_bone = {bone: kind for kind, bones in enumerate(_BONE_KINDS) for bone in bones}
    for bone in sorted(of_bone, key=_depth):
        parent = PARENTS[bone]
        scale = factors[:, of_bone[bone], None, None]
        out[:, :, bone] = out[:, :, parent] + scale * (body[:, :, bone] - body[:, :, parent])
    return out


def _depth(joint: int) -> int:
    return 0 if joint == 0 else 1 + _depth(PARENTS[joint])


def mirror(body: Floats) -> Floats:
    """The mirror image: y changes its sign, left and right change their names."""
    return body[..., MIRRORED, :] * np.array([1, -1, 1], np.float32)


def coco_keypoints(body: Floats) -> Floats:
    """(..., 17, 3) points of the COCO-17 keypoints."""
    return body[..., COCO_FROM_BODY, :]
