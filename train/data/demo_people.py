"""The people of the demo clip as labelled people; they are rendered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from posemo_ros.archives import read_npz
from posemo_ros.evaluate.film import BODY_SHARE

from .people import Person, Photo

STEP = 5  # every fifth frame


def frames(video: Path, step: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Every ``step``-th frame (H, W, 3) BGR with its number."""
    capture, number = cv2.VideoCapture(str(video)), 0
    while (image := capture.read()[1]) is not None:
        if number % step == 0:
            yield number, np.asarray(image, np.uint8)
        number += 1


def read_demo(folder: Path) -> list[Person]:
    """Everyone with at least 8 visible joints in every fifth frame; hidden joints count as unlabelled."""
    truth = read_npz(folder / "people_truth.npz", "the truth of the demo clip")
    keypoints, boxes = truth["keypoints"], truth["boxes"]
    people: list[Person] = []
    for number, pixels in frames(folder / "people.mp4", STEP):
        photo = Photo(f"frame {number}", b"", pixels)
        for box, points in zip(boxes[number], keypoints[number], strict=True):
            if (points[:, 2] == 2).sum() >= 8:
                people.append(_rendered(photo, number, len(people), box, points))
    return people


def _rendered(
    photo: Photo, image_id: int, number: int, box: NDArray[np.float32], points: NDArray[np.float32]
) -> Person:
    return Person(
        photo=photo,
        box=box,
        keypoints=np.where(points[:, 2:] == 2, points, 0).astype(np.float32),
        area=float(np.prod(box[2:] - box[:2])) * BODY_SHARE,
        complete=np.zeros(17, np.bool_),
        outline=np.zeros((0, 2), np.float32),
        image_id=image_id,
        person_id=number + 1,
        source="demo",
    )
