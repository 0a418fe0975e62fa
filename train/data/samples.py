"""Crops of people to train a keypoint network on, drawn from several groups, and crops of nobody.

Every batch is a function of the generator it is drawn with alone.

Symbols: B batch, J = 17 joints, (w, h) crop size in pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .augment import (
    PAD,
    Augmentation,
    Matrix,
    cover,
    crop_matrix,
    mirror,
    random_crop,
    relight,
    transform,
    warp,
)
from .people import Person, Photo
from .sampling import Batch

UNASKED = 0.3  # weight of "not there" for a joint that nobody could place in a complete label


@dataclass(frozen=True, eq=False)
class Sample:
    """One crop.

    Attributes:
        crop: (h, w, 3) uint8 BGR.
        keypoints: (J, 3) float32 crop px and visibility.
        place: (J,) float32, 1 where the place of the joint is to be learned.
        judge: (J,) float32 weight with which the score is to be learned.
        rough: (J,) bool, where the label says only about where.
        area: px² of the person in the crop.
    """

    crop: NDArray[np.uint8]
    keypoints: NDArray[np.float32]
    place: NDArray[np.float32]
    judge: NDArray[np.float32]
    rough: NDArray[np.bool_]
    area: float


@dataclass(frozen=True, eq=False)
class Nobody:
    """A photo without people.

    Attributes:
        photo: The photo.
        boxes: (N, 4) xyxy px where a detector may see somebody all the same.
    """

    photo: Photo
    boxes: NDArray[np.float32]


class Sampler:
    """Draws samples from several groups of people and from photos without people.

    Args:
        groups: People by name of the group.
        shares: Relative frequency of each group, and of ``empty``.
        empty: Photos without people; also the source of patches that cover people.
        size: (w, h).
        augmentation: Of the crops.
    """

    def __init__(
        self,
        groups: Mapping[str, Sequence[Person]],
        shares: Mapping[str, float],
        empty: Sequence[Nobody],
        size: tuple[int, int],
        augmentation: Augmentation,
    ) -> None:
        self._groups = {name: people for name, people in groups.items() if len(people)}
        self._names = [*self._groups, "empty"]
        weights = np.array([shares[name] for name in self._names], np.float64)
        self._weights = weights / weights.sum()
        self._empty, self._size, self._augmentation = empty, size, augmentation
        self._mistaken = [e for e in empty if len(e.boxes)]

    def draw(self, rng: np.random.Generator, count: int) -> Batch:
        """A batch: ``images`` (B, h, w, 3) uint8 BGR, and the rest of ``Sample``, each with B first."""
        samples = [self.sample(rng) for _ in range(count)]
        return {
            "images": np.stack([s.crop for s in samples]),
            "keypoints": np.stack([s.keypoints for s in samples]),
            "place": np.stack([s.place for s in samples]),
            "judge": np.stack([s.judge for s in samples]),
            "rough": np.stack([s.rough for s in samples]),
            "area": np.array([s.area for s in samples], np.float32),
        }

    def sample(self, rng: np.random.Generator) -> Sample:
        """One crop."""
        name = self._names[int(rng.choice(len(self._names), p=self._weights))]
        if name == "empty":
            return self._nobody(rng)
        people = self._groups[name]
        return self._somebody(people[int(rng.integers(len(people)))], rng)

    def _nobody(self, rng: np.random.Generator) -> Sample:
        """Half of them where a detector is mistaken, if it ever is."""
        mistaken = bool(self._mistaken) and rng.random() < 0.5
        pool = self._mistaken if mistaken else self._empty
        chosen = pool[int(rng.integers(len(pool)))]
        image = chosen.photo.pixels()
        if mistaken:
            box = chosen.boxes[int(rng.integers(len(chosen.boxes)))].astype(np.float64)
            centre, size = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) * np.exp(rng.normal(0.2, 0.15))
        else:
            h, w = image.shape[:2]
            height = rng.uniform(0.25, 1.2) * h
            centre, size = rng.uniform((0, 0), (w, h)), np.array([1.0, height])
        crop = warp(image, crop_matrix(centre, (size[0], size[1]), 0.0, self._size), self._size)
        if rng.random() < 0.5:
            crop = np.asarray(cv2.flip(crop, 1), np.uint8)
        nothing = np.zeros(17, np.float32)
        places = np.zeros((17, 3), np.float32)
        return Sample(self._light(crop, rng), places, nothing, nothing + 1, nothing > 0, 1.0)

    def _light(self, crop: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        a = self._augmentation
        if rng.random() < a.occlude:
            crop = cover(crop, self._empty[int(rng.integers(len(self._empty)))].photo.pixels(), rng)
        return relight(crop, rng) if a.photometric else crop

    def _somebody(self, person: Person, rng: np.random.Generator) -> Sample:
        matrix = random_crop(person, self._size, self._augmentation, rng)
        crop = warp(person.photo.pixels(), matrix, self._size)
        points = np.column_stack((transform(matrix, person.keypoints[:, :2]), person.keypoints[:, 2]))
        labels = np.column_stack((points, person.complete, person.rough)).astype(np.float32)
        if rng.random() < 0.5:
            crop = np.asarray(cv2.flip(crop, 1), np.uint8)
            labels = mirror(labels, self._size[0])
        bottom = self._size[1]
        if rng.random() < self._augmentation.cut:  # the lower edge of the photo
            bottom = int(rng.uniform(0.35, 0.95) * bottom)
            crop[bottom:] = PAD
        points, complete, rough = labels[:, :3], labels[:, 3] > 0, labels[:, 4] > 0
        inside = ((points[:, :2] >= 0) & (points[:, :2] < (self._size[0], bottom))).all(1)
        labelled = points[:, 2] > 0
        return Sample(
            self._light(crop, rng),
            np.ascontiguousarray(points),
            (labelled & inside).astype(np.float32),
            np.where(labelled, 1.0, UNASKED * complete).astype(np.float32),
            rough,
            person.area * _growth(matrix),
        )


def _growth(matrix: Matrix) -> float:
    """Crop px² per photo px²."""
    return float(np.abs(np.linalg.det(matrix[:, :2])))
