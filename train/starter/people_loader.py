"""Batches of crops to train the keypoint network on, made by threads ahead of their use.

Every sample is a function of (seed, its number), so a resumed run sees what it would have seen.

Symbols: B batch, J = 17 joints, (w, h) crop size in pixels.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count

import cv2
import numpy as np
from numpy.typing import NDArray

from train.data.augment import Augmentation, cover, mirror, random_crop, relight, transform, warp
from train.data.people import Person, Photo

MEAN = STD = (127.5, 127.5, 127.5)  # -1 to 1, as MoveNet expects
Sample = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32], float]


@dataclass(frozen=True, eq=False)
class Batch:
    """What one step trains on.

    Attributes:
        images: (B, 3, h, w) float32, normalised, R, G, B.
        keypoints: (B, J, 3) float32 crop px and visibility.
        place: (B, J) float32, 1 where the place of the joint is to be learned.
        judge: (B, J) float32 weight with which the score is to be learned.
        area: (B,) float32 px² of the person in the crop.
    """

    images: NDArray[np.float32]
    keypoints: NDArray[np.float32]
    place: NDArray[np.float32]
    judge: NDArray[np.float32]
    area: NDArray[np.float32]


def normalise(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(B, h, w, 3) uint8 BGR -> (B, 3, h, w) float32 RGB, scaled by ``MEAN`` and ``STD``."""
    scaled = (crops[..., ::-1].astype(np.float32) - np.float32(MEAN)) / np.float32(STD)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


class Sampler:
    """Draws samples from several groups of people and from photos without people.

    Args:
        groups: People by name of the group.
        shares: Relative frequency of each group, and of ``empty``.
        empty: Photos without people; also the source of patches that cover people.
        size: (w, h).
    """

    def __init__(
        self,
        groups: dict[str, Sequence[Person]],
        shares: dict[str, float],
        empty: Sequence[Photo],
        size: tuple[int, int],
        augmentation: Augmentation,
        seed: int,
    ) -> None:
        self._groups = {name: people for name, people in groups.items() if len(people)}
        self._names = [*self._groups, "empty"]
        weights = np.array([shares[name] for name in self._names], np.float64)
        self._weights = weights / weights.sum()
        self._empty, self._size = empty, size
        self._augmentation, self._seed = augmentation, seed

    def sample(self, number: int) -> Sample:
        """Crop (h, w, 3), keypoints (J, 3), weights (J, 2) of place and judgement, area."""
        rng = np.random.default_rng((self._seed, number))
        name = self._names[int(rng.choice(len(self._names), p=self._weights))]
        if name == "empty":
            return self._nobody(rng)
        people = self._groups[name]
        return self._somebody(people[int(rng.integers(len(people)))], rng)

    def _nobody(self, rng: np.random.Generator) -> Sample:
        image = self._empty[int(rng.integers(len(self._empty)))].pixels()
        h, w = image.shape[:2]
        cw, ch = self._size
        height = rng.uniform(0.25, 1.2) * h
        scale = ch / height
        centre = rng.uniform((0, 0), (w, h))
        matrix = np.array([[scale, 0, cw / 2 - scale * centre[0]], [0, scale, ch / 2 - scale * centre[1]]])
        crop = warp(image, matrix, self._size)
        weights = np.zeros((17, 2), np.float32)
        weights[:, 1] = 1
        return self._light(crop, rng), np.zeros((17, 3), np.float32), weights, 1.0

    def _light(self, crop: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        a = self._augmentation
        if rng.random() < a.occlude:
            crop = cover(crop, self._empty[int(rng.integers(len(self._empty)))].pixels(), rng)
        return relight(crop, rng) if a.photometric else crop

    def _somebody(self, person: Person, rng: np.random.Generator) -> Sample:
        matrix = random_crop(person, self._size, self._augmentation, rng)
        crop = warp(person.photo.pixels(), matrix, self._size)
        points = np.column_stack((transform(matrix, person.keypoints[:, :2]), person.keypoints[:, 2]))
        complete = person.complete.copy()
        if rng.random() < 0.5:
            crop = np.asarray(cv2.flip(crop, 1), np.uint8)
            points = mirror(points, self._size[0])
            complete = mirror(np.repeat(complete[:, None], 2, 1).astype(np.float32), 0)[:, 1] > 0
        inside = ((points[:, :2] >= 0) & (points[:, :2] < self._size)).all(1)
        labelled = points[:, 2] > 0
        weights = np.stack((labelled & inside, np.where(labelled, 1.0, 0.3 * complete)), 1).astype(np.float32)
        area = person.area * float(np.abs(np.linalg.det(matrix[:, :2])))
        return self._light(crop, rng), points.astype(np.float32), weights, area

    def batch(self, first: int, size: int) -> Batch:
        """Samples ``first`` to ``first + size - 1``."""
        samples = [self.sample(first + i) for i in range(size)]
        crops, points, weights, areas = zip(*samples, strict=True)
        both = np.stack(weights)
        area = np.array(areas, np.float32)
        return Batch(normalise(np.stack(crops)), np.stack(points), both[..., 0], both[..., 1], area)


def batches(sampler: Sampler, start: int, size: int, threads: int = 2, ahead: int = 4) -> Iterator[Batch]:
    """Endless batches from number ``start`` on, made ahead of time."""
    with ThreadPoolExecutor(threads) as pool:
        queue: deque[Future[Batch]] = deque()
        for number in count(start):
            queue.append(pool.submit(sampler.batch, number * size, size))
            if len(queue) > ahead:
                yield queue.popleft().result()
