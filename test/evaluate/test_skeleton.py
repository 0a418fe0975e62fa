"""Figures of skeletons whose errors are known."""

from __future__ import annotations

import json
from collections.abc import Sequence
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
    return POSE + [0.2 * frame, 0, 3]


def write(
    folder: Path, shift: np.ndarray | float, root: np.ndarray | float = 0.0, lost: Sequence[int] = ()
) -> tuple[Path, Path]:
    """Skeletons that are off by ``shift`` (17, 3) about the pelvis, and by ``root`` as a whole.

    Of the images ``lost`` there is none.
    """
    bag, file = folder / "results.mcap", folder / "truth.npz"
    with ResultBagWriter(bag, Models()) as writer:
        for i in sorted({*range(FRAMES)} - {*lost}):
            frame = Frame(np.zeros((120, 160, 3), np.uint8), i * PERIOD_NS, "camera", CAMERA)
            joints = truth(i) + root
            relative = (truth(i) - truth(i)[0] + shift)[None].astype(np.float32)
            view, one = frame.view(), np.ones(1, np.float32)
            people = People2D(("p1",), BOX[None], one, np.zeros((1, 17, 3), np.float32), view=view)
            root_m, scores = joints[:1].astype(np.float32), np.ones((1, 17), np.float32)
            skeletons = Skeletons3D(("p1",), relative, root_m, scores, view=view)
            writer.write(frame, FrameResult(people, skeletons))
    np.savez(
        file,
        fps=1e9 / PERIOD_NS,
        boxes=np.tile(BOX, (FRAMES, 1, 1)),
        keypoints=np.zeros((FRAMES, 1, 17, 3), np.float32),
        joints3d=np.stack([truth(i) for i in range(FRAMES)])[:, None],
    )
    return bag, file


def track(seconds: np.ndarray, joints: np.ndarray) -> Track:
    return Track(seconds, joints - joints[:, :1], joints[:, 0])


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
    shift[1:] = [0.032, 0, 0]  # all but the pelvis
    got = figures(*write(tmp_path, shift, root=np.array([0, 0, 0.5])))
    assert got["mpjpe_mm"] == pytest.approx(32 * 12 / 13, abs=0.05)
    assert got["p_mpjpe_mm"] < got["mpjpe_mm"]
    assert got["pck"] == 1.0
    assert got["auc"] == pytest.approx(24 / 31, abs=1e-4)  # right above 32 mm; the pelvis would add to it
    assert got["root_m"] == pytest.approx(0.5, abs=1e-3)


def test_joints_that_the_truth_does_not_know(tmp_path: Path) -> None:
    bag, file = write(tmp_path, 0.0)
    arrays = dict(np.load(file))
    arrays["joints3d"][4, 0, 7] = np.nan
    np.savez(file, **arrays)
    got = figures(bag, file)
    assert got["mpjpe_mm"] == pytest.approx(0, abs=1e-2)
    assert got["answered"] == 1.0
    arrays["joints3d"][4] = np.nan
    np.savez(file, **arrays)
    assert figures(bag, file)["answered"] == 1.0  # of those who are known
    arrays["joints3d"][:] = np.nan
    np.savez(file, **arrays)
    assert any("its truth has no joints in 3D" in note for note in evaluate_skeleton([bag], [file]).notes)


def test_errors_of_each_joint(tmp_path: Path) -> None:
    shift = np.zeros((17, 3))
    shift[16] = [0, 0.04, 0]  # the right wrist
    got = figures(*write(tmp_path, shift))
    assert got["joints_mm"].pop("right_wrist") == pytest.approx(40, abs=0.05)
    assert max(got["joints_mm"].values()) == pytest.approx(0, abs=0.01)
    assert got["mpjpe_mm"] == pytest.approx(40 / 13, abs=0.01)


def test_truth_belongs_to_images_by_time(tmp_path: Path) -> None:
    """Somebody moves 20 cm an image: one image off would be 20 cm off."""
    bag, file = write(tmp_path, 0.0, lost=[0, 1, 4])
    got = figures(bag, file)
    assert got["root_m"] == pytest.approx(0, abs=1e-3)
    assert got["coverage"] == 0.7
    bag, file = write(tmp_path, 0.0, lost=range(4, FRAMES))
    with pytest.raises(InputError, match="only 4 of its 10 frames"):
        figures(bag, file)


