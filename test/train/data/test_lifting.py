"""The data module against the station that uses the network."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from posemo_ros.camera import Camera
from posemo_ros.inference.manifest import LiftSpec
from posemo_ros.inference.session import TensorSpec
from posemo_ros.lift.lifter import Lifter
from posemo_ros.types import People2D, View
from train.data import cmu, lifting
from train.data.body import coco_keypoints
from train.data.cameras import random_poses, see
from train.data.corruption import PERFECT

SPEC = LiftSpec(frames=27, channels=3, rate_hz=30.0)


def test_cameras_see_the_person_upright_in_front_and_right_way_round() -> None:
    rotation, position = random_poses(np.random.default_rng(0), 500)
    np.testing.assert_allclose(np.linalg.det(rotation), 1, atol=1e-5)
    body = np.float32([[0, 0, 0], [0, 0, 0.7]])  # pelvis, head
    seen = see(np.broadcast_to(body, (500, 1, 2, 3)), rotation, position)[:, 0]
    np.testing.assert_allclose(
        np.linalg.norm(seen[:, 0], axis=1), np.linalg.norm(position, axis=1), rtol=1e-5
    )
    assert (seen[:, 0, 2] > 1).all()
    assert (seen[:, 1, 1] < seen[:, 0, 1]).all()  # y points down
    in_front = position[:, 0] > 0.9 * np.linalg.norm(position, axis=1)  # of a person who looks along +x
    left = see(np.broadcast_to(np.float32([0, 0.2, 0]), (500, 1, 1, 3)), rotation, position)[:, 0, 0]
    assert (left - seen[:, 0])[in_front, 0].min() > 0  # whose left is on the right of the image


class Recorder:
    runtime, precision = "onnxruntime", "fp32"
    inputs = (TensorSpec("in", (-1, 27, 17, 3), "float32"),)
    outputs = (TensorSpec("out", (-1, 1, 17, 3), "float32"),)

    def __init__(self) -> None:
        self.batches: list[np.ndarray] = []

    def run(self, feeds):
        self.batches.append(feeds["in"])
        return {"out": np.zeros((len(feeds["in"]), 1, 17, 3), np.float32)}


@pytest.mark.shared
def test_the_station_sees_what_training_saw(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keypoints of a body through a real camera and the Lifter = the training input, all views."""
    motion = cmu.load(shared_data, "train")
    seen: list[np.ndarray] = []
    monkeypatch.setattr(lifting, "see", lambda *a: seen.append(see(*a)) or seen[-1])
    rows = lifting.training_batch(motion, SPEC, PERFECT, np.random.default_rng(3), 32)
    inputs, target = rows["keypoints"], rows["joints"]
    camera = Camera.from_fov(1280, 720, 85.0)
    checked = 0
    for i in range(32):
        pixels = camera.project(coco_keypoints(seen[0][i]))
        if not np.isfinite(pixels).all() or np.diff(inputs[i, :14], axis=0).any((1, 2)).sum() < 13:
            continue
        session = Recorder()
        lifter = Lifter(session, SPEC)
        for f in range(14):
            keypoints = np.concatenate([pixels[f], np.ones((17, 1))], -1).astype(np.float32)[None]
            people = People2D(("a",), np.zeros((1, 4), np.float32), np.ones(1, np.float32), keypoints)
            view = View.through(camera, round(f / 30 * 1e9))
            lifter.lift(dataclasses.replace(people, view=view))
        if np.abs(inputs[i, 13:] - inputs[i, 13]).max() == 0:  # training saw no future either
            np.testing.assert_allclose(session.batches[-1][0], inputs[i], atol=2e-3)
            checked += 1
    assert checked >= 4
    assert np.abs(target[:, 0]).max() == 0
    assert np.isfinite(inputs).all()


@pytest.mark.shared
def test_half_of_the_cameras_know_about_which_way_is_up(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cameras: list[np.ndarray] = []
    monkeypatch.setattr(lifting, "see", lambda *a: cameras.append(a[1]) or see(*a))
    spec, motion = dataclasses.replace(SPEC, channels=6), cmu.load(shared_data, "train")
    rows = lifting.training_batch(motion, spec, PERFECT, np.random.default_rng(4), 400)
    told = rows["keypoints"][..., 3:]
    np.testing.assert_array_equal(told, np.broadcast_to(told[:, :1, :1], told.shape))
    told = (told[:, 0, 0, None] @ rows["rotation"])[:, 0]  # back in the axes of the cameras
    known = told.any(1)
    assert 0.4 < known.mean() < 0.6
    up = np.tile(cameras[0][:, :, 2], (2, 1))
    off = np.degrees(np.arccos(np.clip((told * up).sum(1)[known], -1, 1)))
    assert 0.5 < np.median(off) < 4
    np.testing.assert_allclose(np.linalg.norm(told[known], axis=1), 1, atol=1e-5)


@pytest.mark.shared
def test_damaged_frames_are_never_read(shared_data: Path) -> None:
    with np.load(shared_data / cmu.FILE) as file:
        ok, split, bounds = file["frame_ok"], file["split"], file["clip_start"]
    for name in ("train", "test"):
        motion = cmu.load(shared_data, name, min_frames=1)
        used = np.zeros(len(ok), bool)
        for start, end in zip(motion.starts, motion.ends, strict=True):
            used[start:end] = True
        inside = np.repeat(split == name, np.diff(bounds))
        np.testing.assert_array_equal(used, ok & inside)


@pytest.mark.shared
def test_windows_are_read_at_the_recorded_speed(shared_data: Path) -> None:
    motion = cmu.load(shared_data, "train")
    frames = motion.starts[0] + np.array([[0.0, 10.0, 10.5, 1e9]])
    body = cmu.read(motion, np.array([0]), frames)[0]
    np.testing.assert_array_equal(body[1], motion.body[motion.starts[0] + 10])
    middle = (motion.body[motion.starts[0] + 10] + motion.body[motion.starts[0] + 11]) / 2
    np.testing.assert_allclose(body[2], middle, atol=1e-6)
    np.testing.assert_array_equal(body[3], motion.body[motion.ends[0] - 1])
    height = np.ptp(motion.body[motion.starts[0]][:, 2])
    assert 1.5 < height < 1.75
