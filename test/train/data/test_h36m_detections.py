from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from posemo_ros.errors import InputError
from posemo_ros.types import Frame
from train.data import h36m, h36m_detections

from .published import IDS, write_h36m


def _video(path: Path, frames: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 50.0, (64, 48))
    for i in range(frames):
        writer.write(np.full((48, 64, 3), 10 * i, np.uint8))
    writer.release()


def test_detections_become_one_more_kind_of_keypoints(tmp_path: Path) -> None:
    write_h36m(tmp_path, subjects=("S9",), actions=("Photo 1",), frames=5)
    for camera in IDS:
        _video(tmp_path / "videos/S9/Videos" / f"TakingPhoto 1.{camera}.mp4", 9)
    boxes = []

    def estimate(frame: Frame, box: np.ndarray) -> np.ndarray:
        boxes.append(box[0])
        number = round(frame.stamp_ns * 50 / 1e9)
        points = np.ones((1, 17, 3), np.float32)
        points[..., 0], points[..., 1] = 100.0 + number, 300.0 + np.arange(17)
        if number == 2:
            points[0, 16] = (np.nan, np.nan, 0)  # the right ankle is not seen
        return points

    out = h36m_detections.write_detections(tmp_path, tmp_path / "videos", "ours", estimate)
    assert out.name == "data_2d_h36m_ours.npz"
    video = h36m.load_videos(tmp_path, "ours", ("S9",))[1]  # 1000 x 1000
    pixels = (video.keypoints + 1) * 500
    np.testing.assert_allclose(pixels[:, 3, 0], 100 + np.arange(5), atol=1e-3)  # filled in where unseen
    np.testing.assert_allclose(pixels[:, 1, 1], 300 + 12, atol=1e-3)  # right hip: COCO's 12
    assert all(b[2] > b[0] for b in boxes)


def test_missing_and_short_videos(tmp_path: Path) -> None:
    write_h36m(tmp_path, subjects=("S9",), actions=("Walking",), frames=5)
    with pytest.raises(InputError, match=r"Walking\.54138969\.mp4 not found: expected a video of Human3.6M"):
        h36m_detections.write_detections(tmp_path, tmp_path, "ours", lambda *_: np.zeros((1, 17, 3), "f4"))
    _video(tmp_path / "S9" / f"Walking.{IDS[0]}.mp4", 2)
    with pytest.raises(InputError, match="2 frames; expected 8"):
        h36m_detections.write_detections(tmp_path, tmp_path, "ours", lambda *_: np.zeros((1, 17, 3), "f4"))


def test_stopped_detections_go_on_with_the_next_video(tmp_path: Path) -> None:
    write_h36m(tmp_path, subjects=("S9",), actions=("Walking",), frames=5)
    for camera in IDS:
        _video(tmp_path / f"S9/Walking.{camera}.mp4", 9)
    asked: list[int] = []

    def estimate(frame: Frame, box: np.ndarray) -> np.ndarray:
        asked.append(frame.stamp_ns)
        if len(asked) == 12:  # in the second video
            raise KeyboardInterrupt
        return np.full((1, 17, 3), len(asked) // 8, np.float32)

    with pytest.raises(KeyboardInterrupt):
        h36m_detections.write_detections(tmp_path, tmp_path, "ours", estimate, model="a")
    with pytest.raises(InputError, match=r"begun with 'a', not 'b'; remove it or choose another --name"):
        h36m_detections.write_detections(tmp_path, tmp_path, "ours", estimate, model="b")
    asked = [0] * 20
    h36m_detections.write_detections(tmp_path, tmp_path, "ours", estimate, model="a")
    assert len(asked) == 20 + 3 * 8  # the first of the four videos was there
    assert not (tmp_path / "data_2d_h36m_ours.parts").exists()
    assert len(h36m.load_videos(tmp_path, "ours", ("S9",))) == 4
