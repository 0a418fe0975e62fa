"""Training pictures: dressed people in invented poses before photos without people, with exact labels.

Labels are in COCO's format; a picture holds one to four people, who hide one another.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from posemo_ros.camera import Camera
from posemo_ros.evaluate.film import BODY_SHARE
from train.data.coco import read_backgrounds
from train.data.people import Photo

from .assets import data_dir
from .body import Shape
from .motion import GESTURES, Clips, Gesture, bend_limbs, cut, gesture, look, sit, tilt, turn
from .person import PATTERNS, Look, Posed, Wardrobe
from .render import Light, Picture, Renderer, View
from .retarget import Motion
from .scene import Actor, Truth, dressed, truth_of

WIDTH, HEIGHT = 320, 320
POSES = 6  # of each actor
_FPS = 4.0
_MIN_SEEN = 5  # keypoints of a person who is labelled


@dataclass(frozen=True, eq=False)
class Cast:
    """Actors and what they stand in front of."""

    actors: tuple[Actor, ...]
    photos: tuple[Photo, ...]


def make_pictures(out: Path, count: int, data: Path | None = None, *, cast: int = 80, seed: int = 0) -> None:
    """Write ``images/*.jpg`` and ``annotations.json`` to a folder.

    Args:
        out: The folder.
        count: Number of pictures.
        data: Folder of the development data.
        cast: Number of different people.
        seed: Of everything.
    """
    rng = np.random.default_rng(seed)
    people = _cast(cast, data, rng)
    renderer = Renderer(WIDTH, HEIGHT)
    (out / "images").mkdir(parents=True, exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(count):
        image, truth = _picture(people, renderer, rng)
        name = f"{number:05d}.jpg"
        cv2.imwrite(str(out / "images" / name), image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 96))])
        images.append({"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT})
        annotations += _labels(truth, number, len(annotations))
    renderer.close()
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}
    (out / "annotations.json").write_text(json.dumps(content), encoding="utf-8")


def _cast(count: int, data: Path | None, rng: np.random.Generator) -> Cast:
    clips, wardrobe = Clips(data), Wardrobe(data)
    actors = []
    for _ in range(count):
        person = wardrobe.dress(random_look(wardrobe.garments, rng))
        actors += [
            Actor.play(person, random_motion(clips, int(rng.choice(clips.usable)), rng)) for _ in range(POSES)
        ]
    return Cast(tuple(actors), tuple(read_backgrounds(data_dir(data) / "backgrounds")[1:]))


def random_look(garments: Sequence[str], rng: np.random.Generator) -> Look:
    """Somebody: body, clothes of these names, colours."""
    male = float(rng.random() < 0.5)
    sex = "male_" if male else "female_"
    suits = [g for g in garments if "suit" in g and g.startswith(sex)]
    shoes = [g for g in garments if g.startswith("shoes")]
    hair = [g for g in garments if "suit" not in g and not g.startswith("shoes")]
    colour = rng.random
    skin = np.array([0.80, 0.60, 0.48]) * rng.uniform(0.35, 1.15)
    return Look(
        Shape(
            male=male,
            age=rng.uniform(0.3, 0.9),
            weight=rng.uniform(0.2, 0.9),
            height=rng.uniform(0.2, 0.8),
            origin=tuple(rng.dirichlet((1, 1, 1))),
        ),
        suit=str(rng.choice(suits)),
        shoes=str(rng.choice(shoes)),
        hair=str(rng.choice([*hair, ""])),
        skin=tuple(np.clip(skin, 0, 1)),
        hair_colour=tuple(rng.uniform(0.03, 0.6) * np.array([1, 0.75, 0.5])),
        cloth=tuple(tuple(colour(3)) for _ in range(3)),
        leather=tuple(0.6 * colour(3)),
        patterns=tuple(str(p) for p in rng.choice(list(PATTERNS), 2)),
        seed=int(rng.integers(1 << 30)),
    )


def random_motion(
    clips: Clips, clip: int, rng: np.random.Generator, *, length: float = 1.0, fps: float = _FPS
) -> Motion:
    """Some seconds of a recording, changed at random."""
    whole = clips.whole(clip)
    start = rng.uniform(0, max(0.0, (len(whole) - 2) / whole.fps - length))
    motion = cut(whole, start, min(length, (len(whole) - 2) / whole.fps), fps)
    if rng.random() < 0.5:
        name, sides = rng.choice(list(GESTURES)), rng.choice(["left", "right", "both"])
        motion = gesture(motion, Gesture(str(name), -1.0, sides=str(sides), shift_s=rng.uniform(0, 3)))
    if rng.random() < 0.6:
        motion = bend_limbs(motion, rng, rng.uniform(0.1, 0.6))
    if rng.random() < 0.25:
        motion = sit(motion, rng, rng.uniform(0.1, 0.45))
    if rng.random() < 0.3:
        motion = tilt(motion, rng, rng.uniform(0.05, 0.5))
    return turn(look(motion, rng, 0.4), rng.uniform(-np.pi, np.pi))


def _picture(cast: Cast, renderer: Renderer, rng: np.random.Generator) -> tuple[NDArray[np.uint8], Truth]:
    view = _random_view(rng)
    chosen = [cast.actors[i] for i in rng.choice(len(cast.actors), int(rng.integers(1, 5)), replace=False)]
    posed = [_somewhere(actor, i, rng) for i, actor in enumerate(chosen)]
    renderer.lights(random_lights(rng), rng.uniform(0.2, 0.5))
    drawn = renderer.render(view, dressed(chosen, posed))
    photo = cast.photos[int(rng.integers(len(cast.photos)))].pixels()
    return before(drawn, patch(photo, rng)), truth_of(posed, view, drawn)


def _random_view(rng: np.random.Generator) -> View:
    """A camera at x = 0 that looks along x, at people who stand about ``_somewhere``."""
    camera = Camera.from_fov(WIDTH, HEIGHT, rng.uniform(35, 70))
    height = rng.uniform(0.4, 2.6)
    return View.looking(
        camera, (0, 0, height), (4, rng.normal(0, 0.3), rng.uniform(0.6, 1.3)), rng.normal(0, 0.08)
    )


def _somewhere(actor: Actor, number: int, rng: np.random.Generator) -> Posed:
    """One of an actor's poses; the first person near the middle, the others about them."""
    frame = int(rng.integers(len(actor.poses)))
    place = np.array([rng.uniform(2.2, 5.5), rng.normal(0, 0.4 if number == 0 else 0.9), 0])
    return actor.person.pose(actor.poses.rotations[frame], actor.poses.root[frame] + place)


def random_lights(rng: np.random.Generator) -> tuple[Light, ...]:
    """A strong and a weak one from in front."""

    def light(strength: float) -> Light:
        x, y = rng.normal(0, 2, 2)
        return Light((x - 1.5, y, rng.uniform(0.3, 3)), strength, tuple(rng.uniform(0.85, 1, 3)))

    return light(rng.uniform(0.35, 0.8)), light(rng.uniform(0.05, 0.4))


def patch(
    photo: NDArray[np.uint8], rng: np.random.Generator, width: int = WIDTH, height: int = HEIGHT
) -> NDArray[np.uint8]:
    """A random square cut of a photo in the size of a picture."""
    side = int(rng.uniform(0.5, 1.0) * min(photo.shape[:2]))
    y, x = (int(rng.integers(0, n - side + 1)) for n in photo.shape[:2])
    return np.asarray(cv2.resize(photo[y : y + side, x : x + side], (width, height)), np.uint8)


def before(drawn: Picture, background: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """People over a photo. The renderer has mixed their edges with black already."""
    mixed = drawn.image.astype(np.float32) + (1 - drawn.coverage[..., None]) * background
    return np.clip(mixed, 0, 255).astype(np.uint8)


def _labels(truth: Truth, image: int, first: int) -> list[dict[str, Any]]:
    """COCO annotations of those of whom enough is seen; joints outside the picture are not labelled."""
    found: list[dict[str, Any]] = []
    for points, box in zip(truth.keypoints, truth.boxes, strict=True):
        inside = ((points[:, :2] >= 0) & (points[:, :2] < (WIDTH, HEIGHT))).all(1)
        labelled = np.where(inside[:, None], points, 0)
        if np.isnan(box).any() or (labelled[:, 2] == 2).sum() < _MIN_SEEN:
            continue
        x1, y1, x2, y2 = (float(v) for v in box)
        found.append(
            {
                "id": first + len(found) + 1,
                "image_id": image,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "area": BODY_SHARE * (x2 - x1) * (y2 - y1),
                "keypoints": labelled.round(2).ravel().tolist(),
                "num_keypoints": int((labelled[:, 2] > 0).sum()),
            }
        )
    return found
