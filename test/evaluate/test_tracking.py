"""Ids against the truth, on scenes whose figures follow from the definitions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from posemo_ros.camera import Camera
from posemo_ros.errors import InputError
from posemo_ros.evaluate.latency import evaluate_latency
from posemo_ros.evaluate.tracking import evaluate_tracking
from posemo_ros.pipeline import Models
from posemo_ros.replay.bag import ResultBagWriter
from posemo_ros.types import Frame, FrameResult, People2D

pytest.importorskip("trackeval")
FRAMES = 20
PERIOD_NS = 100_000_000
CAMERA = Camera.from_fov(160, 100)


def boxes(frame: int) -> np.ndarray:
    """Two people side by side."""
    return np.array([[10 + frame, 20, 40 + frame, 90], [100, 20, 130, 90]], np.float32)


def write(
    folder: Path, ids: list[tuple[str, ...]], *, frames: int = FRAMES, lost: Sequence[int] = ()
) -> tuple[Path, Path]:
    """Results with these ids image by image ('' for a person that was not found), and the truth.

    Of the images ``lost`` there is none.
    """
    folder.mkdir()
    bag, truth = folder / "results.mcap", folder / "truth.npz"
    with ResultBagWriter(bag, Models()) as writer:
        for i in sorted({*range(FRAMES)} - {*lost}):
            found = [n for n, name in enumerate(ids[i]) if name]
            frame = Frame(np.zeros((100, 160, 3), np.uint8), i * PERIOD_NS, "camera", CAMERA)
            people = People2D(
                tuple(ids[i][n] for n in found),
                boxes(i)[found],
                np.ones(len(found), np.float32),
                np.zeros((len(found), 17, 3), np.float32),
                view=frame.view(),
            )
            writer.write(frame, FrameResult(people))
    np.savez(
        truth,
        fps=1e9 / PERIOD_NS,
        boxes=np.stack([boxes(i) for i in range(frames)]),
        keypoints=np.zeros((frames, 2, 17, 3), np.float32),
        joints3d=np.zeros((frames, 2, 17, 3), np.float32),
    )
    return bag, truth


def figures(*pairs: tuple[Path, Path]) -> dict[str, float]:
    found: dict[str, float] = evaluate_tracking(*zip(*pairs, strict=True)).results["all"]
    return found


def test_perfect(tmp_path: Path) -> None:
    got = figures(write(tmp_path / "a", [("p1", "p2")] * FRAMES))
    assert {got[k] for k in ("HOTA", "DetA", "AssA", "IDF1", "MOTA", "recall", "precision")} == {1.0}
    assert got["id_switches"] == got["fragmentations"] == 0


def test_one_switch_in_the_middle(tmp_path: Path) -> None:
    half = FRAMES // 2
    got = figures(write(tmp_path / "a", [("p1", "p2")] * half + [("p3", "p2")] * half))
    assert got["id_switches"] == 1
    assert got["MOTA"] == pytest.approx(1 - 1 / (2 * FRAMES))
    assert got["IDF1"] == pytest.approx(0.75)  # half of one of two people has the wrong id
    assert got["DetA"] == 1.0
    assert got["AssA"] == pytest.approx((1 + 0.5) / 2)
    assert got["HOTA"] == pytest.approx(np.sqrt(0.75), abs=1e-3)


def test_somebody_is_never_found(tmp_path: Path) -> None:
    got = figures(write(tmp_path / "a", [("p1", "")] * FRAMES))
    assert got["recall"] == 0.5
    assert got["precision"] == 1.0
    assert got["DetA"] == pytest.approx(0.5)


def test_several_recordings_together(tmp_path: Path) -> None:
    half = FRAMES // 2
    one = write(tmp_path / "a", [("p1", "p2")] * FRAMES)
    other = write(tmp_path / "b", [("p1", "p2")] * half + [("p2", "p1")] * half)
    report = evaluate_tracking(*zip(one, other, strict=True))
    assert report.results["all"]["id_switches"] == 2
    assert report.results["recordings"]["a"]["id_switches"] == 0
    assert "TrackEval" in report.as_text()


def test_lost_images_move_nothing(tmp_path: Path) -> None:
    """The truth belongs to images by time: by number, every one after the third would be a frame off."""
    pair = write(tmp_path / "a", [("p1", "p2")] * FRAMES, lost=[3, 4, 11])
    report = evaluate_tracking(*zip(pair, strict=True))
    assert report.results["all"]["HOTA"] == report.results["all"]["recall"] == 1.0
    assert report.results["recordings"]["a"]["coverage"] == (FRAMES - 3) / FRAMES
    assert report.samples["images"] == FRAMES - 3
    assert "17 of its frames compared (85.0 %), its first is the first image" in report.notes[0]


def test_too_little_of_the_truth(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="only 9 of its 20 frames"):
        figures(write(tmp_path / "a", [("p1", "p2")] * FRAMES, lost=range(9, FRAMES)))


def test_a_folder_of_truths(tmp_path: Path) -> None:
    bags = []
    (tmp_path / "truths").mkdir()
    for name in ("a", "b"):
        bag, truth = write(tmp_path / name, [("p1", "p2")] * FRAMES)
        bags.append(bag)
        truth.replace(tmp_path / "truths" / f"{name}_truth.npz")
    other, _ = write(tmp_path / "c", [("p1", "p2")] * FRAMES)
    report = evaluate_tracking([*bags, other], [tmp_path / "truths"])
    assert list(report.results["recordings"]) == ["a", "b"]
    assert "c: left out, no truth found for it" in report.notes
    pattern = evaluate_tracking(bags, [tmp_path / "truths" / "{name}_truth.npz"])
    assert list(pattern.results["recordings"]) == ["a", "b"]
    with pytest.raises(InputError, match="one truth file .* for several recordings"):
        evaluate_tracking(bags, [tmp_path / "truths" / "a_truth.npz"])
    with pytest.raises(InputError, match="no truth in .*truths for c"):
        evaluate_tracking([other], [tmp_path / "truths"])


def test_latency_needs_times_of_arrival(tmp_path: Path) -> None:
    bag, _ = write(tmp_path / "a", [("p1", "p2")] * FRAMES)
    with pytest.raises(InputError, match="knows no times of arrival"):
        evaluate_latency([bag])
