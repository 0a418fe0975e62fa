"""From the official files of Human3.6M and MPI-INF-3DHP to the forms that ``h36m`` and ``mpi_inf_3dhp`` read.

Symbols: T frames of a video.
"""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posemo_ros.errors import InputError, MissingExtraError

from . import h36m, mpi_inf_3dhp
from .files import floats, malformed, need, write_npz
from .sequences import Floats

Report = Callable[[str], None]
MM_PER_M = 1000.0
H36M_JOINTS, MPI_JOINTS = 32, 28
H36M_NAMES = {"TakingPhoto": "Photo", "WalkingDog": "WalkDog"}  # VideoPose3D's names
H36M_BROKEN = ("S11", "Directions")  # its video is damaged; VideoPose3D leaves it out, too
H36M_FILES = "POSITIONS as *.cdf or *.cdf.mat, from the archives Poses_D3_Positions_S*.tgz"
# The 17 joints that the test set has, in its order, among the 28 of annot.mat.
MPI_KEPT = (7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25, 18, 19, 20, 4, 3, 6)
MPI_CAMERAS = (0, 1, 2, 4, 5, 6, 7, 8)  # at the height of a chest
# Frames with a video (annot.mat has more) and frames per second, by mpii_get_sequence_info.m.
MPI_SEQUENCES = {
    ("S1", "Seq1"): (6416, 25),
    ("S1", "Seq2"): (12430, 50),
    ("S2", "Seq1"): (6502, 25),
    ("S2", "Seq2"): (6081, 25),
    ("S3", "Seq1"): (12488, 50),
    ("S3", "Seq2"): (12283, 50),
    ("S4", "Seq1"): (6171, 25),
    ("S4", "Seq2"): (6675, 25),
    ("S5", "Seq1"): (12820, 50),
    ("S5", "Seq2"): (12312, 50),
    ("S6", "Seq1"): (6188, 25),
    ("S6", "Seq2"): (6145, 25),
    ("S7", "Seq1"): (6239, 25),
    ("S7", "Seq2"): (6320, 25),
    ("S8", "Seq1"): (6468, 25),
    ("S8", "Seq2"): (6054, 25),
}


def convert_h36m(source: Path, out: Path, *, report: Report = print) -> list[Path]:
    """Write ``data_3d_h36m.npz``, ``data_2d_h36m_gt.npz`` and ``metadata.xml``.

    The true 2D keypoints are those of ``D2_Positions`` where a video has them, else the 3D joints seen
    by the cameras of ``metadata.xml`` with their lens distortion.

    Args:
        source: ``S1/MyPoseFeatures/D3_Positions/Directions 1.cdf`` (or ``.cdf.mat``) and so on below it,
            perhaps ``D2_Positions/Directions 1.54138969.cdf``; ``metadata.xml`` in it or in ``out``.
        out: Folder of the files.
        report: Hears of every subject, and of what is left out.

    Raises:
        InputError: A file is missing or has another form.
        MissingExtraError: ``cdflib`` is not installed and there are CDF files.
    """
    metadata = out / "metadata.xml" if (out / "metadata.xml").exists() else source / "metadata.xml"
    need(metadata, "Human3.6M's metadata.xml, the cameras", h36m.SECTION)
    poses, lenses = h36m.load_cameras(metadata.parent), h36m.load_lenses(metadata)
    world: dict[str, dict[str, Floats]] = {}
    seen: dict[str, dict[str, list[Floats]]] = {}
    for subject in (*h36m.TRAIN_SUBJECTS, *h36m.TEST_SUBJECTS):
        folder = source / subject / "MyPoseFeatures"
        files = _h36m_files(need(folder / "D3_Positions", H36M_FILES, h36m.SECTION))
        world[subject], seen[subject], given = {}, {}, 0
        for action, path in files.items():
            if (subject, action) == H36M_BROKEN:
                report(f"{subject} {action}: left out, its video is damaged")
                continue
            positions = read_h36m(path, 3) / MM_PER_M
            name = _renamed(action)
            views = []
            for number, camera in enumerate(h36m.CAMERA_IDS):
                official = _either(folder / "D2_Positions" / f"{action}.{camera}")
                given += official is not None
                views.append(
                    _official(official, len(positions))
                    if official
                    else lenses[number].project(poses[subject, number].see(positions[:, h36m.KEPT]))
                )
            world[subject][name], seen[subject][name] = positions.astype(np.float32), views
        report(f"{subject}: {len(world[subject])} actions, 2D of {given} videos from D2_Positions")
        if missing := h36m.absent(world[subject]):
            report(f"{subject}: not there: {', '.join(missing)}; tables will be of the other actions")
    out.mkdir(parents=True, exist_ok=True)
    if metadata.parent != out:
        shutil.copyfile(metadata, out / "metadata.xml")
    paths = [out / "data_3d_h36m.npz", out / "data_2d_h36m_gt.npz"]
    symmetry = [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]]
    _save(paths[0], positions_3d=world)
    _save(paths[1], positions_2d=seen, metadata={"num_joints": 17, "keypoints_symmetry": symmetry})
    return paths


