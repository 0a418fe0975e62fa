"""Human3.6M in the files of VideoPose3D (Pavllo et al., 2019): 17 joints, 50 frames per second.

A folder with ``data_3d_h36m.npz`` (32 joints, metres, world), one ``data_2d_h36m_<kind>.npz`` per
kind of 2D keypoints (``gt``, ``cpn_ft_h36m_dbb``, or what our own detector found) and the cameras:
Human3.6M's own ``metadata.xml``, or ``cameras.json``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from posemo_ros.errors import InputError
from posemo_ros.lift.normalise import encode_screen
from posemo_ros.skeleton import COCO17, H36M17
from posemo_ros.text_files import json_of

from .files import check_unit, floats, load_pickled, malformed, need, tell_missing
from .sequences import NOSE, Floats, Video

SECTION = "Human3.6M"
TRAIN_SUBJECTS = ("S1", "S5", "S6", "S7", "S8")
TEST_SUBJECTS = ("S9", "S11")
FPS = 50.0
KEPT = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)  # of the 32 joints
CAMERA_IDS = ("54138969", "55011271", "58860488", "60457274")  # in the order of the 2D files
IMAGE_SIZES = ((1000, 1002), (1000, 1000), (1000, 1000), (1000, 1002))
ACTIONS = (
    "Directions",
    "Discussion",
    "Eating",
    "Greeting",
    "Phoning",
    "Photo",
    "Posing",
    "Purchases",
    "Sitting",
    "SittingDown",
    "Smoking",
    "Waiting",
    "WalkDog",
    "Walking",
    "WalkTogether",
)
_SUBJECTS_IN_METADATA = 11
REACH_M = (0.02, 10.0)  # the largest coordinate of a body about its hip
PIXELS = (2.0, 1e5)  # smaller ones were divided by the image's width before


@dataclass(frozen=True, eq=False)
class Pose:
    """Where a camera stands.

    Attributes:
        rotation: (3, 3) camera axes (x right, y down, z forward) to world axes.
        position: (3,) metres, world.
    """

    rotation: NDArray[np.float64]
    position: NDArray[np.float64]

    def see(self, points: NDArray[np.floating]) -> Floats:
        """(..., 3) world metres in the camera's frame."""
        return np.asarray((points - self.position) @ self.rotation, np.float32)


@dataclass(frozen=True, eq=False)
class Lens:
    """How a camera draws what it sees; equal for all subjects.

    Attributes:
        focal, centre: (2,) px.
        radial: (3,) coefficients of r^2, r^4, r^6.
        tangential: (2,).
    """

    focal: NDArray[np.float64]
    centre: NDArray[np.float64]
    radial: NDArray[np.float64]
    tangential: NDArray[np.float64]

    def project(self, points: NDArray[np.floating]) -> Floats:
        """(..., 3) metres in the camera's frame to (..., 2) px, as Human3.6M's own code does it."""
        x = np.asarray(points[..., :2] / points[..., 2:], np.float64)
        r2 = (x**2).sum(-1, keepdims=True)
        powers = np.concatenate([r2, r2**2, r2**3], -1)
        swapped = self.tangential[::-1]
        factor = 1 + (powers @ self.radial + x @ swapped)[..., None]
        return np.asarray((x * factor + swapped * r2) * self.focal + self.centre, np.float32)


def load_lenses(metadata: Path) -> list[Lens]:
    """Of the four cameras of ``metadata.xml``, in the order of ``CAMERA_IDS``.

    Raises:
        InputError: The file has another form.
    """
    names, numbers = _read_metadata(metadata)
    rows = numbers[6 * _SUBJECTS_IN_METADATA * 4 :]
    if len(rows) != 4 * 9:
        raise malformed(metadata, f"{len(rows)} numbers of the lenses", "9 of each camera", SECTION)
    by_name = dict(zip(names, rows.reshape(4, 9), strict=True))
    return [Lens(r[0:2], r[2:4], r[4:7], r[7:9]) for r in (by_name[name] for name in CAMERA_IDS)]


def load_cameras(folder: Path) -> dict[tuple[str, int], Pose]:
    """Cameras by subject ("S1") and number (0 to 3).

    Raises:
        InputError: Neither ``cameras.json`` nor ``metadata.xml`` is there, or it has another form.
    """
    plain, original = folder / "cameras.json", folder / "metadata.xml"
    if plain.exists():
        return _from_json(plain)
    need(original, "Human3.6M's metadata.xml or a cameras.json with R, T per subject and camera", SECTION)
    return _from_metadata(original)


