"""Films with as many people as asked for, made from the demo clip."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..inference.resources import share_dir
from ..replay.sources import open_source
from ..types import Frame

RATE_HZ = 30.0
START_S = 3.0  # stamp of the first frame; what runs before, to warm up, has earlier ones
ROWS = ((1, 1), (8, 1), (16, 2), (1000, 4))  # up to so many people -> rows of them
CUT_OUTS = 60


def crowd(people: int, frames: int, size: tuple[int, int]) -> list[Frame]:
    """Frames of that many copies of the demo clip's people, side by side.

    Args:
        people: In every frame.
        frames: How many.
        size: Width and height in pixels.

    Raises:
        InputError: The demo clip shows nobody.
    """
    rows = next(rows for most, rows in ROWS if people <= most)
    columns = -(-people // rows)
    width, height = size[0] // columns, size[1] // rows
    images = []
    for cutout in _cutouts()[: min(frames, CUT_OUTS)]:
        canvas = np.full((size[1], size[0], 3), 127, np.uint8)
        scale = min(width / cutout.shape[1], height / cutout.shape[0])
        small = cv2.resize(cutout, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        for person in range(people):
            left = person % columns * width + (width - small.shape[1]) // 2
            top = person // columns * height + (height - small.shape[0]) // 2
            canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
        images.append(canvas)
    there_and_back = [*images, *images[-2:0:-1]]  # without a jump at the end
    stamps = [round((START_S + i / RATE_HZ) * 1e9) for i in range(frames)]
    return [
        Frame(there_and_back[i % len(there_and_back)], stamp_ns=stamp, frame_id="bench")
        for i, stamp in enumerate(stamps)
    ]


@lru_cache(maxsize=1)
def _cutouts() -> list[NDArray[np.uint8]]:
    """One whole person and nobody else, cut out of the demo clip by its ground truth, frame after frame."""
    folder = share_dir("demo")
    boxes = np.load(folder / "people_truth.npz")["boxes"]  # (F, P, 4)
    with open_source(folder / "people.mp4") as source:
        images = [frame.bgr() for frame in source]
    height, width = images[0].shape[:2]
    cuts = [_alone(boxes[: len(images)], person, (width, height)) for person in range(boxes.shape[1])]
    runs = [_longest(cut) for cut in cuts]
    person = max(range(len(runs)), key=lambda p: len(runs[p]))
    if not runs[person]:
        raise InputError(f"the demo clip in {folder} shows nobody alone; make it again (see its README)")
    return [_cut(images[f], boxes[f, person]) for f in runs[person]]


def _alone(boxes: NDArray[np.float32], person: int, size: tuple[int, int]) -> NDArray[np.bool_]:
    """(F,) whether somebody is whole in the image and nobody else in the cut-out."""
    own, others = _padded(boxes[:, person]), np.delete(boxes, person, axis=1)
    whole = (boxes[:, person, :2] >= 0).all(axis=1) & (boxes[:, person, 2:] < size).all(axis=1)
    apart = (
        (others[..., 2:] < own[:, None, :2])
        | (others[..., :2] > own[:, None, 2:])
        | np.isnan(others[..., :2])
    )
    return np.asarray(whole & np.all(np.any(apart, axis=2), axis=1), np.bool_)


def _longest(alone: NDArray[np.bool_]) -> list[int]:
    """The longest run of frames in which it is so."""
    runs = np.split(np.arange(len(alone)), np.flatnonzero(np.diff(alone)) + 1)
    return max(([*map(int, run)] for run in runs if alone[run[0]]), key=len, default=[])


def _padded(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    pad = (boxes[..., 3:] - boxes[..., 1:2]) / 10
    return np.concatenate([boxes[..., :2] - pad, boxes[..., 2:] + pad], axis=-1)


def _cut(image: NDArray[np.uint8], box: NDArray[np.float32]) -> NDArray[np.uint8]:
    x0, y0, x1, y1 = np.maximum(_padded(box), 0).astype(int)
    return image[y0:y1, x0:x1]