def _official(path: Path, frames: int) -> Floats:
    """(T, 17, 2) px; videos run on a little after the motion capture, but do not end before it."""
    pixels = read_h36m(path, 2)[:, h36m.KEPT]
    if len(pixels) < frames:
        expected = f"the {frames} of D3_Positions: is it a whole download?"
        raise malformed(path, f"{len(pixels)} frames", expected, h36m.SECTION)
    return pixels


def read_h36m(path: Path, axes: int) -> Floats:
    """(T, 32, axes) of a position file of Human3.6M, CDF or MAT; millimetres or pixels.

    Raises:
        InputError: It cannot be read or has another shape.
    """
    values = _cdf(path) if path.suffix == ".cdf" else _mat(path, "data", h36m.SECTION)
    return _rows(values, H36M_JOINTS, axes, path, "it", h36m.SECTION)


def _rows(values: Any, joints: int, axes: int, path: Path, name: str, section: str) -> Floats:
    """(T, joints, axes) of an array with a row of finite numbers per frame, perhaps with axes of one before.

    Raises:
        InputError: It has another form, or no frame.
    """
    shape = np.shape(values)
    if shape[-1:] != (joints * axes,) or max(shape[:-1], default=0) != np.prod(shape[:-1]) or 0 in shape:
        expected = f"a row of {joints} joints with {axes} numbers each per frame"
        raise malformed(path, f"{name} has the shape {shape}", expected, section)
    flat = floats(np.reshape(values, (-1, joints * axes)), (None, joints * axes), path, name, section)
    return flat.reshape(-1, joints, axes)


def convert_3dhp(source: Path, out: Path, *, report: Report = print) -> list[Path]:
    """Write ``data_train_3dhp.npz`` and ``data_test_3dhp.npz``, in P-STMO's form.

    Args:
        source: With ``S1/Seq1/annot.mat`` to ``S8/Seq2``, and ``TS1/annot_data.mat`` to ``TS6``, directly
            below it or below ``mpi_inf_3dhp_test_set``.
        out: Folder of the files.
        report: Hears of every sequence.

    Raises:
        InputError: A file is missing or has another form.
        MissingExtraError: ``h5py`` is not installed; the test set is in HDF5.
    """
    train = {}
    for (subject, sequence), (frames, rate) in MPI_SEQUENCES.items():
        path = need(source / subject / sequence / "annot.mat", "its labels", mpi_inf_3dhp.SECTION)
        cameras = _mpi_cameras(path, frames)
        train[f"{subject} {sequence}"] = [cameras, rate]
        report(f"{subject} {sequence}: {len(cameras['0']['data_2d'])} frames, {len(cameras)} cameras")
    tests = source / "mpi_inf_3dhp_test_set"
    tests = tests if tests.exists() else source
    test = {}
    for number in range(1, 7):
        path = need(tests / f"TS{number}" / "annot_data.mat", "its labels", mpi_inf_3dhp.SECTION)
        test[f"TS{number}"] = _mpi_test(path)
        valid = int(test[f"TS{number}"]["valid"].sum())
        report(f"TS{number}: {len(test[f'TS{number}']['valid'])} frames, {valid} of them valid")
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / mpi_inf_3dhp.TRAIN_FILE, out / mpi_inf_3dhp.TEST_FILE]
    _save(paths[0], data=train)
    _save(paths[1], data=test)
    return paths