def _from_json(path: Path) -> dict[tuple[str, int], Pose]:
    try:
        entries = json_of(path)
        poses = {}
        for name, entry in entries.items():
            subject, camera = name.split("_")
            rotation = np.asarray(entry["R"], np.float64).reshape(3, 3)
            position = np.asarray(entry["T"], np.float64).reshape(3)
            poses[subject, CAMERA_IDS.index(camera)] = Pose(rotation, position)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        expected = '{"S1_54138969": {"R": 3x3 camera to world, "T": metres}, ...}'
        raise malformed(path, repr(error), expected, SECTION) from error
    return poses


def _from_metadata(path: Path) -> dict[tuple[str, int], Pose]:
    """Human3.6M's own file: three angles and a position in millimetres per camera and subject."""
    names, numbers = _read_metadata(path)
    extrinsics = numbers[: 6 * _SUBJECTS_IN_METADATA * 4].reshape(4, _SUBJECTS_IN_METADATA, 6)
    return {
        (f"S{subject + 1}", CAMERA_IDS.index(name)): Pose(
            _rotation(extrinsics[camera, subject, :3]), extrinsics[camera, subject, 3:] / 1000
        )
        for camera, name in enumerate(names)
        for subject in range(_SUBJECTS_IN_METADATA)
    }


def _read_metadata(path: Path) -> tuple[list[str], NDArray[np.float64]]:
    """Names of the four cameras, and all numbers of ``w0``."""
    expected = "Human3.6M's metadata.xml"
    try:
        root = ElementTree.parse(path).getroot()
        names = [str(element.text) for element in root.iterfind("dbcameras/index2id/*")]
        numbers = np.array((root.findtext("w0") or "").strip().strip("[]").split(), np.float64)
    except (OSError, ElementTree.ParseError, ValueError) as error:
        raise malformed(path, repr(error), expected, SECTION) from error
    if sorted(names) != sorted(CAMERA_IDS) or len(numbers) < 6 * _SUBJECTS_IN_METADATA * 4:
        raise malformed(path, f"cameras {names}, {len(numbers)} numbers in w0", expected, SECTION)
    return names, numbers


def _rotation(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3) camera to world from the angles of metadata.xml: R_x R_y R_z takes world to camera."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    rx = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    ry = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    rz = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray((rx @ ry @ rz).T)


@dataclass(frozen=True)
class Order:
    """In which order a kind of 2D keypoints has its joints, as VideoPose3D's scripts write them.

    Attributes:
        name: Of the joints.
        left, right: Their indices, which the file's ``metadata`` states, too.
        taken: Which joint stands at each place of Human3.6M's order; empty: they stay as they are.
    """

    name: str
    left: frozenset[int]
    right: frozenset[int]
    taken: tuple[int, ...] = ()


def _order(name: str, left: Iterable[int], right: Iterable[int], taken: tuple[int, ...] = ()) -> Order:
    return Order(name, frozenset(left), frozenset(right), taken)


H36M_ORDER = _order("Human3.6M's 17", *zip(*H36M17.pairs, strict=True))
COCO_ORDER = _order("COCO's 17", *zip(*COCO17.pairs, strict=True))
# MPII's, from the right ankle on; the nose is missing, in the network's answer, too: P-STMO takes it away.
HOURGLASS_ORDER = _order(
    "stacked hourglass's 16",
    (3, 4, 5, 13, 14, 15),
    (0, 1, 2, 10, 11, 12),
    (6, 2, 1, 0, 3, 4, 5, 7, 8, 9, 13, 14, 15, 12, 11, 10),
)


def order_of(keypoints: str) -> Order:
    """The joints of a kind of 2D keypoints, by its name, as in VideoPose3D's ``suggest_metadata``.

    ``sh_...``: stacked hourglass; ``coco`` in it (``detectron_pt_coco``, P-STMO's "in the wild"): COCO's;
    else Human3.6M's. An export has to know without the file.
    """
    if keypoints.startswith("sh_"):
        return HOURGLASS_ORDER
    return COCO_ORDER if "coco" in keypoints else H36M_ORDER


