"""Who the starter keypoint networks and the detector learn from, and who is kept apart.

Of the people and photos kept apart, one half is for choosing (weights, thresholds, crop sizes), the
other for reporting: what was chosen on somebody is never reported on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from . import coco, lspet
from .people import Person, Photo
from .teacher import taught

Thing = TypeVar("Thing")
HALVES = ("val", "test")  # choose, report


def half(things: Sequence[Thing], part: str) -> list[Thing]:
    """Every other one: the even ones to choose (``val``), the odd ones to report (``test``)."""
    return list(things[HALVES.index(part) :: 2])


def read_coco(data: Path, part: str) -> list[Person]:
    """People in the COCO photos to train on (``train``), to choose with, or to report."""
    people = coco.read_people(data / "coco_train/person_keypoints.json", data / "coco_train/images")
    apart = coco.held_out([p.image_id for p in people])
    if part == "train":
        return [p for p in people if p.image_id not in apart]
    wanted = set(half(sorted(apart), part))
    return [p for p in people if p.image_id in wanted]


def read_fixtures(data: Path) -> list[Person]:
    """The 12 people with keypoints in four photos of COCO val2017; they chose nothing."""
    return coco.read_people(data / "fixtures/coco/test_coco.json", data / "fixtures/coco")


def read_lspet(data: Path, teacher: Path | None) -> list[Person]:
    """LSPET's training people; with a teacher's answers only those whom it was asked about."""
    people = lspet.read_people(data / "lspet", "train")
    return people if teacher is None else taught(people, teacher)


def read_rendered(folder: Path | None) -> list[Person]:
    """People of ``python -m train scenes pictures``; nobody without a folder."""
    if folder is None:
        return []
    return coco.read_people(folder / "annotations.json", folder / "images", "synthetic")


def read_empty(data: Path, part: str) -> list[Photo]:
    """Photos without people to train on, to choose with, or to report."""
    train, apart = coco.split_backgrounds(data / "backgrounds")
    return train if part == "train" else half(apart, part)