def _h36m_files(folder: Path) -> dict[str, Path]:
    """Action -> its file."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        name = path.name.removesuffix(".mat")
        if name.endswith(".cdf") and not name.startswith("."):
            found.setdefault(name.removesuffix(".cdf"), path)
    if not found:
        raise malformed(folder, "no *.cdf and no *.cdf.mat", H36M_FILES, h36m.SECTION)
    return found


def _either(path: Path) -> Path | None:
    """The CDF or MAT file of a name without its end, if there is one."""
    both = (path.with_name(f"{path.name}{end}") for end in (".cdf", ".cdf.mat"))
    return next((p for p in both if p.exists()), None)


def _renamed(action: str) -> str:
    for old, new in H36M_NAMES.items():
        action = action.replace(old, new)
    return action


def _cdf(path: Path) -> Any:
    try:
        import cdflib
    except ModuleNotFoundError as error:
        raise MissingExtraError("cdflib", "datasets", "Human3.6M's CDF files") from error
    try:
        return cdflib.CDF(path).varget("Pose")
    except (OSError, ValueError, KeyError, IndexError, zlib.error) as error:
        raise malformed(path, f"{error}", "a CDF file with the variable Pose", h36m.SECTION) from error


def _mat(path: Path, name: str, section: str) -> Any:
    """A variable of a MATLAB file up to version 7; what is alone in a cell stands for itself."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        value = loadmat(path, variable_names=[name])[name]
    except (OSError, ValueError, TypeError, NotImplementedError, KeyError, MatReadError, zlib.error) as error:
        raise malformed(path, f"{error!r}", f"a MATLAB file with {name!r}", section) from error
    return value[0, 0] if value.dtype == object and value.size == 1 else value


def _mpi_cameras(path: Path, frames: int) -> dict[str, dict[str, Floats]]:
    pixels, joints = (_mat(path, name, mpi_inf_3dhp.SECTION) for name in ("annot2", "univ_annot3"))
    return {
        str(camera): {
            "data_2d": _mpi_view(path, "annot2", pixels, camera, 2, frames),
            "data_3d": _mpi_view(path, "univ_annot3", joints, camera, 3, frames),
        }
        for camera in MPI_CAMERAS
    }


def _mpi_view(path: Path, name: str, cells: Any, camera: int, axes: int, frames: int) -> Floats:
    try:
        cell = cells.reshape(-1)[camera]
    except (AttributeError, IndexError) as error:
        expected = "a cell per camera"
        raise malformed(path, f"{name}, camera {camera}: {error}", expected, mpi_inf_3dhp.SECTION) from error
    rows = _rows(cell, MPI_JOINTS, axes, path, f"{name}, camera {camera},", mpi_inf_3dhp.SECTION)
    if len(rows) < frames:
        found, expected = f"{name}, camera {camera}: {len(rows)} frames", f"the {frames} of its video"
        raise malformed(path, found, f"{expected}: is it a whole download?", mpi_inf_3dhp.SECTION)
    return rows[:frames, MPI_KEPT]


def _mpi_test(path: Path) -> dict[str, NDArray[Any]]:
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise MissingExtraError("h5py", "datasets", "MPI-INF-3DHP's test set") from error
    expected = "valid_frame, annot2 and univ_annot3 of 17 joints"
    try:
        with h5py.File(path) as file:
            valid = np.asarray(file["valid_frame"]).reshape(-1)
            frames = len(valid)
            pixels = np.asarray(file["annot2"], np.float32).reshape(frames, 17, 2)
            joints = np.asarray(file["univ_annot3"], np.float32).reshape(frames, 17, 3)
        section = mpi_inf_3dhp.SECTION
        return {
            "data_2d": floats(pixels, (None, 17, 2), path, "annot2", section),
            "data_3d": floats(joints, (None, 17, 3), path, "univ_annot3", section),
            "valid": valid,
        }
    except InputError:
        raise
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise malformed(path, f"{error}", expected, mpi_inf_3dhp.SECTION) from error


def _save(path: Path, **members: Any) -> None:
    """Each member an object, as the loaders of the papers' repositories read it."""
    write_npz(path, **{name: np.array(value, dtype=object) for name, value in members.items()})
