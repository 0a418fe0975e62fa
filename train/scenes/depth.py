"""What a depth image is worth: root and joint errors on rendered people of every size, with and without.

The people are none of the demo clip's. The depth is the renderer's, made as bad as that of a structured-light
camera: noise of 1.2 mm + 1.9 mm (z - 0.4)^2 (Nguyen, Izadi & Lovell, 3DIMPVT 2012), whole millimetres, holes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posemo_ros.camera import Camera
from posemo_ros.detect.boxes import iou
from posemo_ros.inference.store import ModelStore
from posemo_ros.lift.depth import DepthImage
from posemo_ros.pipeline import Models, Settings, build_lifter, build_people
from posemo_ros.types import Frame, Skeletons3D
from posemo_ros.types import View as FrameView

from .body import Shape
from .motion import Clips, Gesture, cut, gesture, hold, loop, turn
from .person import Look, Wardrobe
from .render import Light, Renderer, View
from .scene import Actor, Scene, Truth, room

FPS, SECONDS = 5, 6
WIDTH, HEIGHT, HFOV_DEG = 640, 480, 60.0
HOLES = 0.1  # of the pixels
SAME_PERSON = 0.5  # IoU of boxes
BEGIN, END = "<!-- table: python -m train scenes depth -->", "<!-- end of table -->"
SIZES = {
    "children (1.3 and 1.5 m)": (Shape(male=0.5, age=0.02), Shape(male=0.9, age=0.1, height=0.6)),
    "small adults (1.3 and 1.4 m)": (
        Shape(male=0.0, height=0.1),
        Shape(male=0.1, age=0.7, height=0.2, weight=0.7),
    ),
    "average adults (1.6 and 1.7 m)": (Shape(male=0.0), Shape(male=1.0)),
    "giants (2.4 and 2.2 m)": (Shape(male=1.0, height=0.95), Shape(male=0.9, height=0.85, weight=0.75)),
}


@dataclass
class Errors:
    """Of one group of people, metres.

    Attributes:
        root: Distance of the pelvis from where it is.
        joints: Mean distance of the joints about the pelvis.
        measured: Whether the depth was used.
    """

    root: list[float]
    joints: list[float]
    measured: list[bool]


class _Depth:
    """Gives the chain the depth image of the frame at work."""

    image: DepthImage | None = None

    def at(self, view: FrameView) -> DepthImage | None:
        return self.image

    def used(self, measured: int, people: int, reason: str) -> None:
        """Nobody asks."""


def sensed(depth: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """(H, W) metres as a sensor would have them; NaN in holes and where nothing is."""
    noise = rng.normal(size=depth.shape) * (0.0012 + 0.0019 * (np.minimum(depth, 20) - 0.4) ** 2)
    out = np.round((np.where(np.isfinite(depth), depth, 0) + noise) * 1000) / 1000
    missing = ~np.isfinite(depth) | (depth > 10) | (rng.random(depth.shape) < HOLES)
    return np.where(missing, np.nan, out).astype(np.float32)


def measure(data: Path | None = None, *, seed: int = 0) -> dict[str, dict[str, Errors]]:
    """Errors by group of people, without and with depth."""
    rng, clips, wardrobe = np.random.default_rng(seed), Clips(data), Wardrobe(data)
    renderer = Renderer(WIDTH, HEIGHT)
    try:
        return {
            name: _measure_scene(_scene(shapes, clips, wardrobe), renderer, rng)
            for name, shapes in SIZES.items()
        }
    finally:
        renderer.close()


def _measure_scene(scene: Scene, renderer: Renderer, rng: np.random.Generator) -> dict[str, Errors]:
    models, store, settings, source = Models(), ModelStore(), Settings(), _Depth()
    finder = build_people(models, store, settings)
    lifters = {name: build_lifter(models, store, settings) for name in ("image alone", "with depth")}
    errors = {name: Errors([], [], []) for name in lifters}
    for number in range(FPS * SECONDS):
        picture, truth = scene.draw(renderer, number)
        stamp = round(number * 1e9 / FPS)
        source.image = DepthImage(sensed(picture.depth, rng), stamp)
        frame = Frame(picture.image, stamp, "camera", scene.view.camera)
        people = finder.find(frame)
        for name, lifter in lifters.items():
            assert lifter is not None
            lifter.depth = source if name == "with depth" else None
            skeletons = lifter.lift(people)
            if skeletons is not None:
                _compare(people.boxes, skeletons, truth, errors[name])
    return errors


def _compare(boxes: NDArray[np.float32], found: Skeletons3D, truth: Truth, errors: Errors) -> None:
    for row, skeleton in enumerate(found.joints):
        overlap = iou(boxes[[row]], np.nan_to_num(truth.boxes).astype(np.float32))[0]
        person = int(overlap.argmax())
        if overlap[person] < SAME_PERSON or not np.isfinite(skeleton).all():
            continue
        true = truth.joints[person]
        errors.root.append(float(np.linalg.norm(skeleton[0] - true[0])))
        about = (skeleton - skeleton[0]) - (true - true[0])
        errors.joints.append(float(np.linalg.norm(about, axis=-1).mean()))
        errors.measured.append(bool(found.measured[row]))


def _scene(shapes: Sequence[Shape], clips: Clips, wardrobe: Wardrobe) -> Scene:
    """One who stands and gestures, one who walks across behind."""
    standing = turn(hold(clips.whole("train/jumping_4"), 0, SECONDS, FPS), np.pi + 0.3, (2.6, 0.6))
    standing = gesture(gesture(standing, Gesture("hanging", 0, SECONDS)), Gesture("talk", 1, 5))
    walk = clips.whole("test/walking_11")
    walking = turn(cut(loop(walk, SECONDS), 0, SECONDS, FPS), np.pi / 2, (4.2, -2.8))
    actors = tuple(
        Actor.play(wardrobe.dress(Look(shape, suit=_suit(shape))), motion)
        for shape, motion in zip(shapes, (standing, walking), strict=True)
    )
    camera = Camera.from_fov(WIDTH, HEIGHT, HFOV_DEG)
    return Scene(
        actors=actors,
        view=View.looking(camera, (0, 0, 1.1), (4, 0, 0.8)),
        lights=(Light((-2.0, 1.5, 3.0), 0.7),),
        ambient=0.4,
        stage=(*room(7.5, 9.0, 4.4, (0.5, 0.5, 0.5), (0.8, 0.8, 0.8)),),
    )


def _suit(shape: Shape) -> str:
    return "male_casualsuit02" if shape.male > 0.5 else "female_casualsuit01"


def table(results: dict[str, dict[str, Errors]]) -> str:
    """Markdown."""
    lines = [
        "| people | answers | root, image alone | root with depth | joints, image alone | joints with depth "
        "| depth used |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, errors in results.items():
        alone, depth = errors["image alone"], errors["with depth"]
        lines.append(
            f"| {name} | {len(depth.root)} | {_centimetres(alone.root)} | {_centimetres(depth.root)} "
            f"| {_centimetres(alone.joints)} | {_centimetres(depth.joints)} | {np.mean(depth.measured):.0%} |"
        )
    return "\n".join(lines) + "\n"


def _centimetres(errors: list[float]) -> str:
    return f"{100 * np.median(errors):.1f} ({100 * np.percentile(errors, 95):.1f}) cm"


def write_table(page: Path, results: dict[str, Any]) -> None:
    """Replace the table of a page."""
    text = page.read_text(encoding="utf-8")
    head, tail = text.split(BEGIN)[0], text.split(END)[1]
    page.write_text(f"{head}{BEGIN}\n{table(results)}{END}{tail}", encoding="utf-8")
