"""MPI-INF-3DHP in the files of P-STMO (Shan et al., 2022): true 2D keypoints, 17 joints.

``data_train_3dhp.npz`` holds ``{"S1 Seq1": [{"0": {"data_2d", "data_3d"}, ...}], ...}`` for eight
cameras, ``data_test_3dhp.npz`` ``{"TS1": {"data_2d", "data_3d", "valid"}, ...}``; pixels and
millimetres, ``univ_annot3`` (a skeleton of one size for all).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posemo_ros.lift.normalise import encode_screen

from .files import check_unit, floats, load_pickled, malformed, tell_missing
from .h36m import PIXELS, REACH_M
from .sequences import Layout, Video

_log = logging.getLogger(__name__)
SECTION = "MPI-INF-3DHP"
TRAIN_FILE, TEST_FILE = "data_train_3dhp.npz", "data_test_3dhp.npz"
TRAIN_SIZE = (2048, 2048)
TRAIN_SEQUENCES = [f"S{subject} Seq{number}" for subject in range(1, 9) for number in (1, 2)]
TEST_SEQUENCES = [f"TS{number}" for number in range(1, 7)]
TEST_VALID = 2929  # frames of all of them
TEST_SIZES = {"TS5": (1920, 1080), "TS6": (1920, 1080)}
ROOT = 14
JOINT_SET = "mpi_inf_3dhp17"
# Where each joint of H36M-17 stands here; an export puts the joints into that order.
H36M_ORDER = (14, 8, 9, 10, 11, 12, 13, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4)
_LEFT, _RIGHT = (5, 6, 7, 11, 12, 13), (2, 3, 4, 8, 9, 10)


def _flip() -> np.ndarray:
    order = np.arange(17)
    order[list(_LEFT)], order[list(_RIGHT)] = _RIGHT, _LEFT
    return order


# mpii_get_pck_auc_joint_groups.m counts joints 1 to 14 from one: not the root, the spine, the head.
NAMES = (
    "head_top",
    "neck",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "pelvis",
    "spine",
    "head",
)
LAYOUT = Layout(_flip(), _flip(), ROOT, pck_joints=np.arange(14), frame_mean=True, names=NAMES)


def load_videos(folder: Path, split: str) -> list[Video]:
    """All videos of ``train`` or ``test``.

    Raises:
        InputError: The file is missing or has another form.
    """
    path = folder / (TRAIN_FILE if split == "train" else TEST_FILE)
    what = "P-STMO's preprocessed MPI-INF-3DHP"
    data = load_pickled(path, ["data"], what, SECTION)["data"]
    if not isinstance(data, Mapping):
        raise malformed(path, f"data is {type(data).__name__}", what, SECTION)
    tell_missing(path, [n for n in (TEST_SEQUENCES if split == "test" else TRAIN_SEQUENCES) if n not in data])
    if split == "test":
        videos = [_video(path, name, entry, TEST_SIZES.get(name, TRAIN_SIZE)) for name, entry in data.items()]
        _tell_cut(path, videos)
        return videos
    return [
        _video(path, f"{name} camera {camera}", entry, TRAIN_SIZE)
        for name, cameras in data.items()
        for camera, entry in _cameras(path, name, cameras).items()
    ]


def _tell_cut(path: Path, videos: Sequence[Video]) -> None:
    """Warn of a whole test set with other frames than the published one, whose figures are others."""
    valid = sum(int(video.valid.sum()) for video in videos)
    if valid != TEST_VALID and {video.name for video in videos} == set(TEST_SEQUENCES):
        _log.warning(
            "%s has %d valid frames, the published test set has %d: figures are not those of others",
            *(path, valid, TEST_VALID),
        )


def _cameras(path: Path, name: str, cameras: Any) -> Mapping[str, Any]:
    try:
        first = cameras[0]
        if isinstance(first, Mapping):
            return first
    except (TypeError, KeyError, IndexError):
        pass
    raise malformed(path, f"{name} is {type(cameras).__name__}", "a list with a dict of cameras", SECTION)


def _video(path: Path, name: str, entry: Any, size: tuple[int, int]) -> Video:
    if not isinstance(entry, Mapping) or not {"data_2d", "data_3d"} <= set(entry):
        raise malformed(path, f"{name} has no data_2d and data_3d", "both", SECTION)
    pixels = floats(entry["data_2d"], (None, 17, None), path, f"{name} data_2d", SECTION)[..., :2]
    joints = floats(entry["data_3d"], (None, 17, 3), path, f"{name} data_3d", SECTION) / 1000
    flags = np.asarray(entry.get("valid", np.ones(len(pixels)))).reshape(-1)
    valid = floats(flags, (None,), path, f"{name} valid", SECTION).astype(bool)
    keypoints, relative = encode_screen(pixels, *size), joints - joints[:, ROOT : ROOT + 1]
    check_unit(relative, REACH_M, path, f"millimetres, {name} data_3d", SECTION)
    check_unit(pixels, PIXELS, path, f"pixels, {name} data_2d", SECTION)
    return Video(name, name.split(" ")[0], keypoints, relative.astype(np.float32), valid)
