"""Intrinsics of a ``sensor_msgs/CameraInfo`` for the images that really arrive."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .camera import DEFAULT_HFOV_DEG, Camera

# Focal length over image width: a pinhole sees from 151 degrees down to 3.8 with these.
_FOCAL = (0.13, 15.0)
_ALIKE = 0.01  # of proportions
# Numbers of coefficients; plumb_bob and rational_polynomial are one series of OpenCV, cut in two places.
_SERIES, _FISHEYE = (4, 5, 8, 12, 14), (4,)
_NAMES = {
    "plumb_bob": (
        *("plumb_bob", "brown_conrady", "modified_brown_conrady", "radtan", "radial_tangential"),
        *("opencv", "opencv_pinhole", "pinhole", "perspective", "polynomial"),
    ),
    "rational_polynomial": ("rational_polynomial", "rational", "full_opencv", "thin_prism", "tilted"),
    "equidistant": (
        *("equidistant", "equi", "fisheye", "opencv_fisheye"),
        *("kannala_brandt", "kannala_brandt4", "kb4"),
    ),
}
_MODEL_OF = {name: model for model, names in _NAMES.items() for name in names}
_FLAT_FISHEYE = (
    "all coefficients of the distortion model {!r} are 0: assuming no distortion, as image_geometry does; if "
    "this is a fisheye, calibrate it, or set the last one to 1e-9"
)
_UNDISTORT = "rectify the images first (image_proc), or calibrate with one of these"


def camera_from_info(
    info: Any | None,
    width: int,
    height: int,
    *,
    hfov_deg: float = DEFAULT_HFOV_DEG,
    rectified: bool = False,
    judged: bool = False,
) -> tuple[Camera, str]:
    """Camera of the image that belongs to a CameraInfo message.

    Region of interest and binning are applied as in image_geometry, but not to an image of the whole
    sensor; one that still differs from that size is taken as the calibrated one scaled, pixel centres
    as in ``cv2.resize``.

    Args:
        info: ``sensor_msgs/CameraInfo`` (any object with its fields), or None when there is none.
        width, height: Of the image, pixels.
        hfov_deg: Horizontal field of view to assume for a camera that nobody calibrated, degrees.
        rectified: The image is image_proc's: P holds for it, and no distortion is left.
        judged: K comes from a station of this package, which has judged it: that of a part of an image, or of
            an assumed camera, need not look like one of a whole camera.

    Returns:
        The camera, and what was assumed in one sentence ("" when nothing was).
    """
    if info is None:
        return _assumed(width, height, hfov_deg, "there is no CameraInfo")
    matrix = np.asarray(info.k, np.float64).reshape(3, 3)
    projection = np.asarray(info.p if rectified else (), np.float64)
    if projection.size == 12 and _is_calibrated(projection.reshape(3, 4)):
        matrix = projection.reshape(3, 4)[:, :3]
    if not _is_calibrated(matrix):
        what = "all zeros" if not matrix.any() else "no camera matrix"
        return _assumed(width, height, hfov_deg, f"K in CameraInfo is {what} (not calibrated)")
    if not judged and (wrong := _implausible(matrix, info.width or width, info.height or height)):
        return _assumed(width, height, hfov_deg, f"K in CameraInfo cannot be right ({wrong})")
    windowed, expected = _windowed(info, matrix)
    if (width, height) == (info.width, info.height) and (windowed != matrix).any():
        note = (
            "CameraInfo is for a part of the sensor (region of interest, binning), the image has the size of "
            "the whole: assuming that it is"
        )
    else:
        matrix, note = _scaled(windowed, expected, (width, height))
    distortion, model, problem = (np.zeros(0), "", "") if rectified else _distortion(info)
    return Camera(width, height, matrix, distortion, model), "; ".join(filter(None, (note, problem)))


def other_frame(info: str, image: str) -> str:
    """What to say when a CameraInfo names another frame than its image; nothing when either names none."""
    if not (info and image) or info.strip("/") == image.strip("/"):
        return ""
    return (
        f"the CameraInfo is of the frame {info!r}, the images of {image!r}: is it that of another camera? "
        "Places and sizes are then wrong"
    )


def _assumed(width: int, height: int, hfov_deg: float, why: str) -> tuple[Camera, str]:
    note = (
        f"{why}: assuming a horizontal field of view of {hfov_deg:g} degrees and no distortion, "
        "so distances and sizes are only roughly right"
    )
    return Camera.from_fov(width, height, hfov_deg), note


def _is_calibrated(matrix: NDArray[np.float64]) -> bool:
    return bool(np.isfinite(matrix).all() and matrix[0, 0] > 0 and matrix[1, 1] > 0)


def _implausible(matrix: NDArray[np.float64], width: int, height: int) -> str:
    """What no camera has in its matrix; nothing when it may be right."""
    focal, centre = (matrix[0, 0], matrix[1, 1]), (matrix[0, 2], matrix[1, 2])
    if matrix[2, :2].any() and not matrix[:2, 2].any():
        return "it is transposed: K is row-major, fx 0 cx, 0 fy cy, 0 0 1"
    if not np.allclose(matrix[2], (0, 0, 1)):
        return f"its last row is {matrix[2].tolist()}, not 0 0 1"
    if not all(_FOCAL[0] * width <= f <= _FOCAL[1] * width for f in focal):
        return f"focal length {focal[0]:g}, {focal[1]:g} pixels in an image {width} wide"
    if not all(centre):
        return f"principal point {centre[0]:g}, {centre[1]:g}: it lies near the middle of an image"
    if not (0 <= centre[0] <= width and 0 <= centre[1] <= height):
        return f"principal point {centre[0]:g}, {centre[1]:g} outside {width} x {height} pixels"
    return ""


def _windowed(info: Any, matrix: NDArray[np.float64]) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """K and image size after the camera's region of interest and binning."""
    roi, binning = info.roi, (max(1, info.binning_x), max(1, info.binning_y))
    matrix = matrix.copy()
    matrix[0, 2] -= roi.x_offset
    matrix[1, 2] -= roi.y_offset
    matrix[0] /= binning[0]
    matrix[1] /= binning[1]
    width, height = (roi.width or info.width), (roi.height or info.height)
    return matrix, (width // binning[0], height // binning[1])


def _scaled(
    matrix: NDArray[np.float64], expected: tuple[int, int], actual: tuple[int, int]
) -> tuple[NDArray[np.float64], str]:
    """K for an image of another size than the calibrated one."""
    if expected == actual:
        return matrix, ""
    if 0 in expected:
        return matrix, "CameraInfo has no size: assuming that of the image"
    if _is_turned(expected, actual):
        turned, how = _turned(matrix, expected)
        scaled, more = _scaled(turned, expected[::-1], actual)
        return scaled, f"{how}; then {more}" if more else how
    scale = np.divide(actual, expected)
    scaled = matrix.copy()
    scaled[:2, :2] *= scale[:, None]
    scaled[:2, 2] = (matrix[:2, 2] + 0.5) * scale - 0.5
    note = (
        f"CameraInfo is for {expected[0]} x {expected[1]} pixels, the image has {actual[0]} x {actual[1]}: "
        "assuming the image was scaled"
    )
    if abs(scale[0] / scale[1] - 1) > _ALIKE:
        note += " (but the proportions differ; if it was cropped instead, positions are wrong)"
    return scaled, note


def _is_turned(expected: tuple[int, int], actual: tuple[int, int]) -> bool:
    """Whether an image has the calibrated proportions upright, not lying."""
    lying, upright = (np.divide(actual, size) for size in (expected, expected[::-1]))
    return bool(abs(upright[0] / upright[1] - 1) <= _ALIKE < abs(lying[0] / lying[1] - 1))


def _turned(matrix: NDArray[np.float64], size: tuple[int, int]) -> tuple[NDArray[np.float64], str]:
    """K of the camera held upright instead of lying; the way it was turned hardly matters."""
    swapped = matrix.copy()
    swapped[[0, 1], [0, 1]] = matrix[1, 1], matrix[0, 0]
    swapped[:2, 2] = matrix[1, 2], matrix[0, 2]
    return (
        swapped,
        f"CameraInfo is for {size[0]} x {size[1]} pixels: assuming the camera was turned by 90 degrees",
    )


def _distortion(info: Any) -> tuple[NDArray[np.float64], str, str]:
    """(coefficients, model, problem); a distortion nobody can use is left out."""
    coefficients, name = np.asarray(info.d, np.float64).ravel(), str(info.distortion_model)
    model = _MODEL_OF.get(name.strip().lower().replace(" ", "_").replace("-", "_"))
    if not coefficients.any():
        zeros = model == "equidistant" and len(coefficients) > 0
        return np.zeros(0), "", _FLAT_FISHEYE.format(name) if zeros else ""
    if model is None:
        known = ", ".join(_NAMES)
        problem = f"distortion model {name!r} is unknown (known: {known}, and their other names)"
        return np.zeros(0), "", f"{problem}: assuming no distortion; {_UNDISTORT}"
    if model == "equidistant" and len(coefficients) > 4 and not coefficients[4:].any():
        coefficients = coefficients[:4]
    fitting = _FISHEYE if model == "equidistant" else _SERIES
    if len(coefficients) not in fitting or not np.isfinite(coefficients).all():
        problem = f"{len(coefficients)} coefficients do not fit the distortion model {name!r}"
        return np.zeros(0), "", f"{problem}: assuming no distortion"
    if model == "plumb_bob" and len(coefficients) > 5:
        model = "rational_polynomial"
    return coefficients, model, ""