def test_skeletons_of_another_program(tmp_path: Path) -> None:
    """An .npz in the form of the truth: measured against the truth, with boxes or in the same order."""
    _, file = write(tmp_path, 0.0)
    truth_arrays = dict(np.load(file))
    off = truth_arrays["joints3d"] + np.float32([0, 0, 0.25])
    np.savez(tmp_path / "mine.npz", joints3d=off, fps=10.0)
    got = figures(tmp_path / "mine.npz", file)
    assert got["mpjpe_mm"] == pytest.approx(0, abs=1e-3)
    assert got["root_m"] == pytest.approx(0.25, abs=1e-4)
    assert got["answered"] == got["coverage"] == 1.0
    np.savez(tmp_path / "one.npz", joints3d=off[:, 0], fps=10.0, boxes=truth_arrays["boxes"])
    assert figures(tmp_path / "one.npz", file) == got
    two = np.concatenate([off, off], axis=1)
    np.savez(tmp_path / "two.npz", joints3d=two, fps=10.0)
    with pytest.raises(InputError, match="2 people without 'boxes', the truth has 1"):
        figures(tmp_path / "two.npz", file)
    assert figures(file)["jitter_m_s2"] == pytest.approx(0, abs=1e-3)  # the truth itself is steady
    for wrong, said in (
        ({"joints3d": off}, "'fps'"),
        ({"joints3d": off[..., :2], "fps": 10.0}, "shape"),
        ({"joints3d": off, "fps": 0.0}, "above 0"),
        ({"joints3d": off, "fps": "ten"}, "above 0"),
        ({"joints3d": off * 1000, "fps": 10.0}, "expected metres"),
        ({"joints3d": off * np.nan, "fps": 10.0}, "nobody is in its 10 frames"),
        ({"joints3d": off, "fps": 10.0, "boxes": np.full((10, 1, 4), "a")}, "'boxes' has shape"),
        ({"joints3d": off, "fps": 10.0, "ids": ["a", "b"]}, "2 'ids'"),
    ):
        np.savez(tmp_path / "wrong.npz", **wrong)
        with pytest.raises(InputError, match=said):
            figures(tmp_path / "wrong.npz")


@pytest.mark.parametrize("ids", [None, [f"{chr(120 - n)}" for n in range(12)]])
def test_people_without_boxes_are_in_the_order_of_the_file(tmp_path: Path, ids: list[str] | None) -> None:
    """Twelve people, each in another pose; by their names 10 would stand before 2, and z before a."""
    poses = np.random.default_rng(1).uniform(-0.5, 0.5, (12, 17, 3)) + [0, 0, 3]
    joints = np.tile(poses.astype(np.float32), (FRAMES, 1, 1, 1))
    joints[:, 3] = np.nan  # one is never found
    more = {} if ids is None else {"ids": ids}
    np.savez(tmp_path / "mine.npz", joints3d=joints, fps=10.0, **more)
    np.savez(
        tmp_path / "truth.npz",
        joints3d=np.tile(poses.astype(np.float32), (FRAMES, 1, 1, 1)),
        fps=10.0,
        boxes=np.tile(BOX, (FRAMES, 12, 1)),
        keypoints=np.zeros((FRAMES, 12, 17, 3), np.float32),
    )
    got = figures(tmp_path / "mine.npz", tmp_path / "truth.npz")
    assert got["mpjpe_mm"] == pytest.approx(0, abs=1e-3)
    assert got["answered"] == pytest.approx(11 / 12, abs=1e-4)


def test_joints_that_the_truth_does_not_know_are_left_out(tmp_path: Path) -> None:
    """One unknown pelvis made root_m and each joint's error nothing."""
    bag, file = write(tmp_path, 0.0, root=np.array([0, 0, 0.5]))
    arrays = dict(np.load(file))
    arrays["joints3d"][2, 0, 0] = np.nan
    arrays["joints3d"][4, 0, 16] = np.nan
    np.savez(file, **arrays)
    got = figures(bag, file)
    assert got["root_m"] == pytest.approx(0.5, abs=1e-3)
    assert max(got["joints_mm"].values()) == pytest.approx(0, abs=1e-2)


def test_many_short_tracks_do_not_make_bones_steady() -> None:
    """A long track of bones that change by a tenth, and ten pieces of two images of bones that do not."""
    times = np.arange(100) * 0.1
    breathing = POSE * (1 + 0.1 * np.where(np.arange(100) % 2, 1, -1))[:, None, None]
    pieces = [track(times[:2], np.stack([POSE] * 2)) for _ in range(10)]
    got = without_truth([track(times, breathing), *pieces])
    assert got["bone_cv"] == pytest.approx(0.1 * 100 / 120, rel=1e-6)


def test_the_truth_of_recordings_of_one_name(tmp_path: Path) -> None:
    """The same clip in two runs: both have the truth of this name."""
    (tmp_path / "truth").mkdir()
    bags = []
    for run, shift in (("monday", 0.0), ("tuesday", 0.01)):
        folder = tmp_path / run / "walk"
        folder.mkdir(parents=True)
        bag, file = write(folder, shift)
        bags.append(bag)
        file.replace(tmp_path / "truth" / "walk_truth.npz")
    found = evaluate_skeleton(bags, [tmp_path / "truth"]).results["recordings"]
    assert list(found) == ["walk", "walk-2"]
    assert all(f["answered"] == 1.0 for f in found.values())


