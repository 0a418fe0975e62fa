"""Who the starter keypoint network learns from and who is kept apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from train.data import coco, lspet
from train.data.people import Person
from train.starter.teacher import learn_from


@dataclass(frozen=True, eq=False)
class People:
    """People to train on (the first three) and to measure with.

    Attributes:
        lspet: LSPET's training photos, their labels completed by the teacher.
        coco: Five sixths of the COCO photos.
        synthetic: Rendered people; may be empty.
        held_out: The other sixth of the COCO photos.
        lspet_val: LSPET's validation photos, labels as they are.
    """

    lspet: list[Person]
    coco: list[Person]
    synthetic: list[Person]
    held_out: list[Person]
    lspet_val: list[Person]


def read_people(data: Path, teacher: Path | None, synthetic: Path | None) -> People:
    """All people.

    Args:
        data: The development data.
        teacher: Answers stored by ``train.starter.teacher``.
        synthetic: Folder with ``annotations.json`` (COCO's format) and ``images/``.
    """
    photos, apart = read_coco(data)
    rendered = []
    if synthetic:
        rendered = coco.read_people(synthetic / "annotations.json", synthetic / "images", "synthetic")
    return People(
        lspet=_taught(lspet.read_people(data / "lspet", "train"), teacher),
        coco=photos,
        synthetic=rendered,
        held_out=apart,
        lspet_val=lspet.read_people(data / "lspet", "val"),
    )


def read_coco(data: Path) -> tuple[list[Person], list[Person]]:
    """People in the COCO photos to train on, and in those kept apart."""
    photos = coco.read_people(data / "coco_train/person_keypoints.json", data / "coco_train/images")
    apart = coco.held_out([p.image_id for p in photos])
    return [p for p in photos if p.image_id not in apart], [p for p in photos if p.image_id in apart]


def read_fixtures(data: Path) -> list[Person]:
    """The 12 people with keypoints in four photos of COCO val2017."""
    return coco.read_people(data / "fixtures/coco/test_coco.json", data / "fixtures/coco")


def _taught(people: list[Person], answers: Path | None) -> list[Person]:
    """People with the labels ``learn_from`` makes of the teacher's answers."""
    if answers is None:
        return people
    with np.load(answers) as file:
        by_id = dict(zip(file["person_id"].tolist(), file["keypoints"], strict=True))
    return [_corrected(p, by_id[p.person_id]) if p.person_id in by_id else p for p in people]


def _corrected(person: Person, answer: NDArray[np.float32]) -> Person:
    labels = learn_from(person, answer)[0]
    dropped = (person.keypoints[:, 2] > 0) & (labels[:, 2] == 0)  # visible, but nobody knows where
    return replace(person, keypoints=labels, complete=person.complete & ~dropped)
