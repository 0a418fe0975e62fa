from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from posemo_ros.errors import InputError
from posemo_ros.inference.store import ModelStore
from posemo_ros.types import Frame
from train.cli import main
from train.data import h36m
from train.data.h36m_detections import Network, network, write_detections

from .published import IDS, write_h36m

ROOT = Path(__file__).parents[3]


def _video(path: Path, frames: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 50.0, (64, 48))
    for i in range(frames):
        writer.write(np.full((48, 64, 3), 10 * i, np.uint8))
    writer.release()


def nothing(frames: list[Frame], boxes: np.ndarray) -> np.ndarray:
    return np.zeros((len(frames), 17, 3), np.float32)


@pytest.mark.parametrize("name", ["sh_mine", "rtmpose_coco"])
def test_a_name_of_other_joints_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"--name {name}: that says joints of .*; these are Human3.6M's"):
        write_detections(tmp_path, tmp_path, name, Network(nothing, "x"))


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04junk"])
def test_a_damaged_file_is_not_written_over(tmp_path: Path, content: bytes) -> None:
    write_h36m(tmp_path, subjects=("S9",), frames=2)
    (tmp_path / "data_2d_h36m_ours.npz").write_bytes(content)
    with pytest.raises(InputError, match="data_2d_h36m_ours.npz: no keypoints that can be read; remove it"):
        write_detections(tmp_path, tmp_path, "ours", Network(nothing, "x"))


def test_detections_become_one_more_kind_of_keypoints(tmp_path: Path) -> None:
    write_h36m(tmp_path, subjects=("S9",), actions=("Photo 1",), frames=5)
    for camera in IDS:
        _video(tmp_path / "videos/S9/Videos" / f"TakingPhoto 1.{camera}.mp4", 9)
    boxes, batches = [], []

    def estimate(frames: list[Frame], around: np.ndarray) -> np.ndarray:
        boxes.extend(around)
        batches.append(len(frames))
        points = np.ones((len(frames), 17, 3), np.float32)
        for row, frame in zip(points, frames, strict=True):
            number = round(frame.stamp_ns * 50 / 1e9)
            row[:, 0], row[:, 1] = 100.0 + number, 300.0 + np.arange(17)
            if number == 2:
                row[16] = (np.nan, np.nan, 0)  # the right ankle is not seen
        return points

    out = write_detections(tmp_path, tmp_path / "videos", "ours", Network(estimate, "x"), batch=3)
    assert out.name == "data_2d_h36m_ours.npz"
    assert batches == 4 * [3, 3, 2]
    video = h36m.load_videos(tmp_path, "ours", ("S9",))[1]  # 1000 x 1000
    pixels = (video.keypoints + 1) * 500
    np.testing.assert_allclose(pixels[:, 3, 0], 100 + np.arange(5), atol=1e-3)  # filled in where unseen
    np.testing.assert_allclose(pixels[:, 1, 1], 300 + 12, atol=1e-3)  # right hip: COCO's 12
    assert len(boxes) == 4 * 8
    assert all(b[2] > b[0] for b in boxes)


def test_missing_and_short_videos(tmp_path: Path) -> None:
    write_h36m(tmp_path, subjects=("S9",), actions=("Walking",), frames=5)
    with pytest.raises(InputError, match=r"Walking\.54138969\.mp4 not found: expected a video of Human3.6M"):
        write_detections(tmp_path, tmp_path, "ours", Network(nothing, "x"))
    _video(tmp_path / "S9" / f"Walking.{IDS[0]}.mp4", 2)
    with pytest.raises(InputError, match="2 frames; expected 8"):
        write_detections(tmp_path, tmp_path, "ours", Network(nothing, "x"))


KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from types import ModuleType
import numpy as np
from train.data import h36m_detections as d

folder, moment, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])

def dies(name, function):
    def called(*args, **others):
        global count
        if name == moment:
            count -= 1
            if count == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **others)
    return called

def estimate(frames, boxes):
    print("estimated", len(frames), flush=True)
    return np.stack([np.full((17, 3), f.image.mean() + b[0], np.float32) for f, b in zip(frames, boxes)])