def test_a_file_of_another_rate_than_its_truth_is_said(tmp_path: Path) -> None:
    """As many frames at another rate are compared by their times, which they then have from nowhere."""
    _, file = write(tmp_path, 0.0)
    joints = np.load(file)["joints3d"]
    for fps, said in (
        (10.0, "known by the order of the frames"),
        (12.0, "12 per second, the truth 10; both have"),
    ):
        np.savez(tmp_path / "mine.npz", joints3d=joints, fps=fps)
        (note,) = evaluate_skeleton([tmp_path / "mine.npz"], [file]).notes
        assert said in note
    np.savez(tmp_path / "mine.npz", joints3d=np.repeat(joints, 2, axis=0), fps=20.0)
    report = evaluate_skeleton([tmp_path / "mine.npz"], [file])
    assert report.results["recordings"]["mine"]["root_m"] == pytest.approx(0, abs=1e-4)
    assert "20 per second, the truth 10)" in report.notes[0]


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        (np.diag([1.0, -1, -1]), "turned by 180 degrees"),  # OpenGL's
        (np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]), "turned by 90 degrees"),  # z up
        (np.diag([1.0, -1, 1]), "mirrored"),  # Unity's
        (np.eye(3), ""),
    ],
)
def test_skeletons_in_other_axes_are_said(tmp_path: Path, axes: np.ndarray, said: str) -> None:
    _, file = write(tmp_path, 0.0)
    joints = np.load(file)["joints3d"] + np.random.default_rng(2).normal(0, 0.02, (FRAMES, 1, 17, 3))
    np.savez(tmp_path / "mine.npz", joints3d=joints @ axes, fps=10.0)
    notes = evaluate_skeleton([tmp_path / "mine.npz"], [file]).notes
    assert any("are its axes the camera's" in note for note in notes) is bool(said)
    assert not said or any(said in note for note in notes)


def test_skeletons_without_a_place_count(tmp_path: Path) -> None:
    """Those are the hard ones, of which few joints are seen; left out, they made the errors smaller."""
    shift = np.zeros((17, 3))
    shift[1:] = [0.032, 0, 0]
    bag, file = write(tmp_path, shift, root=np.full(3, np.nan))
    got = figures(bag, file)
    assert got["mpjpe_mm"] == pytest.approx(32 * 12 / 13, abs=0.05)
    assert (got["answered"], got["placed"]) == (1.0, 0.0)
    assert np.isnan(got["root_m"])
    assert got["bone_cv"] == pytest.approx(0, abs=1e-4)
    assert np.isnan(got["foot_skating"])


def test_people_of_one_id_are_refused(tmp_path: Path) -> None:
    joints = np.tile(POSE.astype(np.float32), (FRAMES, 2, 1, 1))
    np.savez(tmp_path / "mine.npz", joints3d=joints, fps=10.0, ids=["a", "a"])
    with pytest.raises(InputError, match="several people have the id 'a'"):
        figures(tmp_path / "mine.npz")


def test_a_folder_of_runs(tmp_path: Path) -> None:
    items = []
    for name, shift in (("a", 0.0), ("b", 0.01)):
        (tmp_path / name).mkdir()
        _, file = write(tmp_path / name, shift)
        file.replace(tmp_path / f"{name}_truth.npz")
        items.append({"folder": f"elsewhere/{name}", "error": ""})
    items.append({"folder": "elsewhere/c", "error": "no image"})
    (tmp_path / "batch.json").write_text(json.dumps({"items": items}))
    report = evaluate_skeleton([tmp_path], [tmp_path])
    assert list(report.results["recordings"]) == ["a", "b"]
    assert all(r["answered"] == 1.0 for r in report.results["recordings"].values())
    (found,) = evaluate_skeleton([tmp_path / "a"]).results["recordings"].values()
    assert "mpjpe_mm" not in found


def test_what_needs_no_truth() -> None:
    seconds = np.arange(20) / 10
    still = np.tile(POSE, (20, 1, 1))
    still[:, FEET, 1] = 0.9
    assert without_truth([track(seconds, still)])["foot_skating"] == 0.0
    slides = still.copy()
    slides[:, FEET[0], 0] += 1.0 * seconds  # one foot glides at 1 m/s
    got = without_truth([track(seconds, slides)])
    assert got["foot_skating"] == pytest.approx(0.5)
    assert got["bone_cv"] > 0.01
    assert got["jitter_m_s2"] == pytest.approx(0, abs=1e-9)
    falls = still.copy()
    falls[:, 5] += np.outer(seconds**2 / 2 * 16, [1, 0, 0])  # one of 16 joints accelerates with 16 m/s²
    assert without_truth([track(seconds, falls)])["jitter_m_s2"] == pytest.approx(1.0)


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    bag, file = write(tmp_path, 0.0)
    with pytest.raises(InputError, match="1 recordings and 2 truth files"):
        evaluate_skeleton([bag], [file, file])
    assert "mpjpe_mm" not in figures(bag)
