"""A keypoint model beside MoveNet Lightning, on the same people, with boxes from the labels.

Symbols: N persons.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posemo_ros.evaluate.film import BODY_SHARE
from posemo_ros.inference.manifest import KeypointSpec
from posemo_ros.inference.sessions import open_session
from posemo_ros.keypoints.estimator import KeypointEstimator
from posemo_ros.types import Frame
from train.data import lspet
from train.data.people import Person, Photo
from train.starter.detector_report import frames
from train.starter.keypoint_data import read_coco, read_fixtures
from train.starter.keypoint_metrics import by_group, pixel_errors, similarities
from train.starter.teacher import MODEL, MoveNet, box_crop

DEMO_STEP = 5  # every fifth frame of the demo clip


def measure(model: Path, spec: KeypointSpec, data: Path, sport: int, demo: Path) -> Iterator[dict[str, Any]]:
    """Figures of the model and of MoveNet on every set of people.

    Args:
        model, spec: ONNX file and its manifest settings.
        data: The development data.
        sport: Number of LSPET's validation photos.
        demo: Folder of the demo clip; its photos are rendered.
    """
    estimator = KeypointEstimator(open_session(model, runtime="onnxruntime"), spec)
    peer = MoveNet(data / MODEL)
    sets = {
        "coco held out": read_coco(data)[1],
        "val2017 fixtures": read_fixtures(data),
        "lspet val": lspet.read_people(data / "lspet", "val", sport),
        "demo": read_demo(demo),
    }
    for name, people in sets.items():
        yield {"model": model.name, **figures(name, people, _estimate(estimator, people))}
        yield {"model": "MoveNet Lightning", **figures(name, people, _ask(peer, people))}


def figures(name: str, people: Sequence[Person], answers: NDArray[np.float32]) -> dict[str, Any]:
    """Name and size of the set, mean similarity, pixel errors, AP and AR by group of joints."""
    errors = pixel_errors(people, answers)
    groups = by_group(people, answers)
    return {
        "set": name,
        "persons": len(people),
        "mean_oks": round(float(similarities(people, answers).mean()), 3),
        "median_px": round(float(np.median(errors)), 1),
        "share_within_10px": round(float((errors <= 10).mean()), 3),
        "ap_ar": {k: [round(v["AP"], 3), round(v["AR"], 3)] for k, v in groups.items()},
    }


def _estimate(estimator: KeypointEstimator, people: Sequence[Person]) -> NDArray[np.float32]:
    return np.concatenate([estimator.estimate(Frame(p.photo.pixels()), p.box[None]) for p in people])


def _ask(peer: MoveNet, people: Sequence[Person]) -> NDArray[np.float32]:
    return np.stack([peer(p.photo.pixels(), box_crop(p.box)) for p in people])


def read_demo(folder: Path) -> list[Person]:
    """Everyone with at least 8 visible joints in every fifth frame; hidden joints count as unlabelled."""
    with np.load(folder / "people_truth.npz") as truth:
        keypoints, boxes = truth["keypoints"], truth["boxes"]
    people = []
    for number, pixels in frames(folder / "people.mp4", DEMO_STEP):
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
