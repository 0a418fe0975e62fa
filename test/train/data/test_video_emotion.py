from __future__ import annotations

import hashlib
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from posemo_ros.errors import InputError
from posemo_ros.inference.store import ModelStore
from train.data import video_emotion
from train.data.video_emotion import Extraction, Extractor


def _write_video(path: Path, frames: int = 12, blank: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10.0, (128, 96))
    for i in range(frames):
        image = np.zeros((96, 128, 3), np.uint8)
        if not blank:
            cv2.rectangle(image, (50 + i, 20), (70 + i, 70), (255, 255, 255), -1)
        writer.write(image)
    writer.release()


def _fake(calls: list[str]) -> Extractor:
    def extract(path: Path) -> Extraction:
        calls.append(path.name)
        return Extraction(np.arange(3.0), np.zeros((3, 17, 3), "f4"), np.zeros(1), np.ones((1, 2, 4), "f2"))

    return Extractor("fake", extract)


def _folder(root: Path, rows: str = "clip,actor\nc1,ann\nc2,bob\n") -> Path:
    for name in ("train/Happy/c1.mp4", "train/anger/c2.mp4"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"video")
    (root / "actors.csv").write_text(rows)
    return root


def test_clips_are_read_once_and_kept(tmp_path: Path) -> None:
    calls: list[str] = []
    folder = _folder(tmp_path)
    clips = video_emotion.load_clips(folder, "train", _fake(calls))
    assert {(c.name, c.emotion, c.actor) for c in clips} == {
        ("train/Happy/c1.mp4", 0, "ann"),
        ("train/anger/c2.mp4", 1, "bob"),
    }
    again = video_emotion.load_clips(folder, "train", _fake(calls))
    assert sorted(calls) == ["c1.mp4", "c2.mp4"]
    np.testing.assert_array_equal(again[0].context, clips[0].context)


def test_a_cache_that_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    calls: list[str] = []
    folder = _folder(tmp_path)
    video_emotion.load_clips(folder, "train", _fake(calls))
    for path in (folder / ".cache").rglob("*.npz"):
        path.write_bytes(path.read_bytes()[:100])
    assert len(video_emotion.load_clips(folder, "train", _fake(calls))) == 2
    assert sorted(calls) == ["c1.mp4", "c1.mp4", "c2.mp4", "c2.mp4"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (b"clip,actor\nc1,\xff\xfe\n", r"actors.csv: it is no text in UTF-8; expected a table in CSV"),
        (b"clip,actor\nc1,ann\nc2,\n", r"clips without an actor: \['c2'\]"),
        (b"clip,actor\nc1,ann\nc2\n", r"clips without an actor: \['c2'\]"),
    ],
)
def test_what_a_table_of_actors_may_not_be(tmp_path: Path, table: bytes, message: str) -> None:
    (tmp_path / "actors.csv").write_bytes(table)
    with pytest.raises(InputError, match=message):
        video_emotion.read_actors(tmp_path / "actors.csv")


def test_a_table_of_a_spreadsheet_is_read(tmp_path: Path) -> None:
    """Some write a mark before the first column's name."""
    (tmp_path / "actors.csv").write_text("clip,actor\nc1,ann\n", encoding="utf-8-sig")
    assert video_emotion.read_actors(tmp_path / "actors.csv") == {"c1": ("ann", "c1")}


def test_recordings_come_from_the_table(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "clip,actor,motion\nc1,ann,take7\nc2,bob,\n")
    motions = [c.motion for c in video_emotion.load_clips(folder, "train", _fake([]))]
    assert sorted(motions) == ["c2", "take7"]


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train not found.*Video clips with emotions"):
        video_emotion.load_clips(tmp_path, "train", _fake([]))
    folder = _folder(tmp_path, "clip,actor\nc1,ann\n")
    with pytest.raises(InputError, match="no row for clip 'c2'"):
        video_emotion.load_clips(folder, "train", _fake([]))
    _folder(tmp_path, "clip,actor\nc1,ann\nc1,bob\n")
    with pytest.raises(InputError, match=r"several rows: \['c1'\]"):
        video_emotion.load_clips(folder, "train", _fake([]))
    _folder(tmp_path, "file,who\nc1,ann\n")
    with pytest.raises(InputError, match="expected clip, actor"):
        video_emotion.load_clips(folder, "train", _fake([]))
    _folder(tmp_path)
    (tmp_path / "train" / "bored").mkdir()
    with pytest.raises(InputError, match=r"'bored' is no emotion; expected one of joy, anger"):
        video_emotion.load_clips(folder, "train", _fake([]))


def test_the_chain_extracts_poses_and_context(tiny: ModuleType, tmp_path: Path) -> None:
    manifest = tiny.write_chain(tmp_path / "models")
    names = {n: f"tiny-{n}" for n in ("detector", "keypoints", "lifter", "context")}
    extractor = video_emotion.chain_extractor(**names, context_rate_hz=5.0, store=ModelStore([manifest]))
    read = {n: (tmp_path / f"models/{n}.onnx").read_bytes() for n in names}
    assert extractor.files == {n: hashlib.sha256(content).hexdigest() for n, content in read.items()}
    _write_video(tmp_path / "data/train/joy/c1.mp4")
    (tmp_path / "data/actors.csv").write_text("clip,actor\nc1,ann\n")
    clip = video_emotion.load_clips(tmp_path / "data", "train", extractor)[0]
    assert len(clip.poses) >= 8
    assert np.isfinite(clip.poses).all()
    assert 5 <= len(clip.context) <= 7  # five a second for 1.2 s
    assert clip.context.shape[1:] == (1, 3)
    assert clip.scores.shape == clip.times.shape
    again = video_emotion.load_clips(tmp_path / "data", "train", extractor)[0]  # of the cache
    assert again.scores.tolist() == clip.scores.tolist()
    assert 0.5 < clip.scores.mean() <= 1
    store = ModelStore([manifest])
    late = video_emotion.chain_extractor(**names, context_rate_hz=5.0, delay_frames=1, store=store)
    waited = video_emotion.load_clips(tmp_path / "data", "train", late)[0]
    assert waited.times.tolist() == clip.times.tolist()
    assert np.abs(waited.poses - clip.poses).max() > 1e-4  # of the centre frame
    _write_video(tmp_path / "data/train/joy/c1.mp4", blank=True)
    other = video_emotion.chain_extractor(**{**names, "context": ""}, store=ModelStore([manifest]))
    assert other.key != extractor.key
    text = manifest.read_text()
    manifest.write_text(text.replace("normalisation: person", "normalisation: screen"))
    corrected = video_emotion.chain_extractor(**names, context_rate_hz=5.0, store=ModelStore([manifest]))
    assert corrected.files == extractor.files
    assert corrected.key != extractor.key  # the same file, told to read something else
    with pytest.raises(InputError, match="nobody could be followed"):
        video_emotion.load_clips(tmp_path / "data", "train", other)
