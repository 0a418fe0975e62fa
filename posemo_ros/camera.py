"""Pinhole cameras: pixels to viewing rays and back.

The camera frame is the optical frame of REP-103: x right, y down, z forward, metres.
Distortion models are those of ``sensor_msgs/CameraInfo``, computed by OpenCV.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError

DISTORTION_MODELS = ("", "plumb_bob", "rational_polynomial", "equidistant")
DEFAULT_HFOV_DEG = 60.0
# OpenCV's own end, five steps, is up to 8 px off at the edge of an ordinary wide lens.
_SOLVED = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-9)
_ASTRAY_PX = 1.0  # a ray that meets another pixel than its own by more was not found


@dataclass(frozen=True, eq=False)
class Camera:
    """Intrinsics of one camera.

    Attributes:
        width, height: Image size in pixels.
        matrix: (3, 3) float64 K, pixels.
        distortion: (D,) float64 coefficients in OpenCV's order; empty for none.
        model: One of ``DISTORTION_MODELS``.
        assumed: True when nobody calibrated this camera and K was made up from a field of view.

    Raises:
        InputError: K is not an invertible pinhole matrix, or the model is unknown.
    """

    width: int
    height: int
    matrix: NDArray[np.float64]
    distortion: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    model: str = ""
    assumed: bool = False

    def __post_init__(self) -> None:
        matrix = np.asarray(self.matrix, np.float64).reshape(3, 3)
        if not np.isfinite(matrix).all() or matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
            raise InputError(f"camera matrix needs fx > 0 and fy > 0, got {matrix.tolist()}")
        if self.model not in DISTORTION_MODELS:
            raise InputError(
                f"distortion model {self.model!r} is unknown (known: {', '.join(DISTORTION_MODELS[1:])})"
            )
        object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "distortion", np.asarray(self.distortion, np.float64).ravel())

    @classmethod
    def from_fov(cls, width: int, height: int, hfov_deg: float = DEFAULT_HFOV_DEG) -> Camera:
        """A camera nobody calibrated: square pixels, centred, given horizontal field of view."""
        f = width / 2 / np.tan(np.radians(hfov_deg) / 2)
        matrix = np.array([[f, 0, (width - 1) / 2], [0, f, (height - 1) / 2], [0, 0, 1]])
        return cls(width, height, matrix, assumed=True)

    @property
    def focal(self) -> float:
        """Mean focal length in pixels."""
        return float((self.matrix[0, 0] + self.matrix[1, 1]) / 2)

    def rays(self, points: ArrayLike) -> NDArray[np.float64]:
        """Viewing rays of pixels.

        Args:
            points: (..., 2) x px, y px; NaN where nothing is known.

        Returns:
            (..., 3) directions in the camera frame, scaled to z = 1. NaN stays NaN; so is what no ray in
            front of the camera meets (a fisheye beyond 90 degrees) or the distortion does not describe.
        """
        pixels = np.asarray(points, np.float64)
        flat = np.ascontiguousarray(pixels.reshape(-1, 1, 2))  # of a view cv2.fisheye reads other numbers
        if self.distortion.any() and len(flat):
            xy = self._undistorted(flat)
        else:
            k = self.matrix
            y = (flat[:, 0, 1] - k[1, 2]) / k[1, 1]
            xy = np.stack([(flat[:, 0, 0] - k[0, 2] - k[0, 1] * y) / k[0, 0], y], axis=-1)
        return np.concatenate([xy, np.ones((len(xy), 1))], axis=1).reshape(*pixels.shape[:-1], 3)

    def _undistorted(self, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) rays at z = 1 of (N, 1, 2) pixels; NaN where OpenCV finds none, which it does not say."""
        lens = (self.matrix, self.distortion)
        if self.model == "equidistant":
            xy = cv2.fisheye.undistortPoints(pixels, *lens)
        elif iterated := getattr(cv2, "undistortPointsIter", None):  # up to OpenCV 4
            xy = iterated(pixels, *lens, None, None, _SOLVED)
        else:
            xy = cv2.undistortPoints(pixels, *lens, criteria=_SOLVED)
        rays = np.concatenate([xy.reshape(-1, 2), np.ones((len(pixels), 1))], axis=1)
        off = np.linalg.norm(self.project(rays) - pixels[:, 0], axis=-1)
        return np.where(off[:, None] < _ASTRAY_PX, rays[:, :2], np.nan)

    def project(self, points: ArrayLike) -> NDArray[np.float64]:
        """Pixels of points.

        Args:
            points: (..., 3) metres in the camera frame; those with z <= 0 give NaN.

        Returns:
            (..., 2) x px, y px.
        """
        xyz = np.asarray(points, np.float64)
        flat = xyz.reshape(-1, 1, 3)
        if not len(flat):
            return np.zeros((*xyz.shape[:-1], 2))
        flat = np.where(flat[..., 2:] > 0, flat, np.nan)
        if self.distortion.any():
            project = cv2.fisheye.projectPoints if self.model == "equidistant" else cv2.projectPoints
            pixels, _ = project(flat, np.zeros(3), np.zeros(3), self.matrix, self.distortion)
        else:
            homogeneous = (flat[:, 0] / flat[:, 0, 2:]) @ self.matrix.T
            pixels = homogeneous[:, :2]
        return np.asarray(pixels, np.float64).reshape(*xyz.shape[:-1], 2)
