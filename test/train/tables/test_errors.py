"""Errors by action, camera and joint."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from posemo_ros.errors import InputError
from train.cli import main
from train.data.sequences import H36M, Video, Windows
from train.tables.errors import tables
from train.tasks.lifter import by_action, by_camera, by_joint


def wrong() -> tuple[np.ndarray, np.ndarray, np.ndarray, Windows]:
    """Two actions, two cameras; wrists 10 mm wrong in one camera and 30 mm in the other."""
    still = np.zeros((4, 17, 2), np.float32), np.zeros((4, 17, 3), np.float32)
    plain = Video("v", "Walking", *still)
    videos = [
        replace(plain, action=action, camera=camera)
        for action in ("Walking", "Sitting")
        for camera in ("54138969", "60457274")
    ]
    windows = Windows(videos, 1, H36M)
    truth = windows.joints[windows.centres]
    answers = truth.copy()
    far = np.array([v.camera == "60457274" for v in videos])[windows.video_of]
    answers[:, 13, 0] += np.where(far, 0.03, 0.01)
    answers[np.array([v.action == "Sitting" for v in videos])[windows.video_of], 13, 0] *= 2
    return answers, truth, np.arange(len(truth)), windows


def test_errors_belong_to_their_camera_and_joint() -> None:
    data = wrong()
    cameras = by_camera(*data)
    assert cameras["54138969"]["mpjpe_mm"] == pytest.approx(15 / 17, abs=1e-3)
    assert cameras["60457274"]["mpjpe_mm"] == pytest.approx(45 / 17, abs=1e-3)
    joints = by_joint(*data)
    assert joints["Walking"]["left_wrist"] == pytest.approx(20, abs=1e-3)
    assert joints["average"]["left_wrist"] == pytest.approx(30, abs=1e-3)
    assert joints["Sitting"]["right_wrist"] == 0
    # The mean over the joints is the action's MPJPE.
    for action, row in by_action(*data).items():
        assert np.mean(list(joints[action].values())) == pytest.approx(row["mpjpe_mm"], abs=1e-3)


def test_tables_of_a_tested_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = {"metrics": {}, "samples": 4, "data": "x", "device": "cpu", "precision": "32-true"}
    result |= {"per_action": by_action(*wrong()), "per_joint": by_joint(*wrong())}
    (tmp_path / "test.json").write_text(json.dumps(result))
    assert main(["errors", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| action | mpjpe_mm | p_mpjpe_mm |")
    assert lines[2].startswith("| Walking | 1.2 |")
    assert main(["errors", str(tmp_path), "--joints"]) == 0
    assert "| left_wrist |" in capsys.readouterr().out
    with pytest.raises(InputError, match="no per_camera; the test set does not say"):
        tables(tmp_path, ["cameras"])
    with pytest.raises(InputError, match=r"test.json: expected the results of `python -m train test`"):
        tables(tmp_path / "nowhere", ["actions"])
