"""The committed demo clip and its truth belong together."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from posemo_ros.camera import Camera
from posemo_ros.skeleton import COCO_OF_H36M

DEMO = Path(__file__).resolve().parent.parent / "demo"


def test_truth_projects_onto_itself() -> None:
    truth = np.load(DEMO / "people_truth.npz", allow_pickle=False)
    info = json.loads((DEMO / "people.json").read_text())["camera"]
    camera = Camera(info["width"], info["height"], np.array(info["matrix"]))
    seen = np.isfinite(truth["boxes"][..., 0])
    assert seen.any(axis=0).all()
    assert not seen.all(axis=0).all()  # somebody enters or leaves
    projected = camera.project(truth["joints3d"][seen])
    limbs = [(h, c[0]) for h, c in COCO_OF_H36M if len(c) == 1]
    for joint, keypoint in limbs:
        np.testing.assert_allclose(projected[:, joint], truth["keypoints"][seen][:, keypoint, :2], atol=0.5)


def test_people_are_of_human_size() -> None:
    joints = np.load(DEMO / "people_truth.npz")["joints3d"]
    seen = np.isfinite(joints[..., 0, 0])
    thigh = np.linalg.norm(joints[seen][:, 5] - joints[seen][:, 4], axis=-1)
    assert 0.35 < thigh.min() < thigh.max() < 0.55


def test_clip_has_a_frame_per_truth_and_shows_people_where_it_says() -> None:
    truth = np.load(DEMO / "people_truth.npz")
    video = cv2.VideoCapture(str(DEMO / "people.mp4"))
    frames = []
    while (read := video.read())[0]:
        frames.append(read[1])
    assert len(frames) == len(truth["boxes"])
    empty = np.median(np.stack(frames[::10]), axis=0)
    moving = np.isfinite(truth["boxes"][:, 1, 0])  # the walker behind
    inside, outside = [], []
    for frame, box in zip(np.array(frames)[moving], truth["boxes"][moving, 1].astype(int), strict=True):
        change = np.abs(frame - empty).mean(axis=2)
        x0, y0, x1, y1 = box
        if x1 - x0 > 20:
            inside.append(change[y0:y1, x0:x1].mean())
            outside.append(change[:60].mean())
    assert np.mean(inside) > 5 * np.mean(outside)
