"""Where a person stands: the pelvis in the camera frame, in metres."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..camera import Camera
from ..settings import KEYPOINT_THRESHOLD
from ..types import Floats

# (H36M-17, COCO-17): the twelve limb joints, which mean the same point of the body in both sets.
LIMBS = np.array(
    [
        (1, 12),
        (2, 14),
        (3, 16),
        (4, 11),
        (5, 13),
        (6, 15),
        (11, 5),
        (12, 7),
        (13, 9),
        (14, 6),
        (15, 8),
        (16, 10),
    ]
)


def place(
    relative: NDArray[np.floating],
    keypoints: NDArray[np.floating],
    camera: Camera,
    *,
    min_joints: int = 4,
    min_score: float = KEYPOINT_THRESHOLD,
) -> Floats:
    """The pelvis position that brings the limb joints nearest to their viewing rays.

    Least squares over the distances between joints and rays, weighted by the keypoint scores:
    with n_j the unit ray, P_j = I - n_j n_j^T and X_j the relative joint, the root solves
    (sum w_j P_j) T = -sum w_j P_j X_j, a 3x3 system per person. As good as the size of
    ``relative`` is: a body estimated 5 % too large is placed 5 % too far.

    Args:
        relative: (N, 17, 3) metres, axes of the camera frame, pelvis at the origin, H36M-17.
        keypoints: (N, 17, 3) x px, y px, score, COCO-17, of the same image.
        camera: Of that image.
        min_joints: Fewer limb joints than this give NaN.
        min_score: Keypoints below it are not used.

    Returns:
        (N, 3) float32 metres; NaN where there are too few joints, they do not fix a place, or
        the place would be behind the camera.
    """
    joints = np.asarray(relative, np.float64)[:, LIMBS[:, 0]]
    points = np.asarray(keypoints, np.float64)[:, LIMBS[:, 1]]
    rays = camera.rays(points[..., :2])
    known = np.isfinite(rays).all(-1) & np.isfinite(points).all(-1) & np.isfinite(joints).all(-1)
    used = known & (points[..., 2] >= min_score)
    rays = np.where(used[..., None], rays, 1.0)
    joints = np.where(used[..., None], joints, 0.0)
    weights = np.where(used, points[..., 2], 0.0)
    across = weights[..., None, None] * _across(rays)
    root, solved = _solve(across.sum(1), -(across @ joints[..., None]).sum(1)[..., 0])
    in_front = ((joints[..., 2] + root[:, None, 2] > 0) | ~used).all(-1) & (root[:, 2] > 0)
    ok = solved & in_front & (used.sum(-1) >= min_joints)
    return np.where(ok[:, None], root, np.nan).astype(np.float32)


def _across(rays: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 3, 3) projections onto the plane across each ray."""
    unit = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    return np.asarray(np.eye(3) - unit[..., :, None] * unit[..., None, :])


def _solve(
    matrices: NDArray[np.float64], vectors: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Solve (N, 3, 3) x = (N, 3); rows whose matrix is (nearly) singular are marked False."""
    trace = np.trace(matrices, axis1=-2, axis2=-1)
    smallest = np.linalg.eigvalsh(matrices)[:, 0] if len(matrices) else np.zeros(0)
    solved = np.asarray(smallest > 1e-7 * np.maximum(trace, 1e-12))
    safe = np.where(solved[:, None, None], matrices, np.eye(3))
    return np.asarray(np.linalg.solve(safe, vectors[..., None])[..., 0], np.float64), solved
