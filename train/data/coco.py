"""People in COCO's annotation format, and photos without people."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posemo_ros.errors import InputError, reason
from posemo_ros.evaluate.coco_labels import is_crowd, order_of_joints, people_of, placeholders
from posemo_ros.skeleton import COCO17
from posemo_ros.text_files import json_of

from .people import Person, Photo

HOLD_OUT_EVERY = 6
_log = logging.getLogger(__name__)


def read_json(path: Path) -> tuple[dict[int, dict], list[dict]]:  # type: ignore[type-arg]
    """Images by id, and annotations.

    Raises:
        InputError: The file cannot be read or has no images and annotations.
    """
    images, data = _read(path)
    return images, data["annotations"]


def _read(path: Path) -> tuple[dict[int, dict], dict[str, Any]]:  # type: ignore[type-arg]
    """Images by id, and the whole file."""
    try:
        data = json_of(path)
        return {int(i["id"]): i for i in data["images"]}, {**data, "annotations": list(data["annotations"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: expected a COCO annotation file ({reason(error)})") from error


def xyxy(bbox: list[float]) -> NDArray[np.float32]:
    """COCO's x, y, width, height as x1, y1, x2, y2."""
    x, y, w, h = bbox
    return np.array([x, y, x + w, y + h], np.float32)


def read_people(annotations: Path, images: Path, source: str = "coco") -> list[Person]:
    """Everyone with a box and at least one labelled keypoint who is no crowd, in the file's order.

    Raises:
        InputError: The file cannot be read, or an annotation has another form.
    """
    photos, data = _read(annotations)
    entries, order = _labelled_people(annotations, data)
    loaded: dict[int, Photo] = {}  # people of one image share it
    people, empty = list[Person](), list[object]()
    for entry in entries:
        try:
            if not is_crowd(entry) and np.any(np.array(entry["keypoints"][2::3]) > 0):
                image = int(entry["image_id"])
                photo = loaded.setdefault(image, photo_of(photos[image], images))
                person = _person(entry, order, photo, source)
                if not (person.keypoints[:, 2] > 0).any():
                    continue
                if (person.box[2:] > person.box[:2]).all():
                    people.append(person)
                else:
                    empty.append(entry["id"])
        except (KeyError, ValueError, TypeError) as error:
            raise InputError(
                f"{annotations}: annotation {entry.get('id')}: {reason(error)}; expected bbox, area, "
                "17 keypoints and the image_id of one of its images"
            ) from error
    if empty:
        _log.warning(
            "%s: %d people with an empty box are left out, such as %s", annotations, len(empty), empty[0]
        )
    return people


def _labelled_people(path: Path, data: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[int]]:
    """The annotations of people, and the places of COCO's 17 keypoints in theirs."""
    if "categories" not in data:
        return data["annotations"], list(range(len(COCO17)))
    try:
        person, entries = people_of(data)
        order, assumed = order_of_joints(person)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if assumed:
        _log.warning("%s: the %s", path, assumed)
    return entries, order


def photo_of(entry: Mapping[str, Any], images: Path) -> Photo:
    """An image of an annotation file, with its size where the file says it."""
    width, height = (entry.get(side) for side in ("width", "height"))
    size = (int(width), int(height)) if width and height else None
    return Photo(entry["file_name"], images / entry["file_name"], size=size)


def _person(entry: Mapping[str, Any], order: list[int], photo: Photo, source: str) -> Person:
    box, keypoints = xyxy(entry["bbox"]), np.array(entry["keypoints"], np.float32).reshape(-1, 3)
    if len(keypoints) <= max(order):
        raise ValueError(f"it has {len(keypoints)} keypoints")
    keypoints = keypoints[order]
    keypoints[placeholders(keypoints)] = 0
    if not (np.isfinite(box).all() and np.isfinite(keypoints).all()):
        raise ValueError("numbers like NaN")
    return Person(
        photo=photo,
        box=box,
        keypoints=keypoints,
        area=float(entry["area"]),
        complete=np.ones(17, np.bool_),
        outline=np.zeros((0, 2), np.float32),
        image_id=int(entry["image_id"]),
        person_id=int(entry["id"]),
        source=source,
    )


def held_out(image_ids: list[int], every: int = HOLD_OUT_EVERY) -> frozenset[int]:
    """Every sixth image id in ascending order, from the third: never trained on."""
    return frozenset(sorted(set(image_ids))[2::every])


def read_backgrounds(folder: Path) -> list[Photo]:
    """All JPEG files of a folder without people, by name.

    Raises:
        InputError: There is none.
    """
    files = sorted(folder.glob("*.jpg"))
    if not files:
        raise InputError(f"{folder}: no *.jpg files")
    return [Photo(f.name, f) for f in files]


def split_backgrounds(folder: Path) -> tuple[list[Photo], list[Photo]]:
    """Photos without people to train on, and every sixth, from the third, to measure with."""
    photos = read_backgrounds(folder)
    return [p for i, p in enumerate(photos) if i % HOLD_OUT_EVERY != 2], photos[2::HOLD_OUT_EVERY]
