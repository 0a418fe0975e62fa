"""Figures of skeletons whose errors are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from posemo_ros.camera import Camera
from posemo_ros.errors import InputError
from posemo_ros.evaluate.skeleton import FEET, Track, evaluate_skeleton, without_truth
from posemo_ros.pipeline import Models
from posemo_ros.replay.bag import ResultBagWriter
from posemo_ros.types import Frame, FrameResult, People2D, Skeletons3D

CAMERA = Camera.from_fov(160, 120)
FRAMES, PERIOD_NS = 10, 100_000_000
POSE = np.random.default_rng(0).uniform(-0.5, 0.5, (17, 3))
BOX = np.array([20, 10, 60, 110], np.float32)


def truth(frame: int) -> np.ndarray:
    return POSE + [0.02 * frame, 0, 3]


def write(folder: Path, shift: np.ndarray | float, root: np.ndarray | float = 0.0) -> tuple[Path, Path]:
    """Skeletons that are off by ``shift`` (17, 3) about the pelvis, and by ``root`` as a whole."""
    bag, file = folder / "results.mcap", folder / "truth.npz"
    with ResultBagWriter(bag, Models()) as writer:
        for i in range(FRAMES):
            frame = Frame(np.zeros((120, 160, 3), np.uint8), i * PERIOD_NS, "camera", CAMERA)
            joints = truth(i) + root
            relative = (joints - joints[0] + shift)[None].astype(np.float32)
            view, one = frame.view(), np.ones(1, np.float32)
            people = People2D(("p1",), BOX[None], one, np.zeros((1, 17, 3), np.float32), view=view)
            root_m, scores = joints[:1].astype(np.float32), np.ones((1, 17), np.float32)
            skeletons = Skeletons3D(("p1",), relative, root_m, scores, view=view)
            writer.write(frame, FrameResult(people, skeletons))
    np.savez(
        file,
        boxes=np.tile(BOX, (FRAMES, 1, 1)),
        keypoints=np.zeros((FRAMES, 1, 17, 3), np.float32),
        joints3d=np.stack([truth(i) for i in range(FRAMES)])[:, None],
    )
    return bag, file


def figures(bag: Path, *truths: Path) -> dict[str, float]:
    (found,) = evaluate_skeleton([bag], truths).results["recordings"].values()
    return dict(found)


def test_perfect(tmp_path: Path) -> None:
    got = figures(*write(tmp_path, 0.0))
    assert got["mpjpe_mm"] == pytest.approx(0, abs=1e-2)
    assert got["mpjve_mm"] == pytest.approx(0, abs=1e-2)
    assert got["pck"] == got["answered"] == 1.0
    assert got["root_m"] == pytest.approx(0, abs=1e-4)
    assert got["bone_cv"] == pytest.approx(0, abs=1e-4)
    assert got["jitter_m_s2"] == pytest.approx(0, abs=1e-3)


def test_known_errors(tmp_path: Path) -> None:
    shift = np.zeros((17, 3))
    shift[1:] = [0.03, 0, 0]  # all but the pelvis
    got = figures(*write(tmp_path, shift, root=np.array([0, 0, 0.5])))
    assert got["mpjpe_mm"] == pytest.approx(30 * 12 / 13, abs=0.05)
    assert got["p_mpjpe_mm"] < got["mpjpe_mm"]
    assert got["root_m"] == pytest.approx(0.5, abs=1e-3)


def test_what_needs_no_truth() -> None:
    seconds = np.arange(20) / 10
    still = np.tile(POSE, (20, 1, 1))
    still[:, FEET, 1] = 0.9
    assert without_truth([Track(seconds, still)])["foot_skating"] == 0.0
    slides = still.copy()
    slides[:, FEET[0], 0] += 1.0 * seconds  # one foot glides at 1 m/s
    got = without_truth([Track(seconds, slides)])
    assert got["foot_skating"] == pytest.approx(0.5)
    assert got["bone_cv"] > 0.01
    assert got["jitter_m_s2"] == pytest.approx(0, abs=1e-9)
    falls = still.copy()
    falls[:, 5] += np.outer(seconds**2 / 2 * 17, [1, 0, 0])  # one of 17 joints accelerates with 17 m/s²
    assert without_truth([Track(seconds, falls)])["jitter_m_s2"] == pytest.approx(1.0)


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    bag, file = write(tmp_path, 0.0)
    with pytest.raises(InputError, match="1 bags and 2 truth files"):
        evaluate_skeleton([bag], [file, file])
    assert "mpjpe_mm" not in figures(bag)