def load_videos(folder: Path, keypoints: str, subjects: Sequence[str]) -> list[Video]:
    """All actions and cameras of some subjects.

    Args:
        folder: See the module's first lines.
        keypoints: Kind of 2D keypoints: ``gt``, ``cpn_ft_h36m_dbb``, ...; see ``order_of``.
        subjects: ``TRAIN_SUBJECTS``, ``TEST_SUBJECTS`` or others.

    Raises:
        InputError: A file is missing or has another form; it says which and what was expected.
    """
    path3d, path2d = folder / "data_3d_h36m.npz", folder / f"data_2d_h36m_{keypoints}.npz"
    world = load_pickled(path3d, ["positions_3d"], "VideoPose3D's 3D positions", SECTION)["positions_3d"]
    what = f"2D keypoints '{keypoints}' in VideoPose3D's form"
    file = load_pickled(path2d, ["positions_2d"], what, SECTION, optional=["metadata"])
    order = order_of(keypoints)
    _check_order(path2d, order, file.get("metadata"))
    seen, cameras = file["positions_2d"], load_cameras(folder)
    kept = np.delete(KEPT, NOSE) if order is HOURGLASS_ORDER else np.array(KEPT)
    videos = []
    tell_missing(path3d, [f"{s} {a}" for s in subjects for a in absent(_entry(world, s, path3d))])
    for subject in subjects:
        for action, positions in _entry(world, subject, path3d).items():
            joints = floats(positions, (None, 32, 3), path3d, f"{subject} {action}", SECTION)[:, kept]
            views = _entry(seen, subject, path2d).get(action)
            if views is None or len(views) < len(CAMERA_IDS):
                raise malformed(path2d, f"no keypoints of 4 cameras for {subject} {action}", what, SECTION)
            for number in range(len(CAMERA_IDS)):
                name = f"{subject} {action} camera {number}"
                pixels = floats(views[number], (None, len(kept), None), path2d, name, SECTION)
                pixels = pixels[:, list(order.taken)] if order.taken else pixels
                if (subject, number) not in cameras:
                    raise InputError(f"{folder}: no camera {CAMERA_IDS[number]} of {subject}; see {SECTION}")
                pose = cameras[subject, number]
                video = _video(name, action, pixels, joints, pose, IMAGE_SIZES[number])
                check_unit(video.joints, REACH_M, path3d, f"metres, {name}", SECTION)
                check_unit(pixels[..., :2], PIXELS, path2d, f"pixels, {name}", SECTION)
                videos.append(replace(video, camera=CAMERA_IDS[number]))
    return videos


def _check_order(path: Path, order: Order, metadata: object) -> None:
    """Compare the joints that the file says it has with those that its name says.

    Raises:
        InputError: They differ: left and right would be confused.
    """
    sides = metadata.get("keypoints_symmetry") if isinstance(metadata, Mapping) else None
    if sides is None:
        return
    joints = f"{sorted(order.left)}, {sorted(order.right)}"
    expected = f"left and right joints of {order.name}, by the file's name: {joints}"
    try:
        found = {frozenset(map(int, side)) for side in sides}
    except (TypeError, ValueError) as error:
        raise malformed(path, f"keypoints_symmetry {sides!r}", expected, SECTION) from error
    if found != {order.left, order.right}:
        raise malformed(path, f"keypoints_symmetry {[sorted(map(int, s)) for s in sides]}", expected, SECTION)


def absent(actions: Iterable[str]) -> list[str]:
    """Those of ``ACTIONS`` that are not among names such as ``Eating 2``."""
    kinds = {name.split(" ")[0] for name in actions}
    return [action for action in ACTIONS if action not in kinds]


def _entry(data: Any, subject: str, path: Path) -> Mapping[str, Any]:
    if not isinstance(data, Mapping) or subject not in data:
        have = sorted(data) if isinstance(data, Mapping) else type(data).__name__
        raise malformed(path, f"no subject {subject} (it has {have})", "{subject: {action: ...}}", SECTION)
    entry: Mapping[str, Any] = data[subject]
    if not isinstance(entry, Mapping) or not all(isinstance(action, str) for action in entry):
        found = (
            f"{subject} has {list(entry)}" if isinstance(entry, Mapping) else f"{subject} is {entry!r:.40}"
        )
        raise malformed(path, found, "{subject: {action: ...}}, actions such as 'Eating 2'", SECTION)
    return entry


def _video(name: str, action: str, pixels: Floats, world: Floats, pose: Pose, size: tuple[int, int]) -> Video:
    if len(pixels) < len(world):
        raise InputError(f"{name}: {len(pixels)} frames of keypoints for {len(world)} of motion capture")
    joints = pose.see(world)
    keypoints = pixels[: len(world)].copy()  # videos run on a little after the motion capture
    keypoints[..., :2] = encode_screen(keypoints[..., :2], *size)
    return Video(name, action.split(" ")[0], keypoints, joints - joints[:, :1])
