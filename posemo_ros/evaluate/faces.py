"""How many labelled faces the blur of ``draw.privacy`` covers, with the whole chain in front of it.

A face counts whose nose and eyes are labelled as visible. Its region is a disc around the middle of the
eyes and the nose; a face is covered when ``COVERED`` of the disc lies in what was hidden.

Symbols: N faces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..draw.privacy import Background, Privacy
from ..errors import InputError
from ..inference.store import ModelStore
from ..losses import Losses
from ..pipeline import Models, Settings, build_people
from ..types import Floats, Frame
from .coco import photos_of, read_labelled
from .coco_labels import read_labels
from .plots import WHOLE, bars
from .report import Report, Table, runtimes

RADIUS = 1.5  # of the disc, in distances of the eyes: from the middle of the face to brows and mouth
COVERED = 0.95
SIZES = {"under 4 px": (0, 4), "4 to 8 px": (4, 8), "8 to 16 px": (8, 16), "over 16 px": (16, np.inf)}


def evaluate_faces(images: Path, annotations: Path, models: Models, store: ModelStore) -> Report:
    """Share of the faces that are covered, by their size.

    Args:
        images: Folder of the images that the annotations name.
        annotations: Keypoints in COCO's format.
        models: Detector, keypoint network and runtime.
        store: Where the models are.

    Raises:
        InputError: Images or annotations cannot be used, or show no face.
        ModelError: A model cannot be used.
    """
    labels, losses = read_labels(annotations), Losses()
    finder = build_people(models, store, Settings(detect_every=1))
    faces, covered, done = list[Floats](), list[float](), 0
    for photo in photos_of(images, labels.truth, losses):
        try:
            image, _ = read_labelled(photo)
        except InputError as error:
            losses.add("the image cannot be used", photo.path.name, str(error))
            continue
        done += 1
        finder.reset()
        hidden = Background(Privacy.BLUR).hidden(finder.find(Frame(image)))
        here = labelled_faces(labels.truth, photo.number)
        faces += list(here)
        covered += [share_within(face, hidden) for face in here]
    if not faces:
        raise InputError(f"{annotations} has no face with nose and both eyes labelled as visible")
    results = _by_size(np.array(faces, np.float64)[:, 2] / RADIUS, np.array(covered) >= COVERED)
    sessions = {"detector": finder.detector.session, "keypoints": finder.keypoints.session}
    return Report(
        what="faces",
        samples={"images": done, "faces": len(faces)},
        models={"detector": models.detector, "keypoints": models.keypoints},
        runtime=runtimes(sessions),
        protocol={
            "images": f"{images}, {annotations}; each alone, as if it were the first of a stream",
            "covered": f"{COVERED:.0%} of a disc of {RADIUS} distances of the eyes, around eyes and nose",
        },
        results=results,
        tables=[
            Table(
                "faces covered, by the distance of the eyes",
                ("eyes", "faces", "covered, %"),
                [(name, r["faces"], round(100 * r["covered"], 1)) for name, r in results.items()],
            )
        ],
        plots=[
            bars(
                "Faces covered",
                "By the distance of the eyes in the image.",
                {"covered": {name: r["covered"] for name, r in results.items()}},
                "share",
                range_=WHOLE,
            )
        ],
        notes=labels.notes,
        losses=losses.as_dict(),
    )


def labelled_faces(truth: Mapping[str, Any], image: int) -> NDArray[np.float32]:
    """(N, 3) x px, y px of the middle and radius px of an image's faces with visible nose and eyes."""
    found = []
    for person in (a for a in truth["annotations"] if a["image_id"] == image):
        points = np.array(person["keypoints"], np.float64).reshape(-1, 3)[:3]
        if (points[:, 2] == 2).all():
            eyes = float(np.hypot(*(points[1, :2] - points[2, :2])))
            nose = float(np.hypot(*(points[1:3, :2].mean(axis=0) - points[0, :2])))
            found.append((*points[:, :2].mean(axis=0), RADIUS * max(eyes, nose)))
    return np.array(found, np.float32).reshape(-1, 3)


def share_within(face: Floats, boxes: Sequence[Floats]) -> float:
    """How much of a disc lies in boxes, 0 to 1.

    Args:
        face: (3,) x, y, radius.
        boxes: (4,) each, xyxy.
    """
    steps = np.linspace(-1, 1, 41)
    disc = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    points = face[:2] + face[2] * disc[(disc**2).sum(axis=1) <= 1]
    inside = np.zeros(len(points), bool)
    for box in boxes:
        inside |= ((points >= box[:2]) & (points <= box[2:])).all(axis=1)
    return float(inside.mean())


def _by_size(eyes: NDArray[np.float64], covered: NDArray[np.bool_]) -> dict[str, dict[str, Any]]:
    groups = {name: (eyes >= low) & (eyes < high) for name, (low, high) in SIZES.items()}
    groups["all"] = np.ones(len(eyes), bool)
    return {
        name: {"faces": int(of.sum()), "covered": float(covered[of].mean()) if of.any() else float("nan")}
        for name, of in groups.items()
    }
