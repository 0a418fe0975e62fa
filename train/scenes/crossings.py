"""Films of people who walk past each other, in and out of the image: do they keep their ids?"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from posemo_ros.camera import Camera

from .demo import FPS, HEIGHT, HFOV_DEG, SECONDS, WIDTH, write_clip
from .motion import Clips, cut, loop, turn
from .person import Wardrobe
from .pictures import random_lights, random_look
from .render import View
from .scene import Actor, Scene, room

PEOPLE = 6
_FIRST_SEED = 1000
_WALKS = ("test/walking_1", "test/walking_11")
_HALF_WIDTH = 0.577  # of the view, at a distance of 1


def make_crossings(out: Path, count: int, data: Path | None = None) -> None:
    """Write ``crossing_0.mp4`` and so on, each with ``crossing_0_truth.npz`` beside it.

    In each six people in clothes of random colours walk to the left or right for ten seconds, 2.2 to 6.5 m
    before a camera 0.6 to 1.6 m above the floor. A film depends on its number alone.

    Args:
        out: The folder.
        count: Number of films.
        data: Folder of the development data.
    """
    clips, wardrobe = Clips(data), Wardrobe(data)
    for number in range(count):
        scene = crossing(clips, wardrobe, np.random.default_rng(_FIRST_SEED + number))
        write_clip(scene, out / f"crossing_{number}", FPS * SECONDS, [str(i) for i in range(PEOPLE)])


def crossing(clips: Clips, wardrobe: Wardrobe, rng: np.random.Generator) -> Scene:
    """The scene of one film."""
    camera = Camera.from_fov(WIDTH, HEIGHT, HFOV_DEG)
    view = View.looking(camera, (0, 0, rng.uniform(0.6, 1.6)), (4, 0, 0.9))
    actors = tuple(_walker(clips, wardrobe, rng) for _ in range(PEOPLE))
    stage = room(8.0, 9.0, 4.4, (0.62, 0.52, 0.42), (0.80, 0.82, 0.80))
    return Scene(actors, view, random_lights(rng), rng.uniform(0.25, 0.45), tuple(stage))


def _walker(clips: Clips, wardrobe: Wardrobe, rng: np.random.Generator) -> Actor:
    look = random_look(wardrobe.garments, rng)
    walk = clips.whole(str(rng.choice(_WALKS)))
    side = 1 if rng.random() < 0.5 else -1
    ahead = rng.uniform(2.2, 6.5)
    before_entry = rng.uniform(-2.5, 7.0)  # metres to walk before the edge of the view
    start = side * (_HALF_WIDTH * ahead + before_entry)
    heading = side * np.pi / 2 + rng.normal(0, 0.15)
    across = turn(cut(loop(walk, SECONDS), 0, SECONDS, FPS), heading, (ahead, -start))
    return Actor.play(wardrobe.dress(look), across)
