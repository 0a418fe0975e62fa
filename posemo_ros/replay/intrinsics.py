"""Intrinsics that lie in files: beside a source, or named by ``--camera-info``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..camera import Camera
from ..camera_info import camera_from_info
from ..errors import InputError, reason
from ..text_files import first_yaml_of, json_of

DEFAULT_FRAME_ID = "camera_optical_frame"
_LARGEST = 1_000_000  # bytes; intrinsics are small, label files are not
_FORM = '{"camera": {"width": …, "height": …, "matrix": [[…], […], […]], "frame_id": …}}'
_KNOWN = (
    "the YAML of camera_calibration or OpenCV (image_width, camera_matrix, …), of `ros2 topic echo --once`, "
    f"of Kalibr or EuRoC (intrinsics, resolution, …), or {_FORM}"
)


@dataclass(frozen=True, eq=False)
class Intrinsics:
    """A CameraInfo without a message.

    Attributes:
        info: With the fields of ``sensor_msgs/CameraInfo`` that ``camera_from_info`` reads.
        frame_id: Of the camera.
        origin: File or topic, for notes.
        rectified: The images are rectified ones, see ``camera_from_info``.
    """

    info: Any
    frame_id: str
    origin: str
    rectified: bool = False

    @property
    def numbers(self) -> tuple[Any, ...]:
        """All that ``camera_from_info`` reads."""
        info, roi = self.info, self.info.roi
        arrays = (np.asarray(a, np.float64).tobytes() for a in (info.k, info.d, info.p))
        sizes = (info.width, info.height, info.binning_x, info.binning_y, info.distortion_model)
        return (*arrays, *sizes, roi.x_offset, roi.y_offset, roi.width, roi.height, self.frame_id)

    def camera(self, width: int, height: int) -> tuple[Camera | None, str]:
        """The camera for images of a size (None: not calibrated), and what was assumed, or ""."""
        camera, note = camera_from_info(self.info, width, height, rectified=self.rectified)
        return None if camera.assumed else camera, note


def beside(path: Path) -> tuple[Intrinsics | None, str]:
    """Intrinsics from the JSON file beside a video or picture folder.

    ``walk.mp4`` and the folder ``walk/`` have theirs in ``walk.json``, under the key ``camera``:
    ``{"width", "height", "matrix": 3x3, "frame_id"}`` and, for a lens with distortion,
    ``"distortion"`` and ``"model"`` as in ``Camera``. A file of another tool is left alone.

    Returns:
        The intrinsics or None, and a note on a file that was left alone, or "".

    Raises:
        InputError: The file has such an entry, and it is wrong.
    """
    file = path.parent / f"{path.name if path.is_dir() else path.stem}.json"
    if not file.is_file() or file.stat().st_size > _LARGEST:
        return None, ""
    try:
        data = json_of(file)
    except (OSError, ValueError) as error:
        return None, f"{file.name} was not read for intrinsics: no JSON ({error})"
    entry = data.get("camera") if isinstance(data, dict) else None
    if not isinstance(entry, dict) or not {"matrix", "width", "height"} & entry.keys():
        return None, ""
    return _from_json(file, entry), ""


def named(path: Path) -> Intrinsics:
    """Intrinsics of a file that the user named.

    YAML of camera_calibration or OpenCV, a printed CameraInfo (``ros2 topic echo --once``), Kalibr's result
    for one camera, EuRoC's ``sensor.yaml``; or JSON as in ``beside``.

    Raises:
        InputError: The file cannot be read or is of another form.
    """
    try:
        data = first_yaml_of(path)  # JSON is YAML
    except (OSError, ValueError) as error:
        expected = "" if isinstance(error, OSError) else f"; expected {_KNOWN}"
        raise InputError(f"camera info {path}: cannot be read ({reason(error)}){expected}") from error
    if isinstance(data, dict) and isinstance(data.get("camera"), dict):
        return _from_json(path, data["camera"])
    try:
        found = _as_calibration(path, data) if isinstance(data, dict) else None
    except (TypeError, AttributeError) as error:
        raise InputError(f"camera info {path}: cannot read the intrinsics ({error})") from error
    if found:
        return _from_calibration(path, found)
    raise InputError(f"camera info {path}: expected {_KNOWN}")


def _as_calibration(path: Path, data: dict[str, Any]) -> dict[str, Any] | None:
    """With the keys of camera_calibration; None when it is none of the known forms."""
    if "camera_matrix" in data:
        return data
    cameras = {key: value for key, value in data.items() if _is_kalibr(value)}
    if len(cameras) > 1:
        raise InputError(f"camera info {path}: has {', '.join(cameras)}; expected one camera, keep its part")
    if cameras or _is_kalibr(data):
        return _of_kalibr(path, next(iter(cameras.values()), data))
    if "width" in data and ("k" in data or "K" in data):
        return {
            "image_width": data["width"],
            "image_height": data.get("height"),
            "camera_matrix": {"data": data.get("k", data.get("K"))},
            "distortion_model": data.get("distortion_model", ""),
            "distortion_coefficients": {"data": data.get("d", data.get("D")) or []},
            "projection_matrix": {"data": data.get("p", data.get("P")) or []},
        }
    return None


def _is_kalibr(value: Any) -> bool:
    return isinstance(value, dict) and {"intrinsics", "resolution"} <= value.keys()


def _of_kalibr(path: Path, entry: dict[str, Any]) -> dict[str, Any]:
    numbers, size = entry["intrinsics"], entry["resolution"]
    if entry.get("camera_model", "pinhole") != "pinhole" or len(numbers) != 4 or len(size) != 2:
        raise InputError(
            f"camera info {path}: the camera model {entry.get('camera_model')!r} with {len(numbers)} "
            "intrinsics is not used; expected pinhole with four, and two numbers as resolution"
        )
    fx, fy, cx, cy = numbers
    return {
        "image_width": size[0],
        "image_height": size[1],
        "camera_matrix": {"data": [fx, 0, cx, 0, fy, cy, 0, 0, 1]},
        "distortion_model": entry.get("distortion_model", ""),
        "distortion_coefficients": {
            "data": entry.get("distortion_coeffs", entry.get("distortion_coefficients")) or []
        },
    }


def _from_json(file: Path, entry: dict[str, Any]) -> Intrinsics:
    try:
        width, height = int(entry["width"]), int(entry["height"])
        camera = Camera(
            width, height, entry["matrix"], entry.get("distortion", ()), str(entry.get("model", ""))
        )
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{file}: cannot read the intrinsics ({type(error).__name__}: {error}); expected {_FORM}"
        ) from error
    frame_id = str(entry.get("frame_id", DEFAULT_FRAME_ID))
    return Intrinsics(_info(camera), frame_id, file.name)


def _from_calibration(file: Path, data: dict[str, Any]) -> Intrinsics:
    try:
        width, height = int(data["image_width"]), int(data["image_height"])
        distortion = _listed(data.get("distortion_coefficients"))
        opencv = "equidistant" if data.get("fisheye_model") else "plumb_bob"
        model = str(data.get("distortion_model", data.get("camera_model", opencv)))
        camera = Camera(width, height, np.reshape(_listed(data["camera_matrix"]), (3, 3)))
        info = _info(camera)
        info.d, info.distortion_model = [float(v) for v in distortion], model
        info.p = [float(v) for v in _listed(data.get("projection_matrix"))]
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise InputError(
            f"camera info {file}: cannot read the intrinsics ({type(error).__name__}: {error}); expected "
            "image_width, image_height, camera_matrix.data, distortion_model, distortion_coefficients.data"
        ) from error
    return Intrinsics(info, DEFAULT_FRAME_ID, file.name)


def _listed(matrix: Any) -> list[Any]:
    """The numbers of a matrix, with its size (``rows``, ``cols``, ``data``) or as rows; none for nothing."""
    numbers = matrix.get("data") if isinstance(matrix, dict) else matrix
    return list(np.ravel(numbers).tolist()) if numbers is not None else []


def _info(camera: Camera) -> SimpleNamespace:
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)
    return SimpleNamespace(
        width=camera.width,
        height=camera.height,
        k=camera.matrix.ravel(),
        d=camera.distortion,
        distortion_model=camera.model,
        p=(),
        binning_x=0,
        binning_y=0,
        roi=roi,
    )


class CameraOfSize:
    """The camera for images whose size may change; what had to be assumed is said.

    Args:
        intrinsics: Of the source, or None.
        say: Takes each new note.
    """

    def __init__(self, intrinsics: Intrinsics | None, say: Any) -> None:
        self._intrinsics, self._say = intrinsics, say
        self._known: dict[tuple[int, int], Camera | None] = {}

    def is_of(self, intrinsics: Intrinsics) -> bool:
        """Whether these are the same numbers, whenever they were sent."""
        return self._intrinsics is not None and self._intrinsics.numbers == intrinsics.numbers

    @property
    def frame_id(self) -> str:
        """Of the camera."""
        return self._intrinsics.frame_id if self._intrinsics else DEFAULT_FRAME_ID

    def __call__(self, width: int, height: int) -> Camera | None:
        """The camera, or None when nobody calibrated one."""
        if self._intrinsics is None:
            return None
        if (width, height) not in self._known:
            camera, note = self._intrinsics.camera(width, height)
            if note:
                self._say(f"{self._intrinsics.origin}: {note}")
            self._known[width, height] = camera
        return self._known[width, height]


def of_file(path: Path, camera_info: str, say: Any) -> CameraOfSize:
    """The camera of a video or of pictures: of the file that was named, or of that beside it."""
    if camera_info:
        return CameraOfSize(named(Path(camera_info)), say)
    found, note = beside(path)
    if note:
        say(note)
    return CameraOfSize(found, say)
