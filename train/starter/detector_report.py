"""Detectors side by side: labelled people found, empty scenes left alone, a video, the demo clip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posemo_ros.detect.boxes import iou
from posemo_ros.detect.detector import Detector
from posemo_ros.types import Detections, Frame
from train.data import coco
from train.data.demo_people import frames
from train.data.people import by_photo
from train.data.starter_people import read_apart

THRESHOLDS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)
LOWEST = 0.05
TALL = 60  # px; smaller labelled people are not counted
VIDEO = Path("video") / "one-by-one-person-detection.mp4"
VIDEO_STEP = 3


def measure(detectors: Mapping[str, Detector], data: Path, demo: Path) -> Iterator[dict[str, Any]]:
    """Figures of each detector at several thresholds, then how the last agrees with the first."""
    for detector in detectors.values():
        detector.score_threshold = LOWEST
    for name, detector in detectors.items():
        people, empty = _photos(detector, data)
        clip = _demo(detector, demo)
        for threshold in THRESHOLDS:
            yield {
                "model": name,
                "threshold": threshold,
                "persons": len(people),
                "recall": share(people >= threshold),
                "backgrounds": len(empty),
                "clean": share(empty < threshold),
                "demo_persons": len(clip),
                "demo_recall": share(clip >= threshold),
            }
    yield _agreement(list(detectors.values()), data / VIDEO)


def share(hits: NDArray[np.bool_]) -> float:
    """Of a condition, rounded."""
    return round(float(hits.mean()), 3)


def best_score(found: Detections, box: NDArray[np.float32]) -> float:
    """Highest score of a box that overlaps the labelled one by at least half; 0 without one."""
    return float(found.scores[iou(box[None], found.boxes)[0] >= 0.5].max(initial=0))


def _photos(detector: Detector, data: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Best scores (n,) of the tall people held out, highest scores (m,) in the empty photos held out."""
    people = []
    for photo, boxes in by_photo(read_apart(data)):
        found = detector.detect(Frame(photo.pixels()))
        people += [best_score(found, box) for box in boxes if box[3] - box[1] >= TALL]
    empty = [_highest(detector, b.pixels()) for b in coco.split_backgrounds(data / "backgrounds")[1]]
    return np.array(people), np.array(empty)


def _demo(detector: Detector, folder: Path) -> NDArray[np.float64]:
    """Best scores (n,) of the people in every fifth frame of the demo clip with 8 visible joints."""
    with np.load(folder / "people_truth.npz") as truth:
        boxes, seen = truth["boxes"], (truth["keypoints"][..., 2] == 2).sum(axis=2) >= 8
    scores = []
    for number, image in frames(folder / "people.mp4", 5):
        found = detector.detect(Frame(image))
        scores += [best_score(found, box) for box in boxes[number][seen[number]]]
    return np.array(scores)


def _agreement(detectors: list[Detector], video: Path) -> dict[str, Any]:
    """Share of frames in which the first and the last detector both see somebody, or both nobody."""
    highest = np.array([[_highest(d, image) for d in detectors] for _, image in frames(video, VIDEO_STEP)])
    first, last = highest[:, 0] > 0.5, highest[:, -1]
    return {
        "video": video.name,
        "frames": len(first),
        "first_over_0.5": share(first),
        "agreement": {t: share(first == (last > t)) for t in THRESHOLDS},
        "found_where_first_does": {t: share((last > t)[first]) for t in THRESHOLDS},
    }


def _highest(detector: Detector, image: NDArray[np.uint8]) -> float:
    return float(detector.detect(Frame(image)).scores.max(initial=0))
