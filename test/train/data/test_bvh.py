"""BVH: forward kinematics against positions worked out by hand and by another way of turning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from posemo_ros.errors import InputError
from posemo_ros.skeleton import H36M17
from posemo_ros.types import EMOTIONS
from train.data import bvh

from .published import BVH_CHANNELS, bvh_text


def _values(frames: int = 3) -> np.ndarray:
    values = np.zeros((frames, BVH_CHANNELS))
    values[:, 1] = 95  # hips 95 cm up
    return values


def _write(path: Path, values: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(bvh_text(values))
    return path


def test_rest_pose(tmp_path: Path) -> None:
    motion = bvh.read(_write(tmp_path / "F01A0V1.bvh", _values()))
    assert motion.rate_hz == pytest.approx(125)
    joints = bvh.h36m_joints(motion)[0]
    at = {name: joints[i] for i, name in enumerate(H36M17.joints)}
    # x = the file's z (forward), y = its x (left), z = its y (up)
    np.testing.assert_allclose(at["pelvis"], [0, 0, 0.95], atol=1e-6)
    np.testing.assert_allclose(at["left_wrist"], [0, 0.68, 0.95 + 0.30], atol=1e-6)
    np.testing.assert_allclose(at["right_ankle"], [0, -0.09, 0.95 - 0.82], atol=1e-6)
    np.testing.assert_allclose(at["spine"], [0, 0, 0.95 + 0.20], atol=1e-6)
    np.testing.assert_allclose(at["head_top"], [0, 0, 0.95 + 0.78], atol=1e-6)


def test_turned_joints_carry_their_children(tmp_path: Path) -> None:
    values = _values(1)
    names = [j.name for j in bvh.read(_write(tmp_path / "a.bvh", values)).joints if j.channels]
    first = 6 + 3 * (names.index("leftarm") - 1)
    values[0, 3:6] = (90, 0, 0)  # hips about the vertical: the left side now faces the file's -z
    values[0, first : first + 3] = (20, -30, 50)
    motion = bvh.read(_write(tmp_path / "b.bvh", values))
    at = bvh.positions(motion)[0]
    shoulder, elbow = (at[[j.name for j in motion.joints].index(n)] for n in ("leftarm", "leftforearm"))
    np.testing.assert_allclose(shoulder, [0, 95 + 30, -15], atol=1e-4)
    hips = Rotation.from_euler("YXZ", [90, 0, 0], degrees=True)
    arm = Rotation.from_euler("YXZ", [20, -30, 50], degrees=True)
    np.testing.assert_allclose(elbow - shoulder, (hips * arm).apply([28, 0, 0]), atol=1e-4)


def test_folder_of_acted_clips(tmp_path: Path) -> None:
    for name in ("F01A0V1", "F01N0V1", "M02SA3V2", "M02H1V1"):
        _write(tmp_path / name[:3] / f"{name}.bvh", _values(4))
    clips = bvh.load_clips(tmp_path)
    found = {c.name: (EMOTIONS[c.emotion], c.actor) for c in clips}
    assert found == {"F01A0V1": ("anger", "F01"), "M02SA3V2": ("sadness", "M02"), "M02H1V1": ("joy", "M02")}
    assert clips[0].axes == "world"
    np.testing.assert_allclose(clips[0].poses[:, 0], 0)
    assert {c.actor for c in bvh.load_clips(tmp_path, ("M02",))} == {"M02"}


def test_errors_name_file_and_reason(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no usable"):
        bvh.load_clips(tmp_path)
    _write(tmp_path / "dance.bvh", _values(2))
    with pytest.raises(InputError, match=r"name 'dance'; expected actor, emotion"):
        bvh.load_clips(tmp_path)
    broken = tmp_path / "broken.bvh"
    broken.write_text(bvh_text(_values(2))[:-40])
    with pytest.raises(InputError, match=r"broken.bvh.*HIERARCHY and MOTION"):
        bvh.read(broken)
    broken.write_text(bvh_text(_values(2)).replace("0.000000", "nan", 1))
    with pytest.raises(InputError, match=r"broken.bvh.*numbers like NaN"):
        bvh.read(broken)
    broken.write_text("solid cube")
    with pytest.raises(InputError, match=r"broken.bvh"):
        bvh.read(broken)
    renamed = tmp_path / "renamed.bvh"
    renamed.write_text(bvh_text(_values(2)).replace("LeftForeArm", "Tentacle"))
    with pytest.raises(InputError, match="no joint .*leftforearm"):
        bvh.h36m_joints(bvh.read(renamed))
