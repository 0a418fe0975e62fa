"""The demo clip: four people in a room, walking and gesturing, with the truth beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from posemo_ros.camera import Camera
from train.data.files import write_npz

from .body import Shape
from .motion import Clips, Gesture, cut, gesture, hold, loop, turn
from .person import Look, Wardrobe
from .render import Light, Renderer, View
from .scene import Actor, Scene, box, room

FPS, SECONDS = 25, 10
WIDTH, HEIGHT, HFOV_DEG = 640, 480, 60.0
HEIGHT_M = 1.25  # of the camera above the floor
FRAME_ID = "camera_optical_frame"
_CODEC = "mp4v"


def demo_scene(data: Path | None = None) -> Scene:
    """The scene of the demo clip; x points away from the camera, which is at x = 0."""
    clips, wardrobe = Clips(data), Wardrobe(data)
    view = View.looking(Camera.from_fov(WIDTH, HEIGHT, HFOV_DEG), (0, 0, HEIGHT_M), (4, 0, 0.88))
    return Scene(
        actors=tuple(make(clips, wardrobe) for make in (_talker, _walker, _waver, _passer)),
        view=view,
        lights=(
            Light((-2.0, 1.5, 3.0), 0.62, (1.0, 0.97, 0.92)),
            Light((-1.5, -2.5, 1.5), 0.32, (0.92, 0.95, 1.0)),
        ),
        ambient=0.34,
        stage=(
            *room(7.5, 9.0, 4.4, (0.62, 0.52, 0.42), (0.80, 0.82, 0.80)),
            *box((6.9, 2.6, 0.4), (0.7, 1.4, 0.8), (0.45, 0.34, 0.26)),
            *box((7.44, -1.2, 1.75), (0.04, 1.3, 0.9), (0.35, 0.48, 0.56)),
        ),
    )


def _talker(clips: Clips, wardrobe: Wardrobe) -> Actor:
    """A woman on the left who talks with her hands, shrugs and points."""
    stand = turn(hold(clips.whole("train/jumping_4"), 0, SECONDS, FPS), np.pi + 0.25, (3.3, 0.75))
    for what in (
        Gesture("hanging", 0, 10),
        Gesture("talk", 0.6, 4.2),
        Gesture("shrug", 4.3, 6.3),
        Gesture("point", 6.6, 8.6, sides="right"),
    ):
        stand = gesture(stand, what)
    look = Look(
        Shape(male=0.05, age=0.45, weight=0.45, height=0.5, origin=(0.1, 0.2, 0.7)),
        suit="female_casualsuit01",
        shoes="shoes03",
        hair="bob01",
        hair_colour=(0.28, 0.17, 0.10),
        cloth=((0.72, 0.30, 0.26), (0.20, 0.22, 0.32)),
    )
    return Actor.play(wardrobe.dress(look), stand)


def _walker(clips: Clips, wardrobe: Wardrobe) -> Actor:
    """A man who crosses the room behind the others, from right to left, in and out of view."""
    walk = clips.whole("test/walking_1")
    across = turn(cut(loop(walk, SECONDS), 0, SECONDS, FPS), np.pi / 2, (4.7, -4.0))
    look = Look(
        Shape(male=0.95, age=0.55, weight=0.5, height=0.6, origin=(0.7, 0.1, 0.2)),
        suit="male_casualsuit04",
        shoes="shoes02",
        hair="short02",
        skin=(0.45, 0.30, 0.22),
        hair_colour=(0.08, 0.06, 0.05),
        cloth=((0.30, 0.42, 0.58), (0.18, 0.19, 0.24)),
    )
    return Actor.play(wardrobe.dress(look), across)


def _waver(clips: Clips, wardrobe: Wardrobe) -> Actor:
    """A man on the right who waves, thinks and puts his hands on his hips."""
    stand = turn(hold(clips.whole("train/jumping_1"), 0, SECONDS, FPS), np.pi - 0.3, (3.7, -0.95))
    for what in (
        Gesture("hanging", 0, 10),
        Gesture("wave", 1.2, 4.0, sides="right"),
        Gesture("think", 4.6, 6.6, sides="left"),
        Gesture("hands_on_hips", 7.0, 9.6),
    ):
        stand = gesture(stand, what)
    look = Look(
        Shape(male=1.0, age=0.6, weight=0.55, height=0.55, origin=(0.1, 0.8, 0.1)),
        suit="male_casualsuit02",
        shoes="shoes05",
        hair="short03",
        skin=(0.78, 0.58, 0.44),
        cloth=((0.40, 0.56, 0.36), (0.32, 0.27, 0.22)),
    )
    return Actor.play(wardrobe.dress(look), stand)


def _passer(clips: Clips, wardrobe: Wardrobe) -> Actor:
    """A woman who crosses in front of the others, from left to right, hiding each for a moment."""
    walk = clips.whole("test/walking_11")
    across = turn(cut(loop(walk, SECONDS), 0, SECONDS, FPS), -np.pi / 2, (2.55, 8.3))
    look = Look(
        Shape(male=0.0, age=0.6, weight=0.5, height=0.45, origin=(0.3, 0.4, 0.3)),
        suit="female_casualsuit02",
        shoes="shoes01",
        hair="ponytail01",
        skin=(0.70, 0.50, 0.38),
        hair_colour=(0.12, 0.08, 0.06),
        cloth=((0.85, 0.72, 0.35), (0.25, 0.25, 0.28)),
    )
    return Actor.play(wardrobe.dress(look), across)


def write_clip(scene: Scene, path: Path, frames: int, ids: Sequence[str]) -> None:
    """Write ``path.mp4`` and ``path_truth.npz``, at ``FPS`` and of ``WIDTH`` x ``HEIGHT`` px.

    Args:
        scene: What is seen.
        path: Without suffix; its folder is made.
        frames: How many.
        ids: Of the people.
    """
    renderer = Renderer(WIDTH, HEIGHT)
    path.parent.mkdir(parents=True, exist_ok=True)
    codec = cv2.VideoWriter.fourcc(*_CODEC)
    video = cv2.VideoWriter(f"{path}.mp4", codec, FPS, (WIDTH, HEIGHT))
    truths = []
    for frame in range(frames):
        picture, truth = scene.draw(renderer, frame)
        video.write(picture.image)
        truths.append(truth)
    video.release()
    renderer.close()
    write_npz(
        Path(f"{path}_truth.npz"),
        ids=np.array(ids),
        fps=np.float32(FPS),
        keypoints=np.stack([t.keypoints for t in truths]).astype(np.float32),
        boxes=np.stack([t.boxes for t in truths]).astype(np.float32),
        joints3d=np.stack([t.joints for t in truths]).astype(np.float32),
    )


def make_demo(out: Path, data: Path | None = None) -> None:
    """Write ``people.mp4``, ``people.json`` (camera) and ``people_truth.npz`` to a folder."""
    scene = demo_scene(data)
    write_clip(scene, out / "people", FPS * SECONDS, ("talker", "walker", "waver", "passer"))
    camera = {
        "width": WIDTH,
        "height": HEIGHT,
        "matrix": scene.view.camera.matrix.tolist(),
        "frame_id": FRAME_ID,
        "hfov_deg": HFOV_DEG,
        "height_m": HEIGHT_M,
        "tilt_deg": round(scene.view.tilt_deg, 3),
    }
    (out / "people.json").write_text(json.dumps({"camera": camera, "fps": FPS}, indent=2) + "\n")
