"""Persons as detector, tracker and keypoint network saw them, with the truth beside it.

Symbols: N persons, one for each film and person in it; T frames.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posemo_ros.camera import Camera
from posemo_ros.people import PeopleFinder
from posemo_ros.replay.truth import Truth, match
from posemo_ros.types import Frame

from .files import read_written, write_npz

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Sightings:
    """How persons look to the chain, and how they are.

    Attributes:
        found: (N, T, 17, 3) float32 COCO-17: x px, y px, score; NaN, NaN, 0 where the person was not found.
        truth: (N, T, 17, 3) float32 COCO-17: x px, y px, and 2 seen, 1 hidden or outside the image; NaN
            where the person is out of view.
        joints: (N, T, 17, 3) float32 H36M-17, metres, camera frame; NaN where out of view.
        camera: (N, 3) float32 width px, height px, horizontal field of view in degrees.
        floor: (N, 2) float32 how high the camera is above it in metres, and how far it looks down in degrees.
        film: (N,) int64 number of the film.
        fps: Frames per second.
    """

    found: Floats
    truth: Floats
    joints: Floats
    camera: Floats
    floor: Floats
    film: NDArray[np.int64]
    fps: float

    def __len__(self) -> int:
        return len(self.film)

    def only(self, rows: NDArray[np.bool_]) -> Sightings:
        """Some of the persons."""
        return replace(self, **{name: v[rows] for name, v in vars(self).items() if name != "fps"})

    def save(self, path: Path) -> None:
        """Write an NPZ file."""
        write_npz(path, **vars(self))

    @classmethod
    def load(cls, path: Path) -> Sightings:
        """Read what ``save`` wrote.

        Raises:
            InputError: The file is missing or has another form.
        """
        arrays: dict[str, Any] = read_written(path, cls, "python -m train scenes films")
        return cls(**{**arrays, "fps": float(arrays["fps"])})


def find_in(
    finder: PeopleFinder, image: NDArray[np.uint8], camera: Camera, seconds: float, boxes: Floats
) -> Floats:
    """What the chain says of persons whose true boxes (P, 4) xyxy px are known; NaN where out of view.

    Returns:
        (P, 17, 3) x px, y px, score; NaN, NaN, 0 of those who are not found.
    """
    people = finder.find(Frame(image, round(seconds * 1e9), camera=camera))
    row = np.full((len(boxes), 17, 3), np.nan, np.float32)
    row[..., 2] = 0
    seen = np.flatnonzero(np.isfinite(boxes[:, 0]))
    for i, column in match(boxes[seen], people.boxes):
        row[seen[i]] = people.keypoints[column]
    return row


def watch_clip(
    finder: PeopleFinder,
    images: Iterable[NDArray[np.uint8]],
    truth: Truth,
    camera: Camera,
    floor: tuple[float, float],
    fps: float,
) -> Sightings:
    """Persons of a clip with its truth, image by image; ``floor`` as in ``Sightings``."""
    finder.reset()
    found = np.stack(
        [
            find_in(finder, image, camera, number / fps, truth.boxes[number])
            for number, image in enumerate(images)
        ],
        1,
    )
    count = len(found)
    fov = 2 * np.degrees(np.arctan(camera.width / 2 / camera.focal))
    view = np.tile(np.array([camera.width, camera.height, fov], np.float32), (count, 1))
    keypoints, joints = (np.swapaxes(x, 0, 1).astype(np.float32) for x in (truth.keypoints, truth.joints))
    floors = np.tile(np.array(floor, np.float32), (count, 1))
    return Sightings(found, keypoints, joints, view, floors, np.zeros(count, np.int64), fps)
