"""Short films of rendered people, and what detector, tracker and keypoint network see of them.

From these the lifter learns how real keypoints are wrong: which joints, for how long, with which
scores. Cameras stand as on robots: 0.3 to 2 m above the floor, tilted, near and far, so that whole and
half bodies are seen. Films of the test split have other people and other movements; every other
one is to choose with, the rest to report.

Symbols: P persons of a film, T frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from posemo_ros.camera import Camera
from posemo_ros.people import PeopleFinder
from posemo_ros.types import Floats
from train.data.coco import read_backgrounds
from train.data.people import Photo
from train.data.sightings import Sightings, find_in

from .assets import data_dir
from .motion import Clips
from .person import Person, Wardrobe
from .pictures import before, patch, random_lights, random_look, random_motion
from .render import Renderer, View
from .scene import Actor, Truth, dressed, truth_of

WIDTH, HEIGHT = 480, 360
FPS, FRAMES = 30, 48
_FILMS_OF_A_PERSON = 3


def watch(
    finder: PeopleFinder, frames: Iterator[tuple[NDArray[np.uint8], Truth]], view: View, fps: float
) -> tuple[Floats, Floats, Floats]:
    """What the chain finds of the persons of one film.

    Args:
        finder: Detector, tracker and keypoint network.
        frames: Pictures (H, W, 3) BGR and the truth of P persons.
        view: The camera.
        fps: Frames per second.

    Returns:
        ``found``, ``truth`` and ``joints`` of ``Sightings``, (P, T, 17, 3) each.
    """
    finder.reset()
    found, truths = [], []
    for number, (image, truth) in enumerate(frames):
        found.append(find_in(finder, image, view.camera, number / fps, truth.boxes.astype(np.float32)))
        truths.append(truth)
    return (
        np.stack(found, 1),
        np.stack([t.keypoints for t in truths], 1).astype(np.float32),
        np.stack([t.joints for t in truths], 1).astype(np.float32),
    )


def make_sightings(
    finder: PeopleFinder, count: int, split: str, data: Path | None = None, *, seed: int = 0
) -> Sightings:
    """Draw films and watch them.

    Args:
        finder: Detector, tracker and keypoint network.
        count: Number of films, of one to three people.
        split: ``train`` or ``test``: whose movements.
        data: Folder of the development data.
        seed: Of everything; the splits differ in any case.
    """
    rng = np.random.default_rng((seed, split == "test"))
    clips, wardrobe = Clips(data), Wardrobe(data)
    photos = read_backgrounds(data_dir(data) / "backgrounds")[1:]
    renderer = Renderer(WIDTH, HEIGHT)
    rows: list[tuple[Floats, Floats, Floats]] = []
    cameras, floors, films = [], [], []
    cast: list[Person] = []
    for number in range(count):
        if number % _FILMS_OF_A_PERSON == 0 or not cast:
            cast = [wardrobe.dress(random_look(wardrobe.garments, rng)) for _ in range(3)]
        view, fov = _robot_view(rng)
        actors = [_actor(p, clips, split, number, rng) for p in cast[: int(rng.integers(1, 4))]]
        photo = photos[int(rng.integers(len(photos)))]
        row = watch(finder, _frames(renderer, actors, view, photo, rng), view, FPS)
        rows.append(row)
        cameras += [(WIDTH, HEIGHT, fov)] * len(actors)
        floors += [(view.position[2], view.tilt_deg)] * len(actors)
        films += [number] * len(actors)
    renderer.close()
    found, truth, joints = (np.concatenate(part) for part in zip(*rows, strict=True))
    kept = np.array(cameras, np.float32), np.array(floors, np.float32), np.array(films, np.int64)
    return Sightings(found, truth, joints, *kept, FPS)


def _robot_view(rng: np.random.Generator) -> tuple[View, float]:
    """A camera at x = 0, as on a small or tall robot, that looks at people some metres ahead."""
    fov = float(np.float32(rng.uniform(45, 75)))
    camera = Camera.from_fov(WIDTH, HEIGHT, fov)
    at = (4, rng.normal(0, 0.2), rng.uniform(0.5, 1.4))
    return View.looking(camera, (0, 0, rng.uniform(0.3, 2.0)), at, rng.normal(0, 0.04)), fov


def _actor(person: Person, clips: Clips, split: str, film: int, rng: np.random.Generator) -> Actor:
    """Somebody who does something, 1.2 to 6 m away."""
    usable = [i for i in clips.usable if clips.splits[i] == split and len(clips.whole(i)) > 1.7 * 120]
    mine = usable[film % 2 :: 2] if split == "test" else usable
    motion = random_motion(clips, int(rng.choice(mine)), rng, length=FRAMES / FPS, fps=FPS)
    actor = Actor.play(person, motion)
    middle = actor.poses.root[FRAMES // 2] * [1, 1, 0]
    x = float(np.exp(rng.uniform(np.log(1.2), np.log(6.0))))
    actor.poses.root[:] += np.array([x, rng.normal(0, 0.2 * x), 0]) - middle
    return actor


def _frames(
    renderer: Renderer, actors: Sequence[Actor], view: View, photo: Photo, rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.uint8], Truth]]:
    renderer.lights(random_lights(rng), rng.uniform(0.2, 0.5))
    background = patch(photo.pixels(), rng, WIDTH, HEIGHT)
    noise, quality = rng.uniform(1, 7), int(rng.integers(50, 96))
    for frame in range(FRAMES):
        posed = [actor.at(frame) for actor in actors]
        drawn = renderer.render(view, dressed(actors, posed))
        image = before(drawn, background) + rng.normal(0, noise, background.shape)
        coded = cv2.imencode(
            ".jpg", np.clip(image, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality]
        )
        yield np.asarray(cv2.imdecode(coded[1], cv2.IMREAD_COLOR), np.uint8), truth_of(posed, view, drawn)
