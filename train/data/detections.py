"""Person boxes of a detector in COCO's result format, as the papers' evaluation uses them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from posemo_ros.skeleton import COCO17
from posemo_ros.text_files import json_of

from .coco import photo_of, read_json, xyxy
from .files import malformed, need
from .people import Person, Photo

SECTION = "COCO keypoints"
PERSON = 1


def read_detections(
    path: Path, annotations: Path, images: Path, *, min_score: float = 0.0
) -> tuple[list[Person], np.ndarray]:
    """Boxes for the images of an annotation file.

    Args:
        path: ``[{"image_id", "category_id", "bbox": [x, y, w, h], "score"}, ...]``.
        annotations: The annotation file; boxes in other images are left out.
        images: Folder of the photos.
        min_score: Boxes below it are left out (HRNet's code keeps all).

    Returns:
        N people without labels; (N,) float32 scores of their boxes.

    Raises:
        InputError: A file is missing or has another form.
    """
    need(path, "a detector's boxes in COCO's result format", SECTION)
    photos, _ = read_json(annotations)
    loaded = {i: photo_of(p, images) for i, p in photos.items()}
    try:
        rows = json_of(path)
        kept = [
            r
            for r in rows
            if int(r.get("category_id", PERSON)) == PERSON
            and int(r["image_id"]) in loaded
            and float(r["score"]) >= min_score
            and r["bbox"][2] > 0
            and r["bbox"][3] > 0
        ]
        scores = np.array([r["score"] for r in kept], np.float32)
        if unknown := sum(not np.isfinite([r["score"], *r["bbox"]]).all() for r in rows):
            raise ValueError(f"{unknown} boxes with numbers like NaN")
        return [_person(i, r, loaded) for i, r in enumerate(kept)], scores
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        expected = '[{"image_id": 1, "category_id": 1, "bbox": [x, y, w, h], "score": 0.9}, ...]'
        raise malformed(path, repr(error), expected, SECTION) from error


def _person(number: int, row: Mapping[str, object], photos: Mapping[int, Photo]) -> Person:
    box = xyxy(list(row["bbox"]))  # type: ignore[call-overload]
    image = int(row["image_id"])  # type: ignore[call-overload]
    return Person(
        photo=photos[image],
        box=box,
        keypoints=np.zeros((len(COCO17), 3), np.float32),
        area=float(np.prod(box[2:] - box[:2])),
        complete=np.zeros(len(COCO17), np.bool_),
        outline=np.zeros((0, 2), np.float32),
        image_id=image,
        person_id=number,
        source="detector",
    )
