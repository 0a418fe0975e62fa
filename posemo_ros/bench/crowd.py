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
    """One whole person per frame, cut out of the demo clip by its ground truth."""
    folder = share_dir("demo")
    boxes = np.load(folder / "people_truth.npz")["boxes"]  # (F, P, 4)
    with open_source(folder / "people.mp4") as source:
        images = [frame.bgr() for frame in source]
    cutouts = []
    for image, row in zip(images, boxes, strict=False):
        height, width = image.shape[:2]
        whole = [b for b in row if (b[:2] >= 0).all() and b[2] < width and b[3] < height]
        if whole:
            x0, y0, x1, y1 = max(whole, key=lambda b: (b[2] - b[0]) * (b[3] - b[1])).astype(int)
            pad = (y1 - y0) // 10
            cutouts.append(image[max(y0 - pad, 0) : y1 + pad, max(x0 - pad, 0) : x1 + pad])
    if not cutouts:
        raise InputError(f"the demo clip in {folder} shows nobody whole; make it again (see its README)")
    return cutouts