d.shutil.rmtree = dies("rmtree", shutil.rmtree)
Path.replace = dies("replace", Path.replace)
estimate = dies("estimate", estimate)
d.write_detections(folder, folder, "ours", d.Network(estimate, "x"), batch=3)
"""


def _call(folder: Path, moment: str = "never", count: int = 0) -> tuple[int, int]:
    """Exit status and how many batches were looked at."""
    words = [sys.executable, "-c", KILLED, str(folder), moment, str(count)]
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=900)
    return done.returncode, done.stdout.count("estimated")


def test_killed_at_any_moment_the_same_call_gives_the_same_bytes(tmp_path: Path) -> None:
    """Each call takes up what the killed one before it left; three batches a video, four videos."""
    for name in ("whole", "killed"):
        write_h36m(tmp_path / name, subjects=("S9",), actions=("Walking",), frames=5)
        for camera in IDS:
            _video(tmp_path / name / f"S9/Walking.{camera}.mp4", 9)
    assert _call(tmp_path / "whole") == (0, 12)
    killed = (-signal.SIGKILL.value,)
    folder, out = tmp_path / "killed", "data_2d_h36m_ours.npz"
    assert _call(folder, "replace", 1) == (*killed, 0)  # nothing but a claim half written
    assert _call(folder, "estimate", 5) == (*killed, 4)  # in the second video
    assert _call(folder, "replace", 3) == (*killed, 6)  # two more videos seen, one of them written
    assert _call(folder, "replace", 4) == (*killed, 6)  # all videos seen, before the file is in its place
    assert not (folder / out).exists()
    assert _call(folder, "rmtree", 1) == (*killed, 0)  # the file is there, and the parts, too
    assert _call(folder) == (0, 0)
    assert (folder / out).read_bytes() == (tmp_path / "whole" / out).read_bytes()
    assert not (folder / "data_2d_h36m_ours.parts").exists()
    assert len(h36m.load_videos(folder, "ours", ("S9",))) == 4


def test_what_another_network_found_is_neither_gone_on_with_nor_written_over(tmp_path: Path) -> None:
    write_h36m(tmp_path, subjects=("S9",), actions=("Walking",), frames=5, kinds=("gt", "cpn"))
    for camera in IDS[:1]:
        _video(tmp_path / f"S9/Walking.{camera}.mp4", 9)
    with pytest.raises(InputError, match="not found"):  # the second video
        write_detections(tmp_path, tmp_path, "ours", Network(nothing, "a"), batch=4)
    with pytest.raises(InputError, match=r"begun by a batches of 4, not b batches of 4; remove it or choose"):
        write_detections(tmp_path, tmp_path, "ours", Network(nothing, "b"), batch=4)
    before = (tmp_path / "data_2d_h36m_cpn.npz").read_bytes()
    with pytest.raises(InputError, match=r"data_2d_h36m_cpn\.npz: found by somebody else, not b batches"):
        write_detections(tmp_path, tmp_path, "cpn", Network(nothing, "b"))
    assert (tmp_path / "data_2d_h36m_cpn.npz").read_bytes() == before


def test_a_network_with_other_settings_is_another(tiny: ModuleType, tmp_path: Path) -> None:
    manifest = tiny.write_chain(tmp_path)
    before = network("tiny-keypoints", store=ModelStore([manifest])).identity
    manifest.write_text(manifest.read_text().replace("codec: quarter", "codec: dark"))
    assert network("tiny-keypoints", store=ModelStore([manifest])).identity != before


def test_command(tmp_path: Path) -> None:
    """With a shipped network."""
    write_h36m(tmp_path, subjects=("S9",), actions=("Walking",), frames=1)
    for camera in IDS:
        _video(tmp_path / f"S9/Walking.{camera}.mp4", 4)
    words = ["detections", "--data", str(tmp_path), "--videos", str(tmp_path), "--name", "fast"]
    assert main([*words, "--keypoints", "posemo-keypoints-fast", "--batch", "3"]) == 0
    with np.load(tmp_path / "data_2d_h36m_fast.npz", allow_pickle=True) as file:
        assert ModelStore().sha256("posemo-keypoints-fast") in str(file["found_by"])
        found = file["positions_2d"].item()["S9"]["Walking"]
    assert [f.shape for f in found] == 4 * [(4, 17, 2)]
    assert main([*words, "--keypoints", "posemo-detector"]) == 1
