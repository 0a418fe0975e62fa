"""Detector and keypoint network, as shipped, on the people and photos kept apart.

One half (``choose``) fits the calibration and is what constants are chosen on; the other (``report``)
says how good the result is. The fixtures and the demo clip choose nothing.

Symbols: N persons, K = 17 keypoints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from posemo_ros.detect.boxes import pairs
from posemo_ros.keypoints.estimator import KeypointEstimator
from posemo_ros.lift.smooth import OneEuroFilter
from posemo_ros.metrics import keypoint_similarity
from posemo_ros.people import PERSON_M, PeopleFinder
from posemo_ros.types import Frame
from train.data import lspet
from train.data.demo_people import read_demo
from train.data.keypoint_protocol import GROUPS, by_group, similarities
from train.data.people import Person, Photo, by_photo
from train.data.starter_people import HALVES, half, read_coco, read_empty, read_fixtures

LSPET_EVERY = 8
TALL = 60  # px; smaller labelled people do not count in the recall
FOUND = 0.5  # IoU
RIGHT = 0.5  # object keypoint similarity
BINS = 10
SMOOTHING_HZ = (0.0, 1.0, 3.0)
LEGS = [13, 14, 15, 16]
CROWD_TALL, CROWD_TILES = (40, 60, 100), (1, 2)
PANORAMA = (480, 3760)  # px, height and width at most: five cameras of a robot side by side
NAMES = dict(zip(HALVES, ("choose", "report"), strict=True))


def measure(finder: PeopleFinder, data: Path, demo: Path) -> dict[str, Any]:
    """All figures, and the calibration that the choosing half asks for.

    Args:
        finder: Detector and keypoint network.
        data: The development data.
        demo: Folder of the demo clip.
    """
    out: dict[str, Any] = {}
    sport = lspet.read_people(data / "lspet", "val")[::LSPET_EVERY]
    for part, name in NAMES.items():
        people = read_coco(data, part)
        answers = estimate(finder.keypoints, people)
        scores, right = judged(people, answers)
        absent = missing_legs(finder.keypoints, people)
        out[name] = {
            "coco": figures(people, answers),
            "lspet": figures(half(sport, part), estimate(finder.keypoints, half(sport, part))),
            "reliability": reliability(scores, right),
            "missing_legs": {"joints": len(absent), "share_over_0.2": share(absent > 0.2)},
            "found": found(finder, people, read_empty(data, part)),
            "crowd": crowds(finder, people),
            "panorama": in_panoramas(finder, people, read_empty(data, part)),
        }
        if name == "choose":
            everything = (
                np.concatenate([scores, absent]),
                np.concatenate([right, np.zeros(len(absent), bool)]),
            )
            out["calibration"] = calibration(*everything, finder.keypoints.spec.calibration)
    fixtures, clip = read_fixtures(data), read_demo(demo)
    out["val2017_fixtures"] = figures(fixtures, estimate(finder.keypoints, fixtures))
    out["still"] = {f"{hz:g} Hz": still(finder, read_coco(data, "test"), hz) for hz in SMOOTHING_HZ}
    out["demo_clip"] = figures(clip, estimate(finder.keypoints, clip))
    return out


def estimate(station: KeypointEstimator, people: Sequence[Person]) -> NDArray[np.float32]:
    """(N, K, 3) through the station, in the label boxes."""
    return np.concatenate([station.estimate(Frame(p.photo.pixels()), p.box[None]) for p in people])


def figures(people: Sequence[Person], answers: NDArray[np.float32]) -> dict[str, Any]:
    """COCO's figures over all joints, AP by group of joints, mean similarity."""
    groups = by_group(people, answers)
    whole = {k: round(groups["all"][k], 3) for k in ("AP", "AP50", "AP75", "AR")}
    parts = {name: round(groups[name]["AP"], 3) for name in GROUPS if name != "all"}
    oks = round(float(np.nanmean(similarities(people, answers))), 3)
    return {"persons": len(people), **whole, "oks": oks, "AP_by_joints": parts}


def judged(people: Sequence[Person], answers: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Scores (M,) of all labelled joints and whether each is right (similarity over 0.5)."""
    labels = np.stack([p.keypoints for p in people])
    alike = keypoint_similarity(answers, labels, np.array([p.area for p in people]))
    labelled = labels[..., 2] > 0
    return answers[labelled][:, 2], np.nan_to_num(alike[labelled]) > RIGHT


def reliability(scores: NDArray[Any], right: NDArray[Any]) -> dict[str, Any]:
    """How often joints of a score are right, in ten bins; the expected calibration error."""
    index = np.minimum((scores * BINS).astype(int), BINS - 1)
    counts = np.bincount(index, minlength=BINS)
    confidence = np.bincount(index, scores, BINS) / np.maximum(counts, 1)
    true = np.bincount(index, right, BINS) / np.maximum(counts, 1)
    error = float((counts * np.abs(confidence - true)).sum() / counts.sum())
    rows = [
        [round(float(a), 2), round(float(b), 2), int(n)]
        for a, b, n in zip(confidence, true, counts, strict=True)
    ]
    return {"joints": int(counts.sum()), "ece": round(error, 3), "confidence_accuracy_count": rows}


def calibration(
    scores: NDArray[Any], right: NDArray[Any], already: tuple[float, float] = (1.0, 0.0)
) -> list[float]:
    """a, b of ``KeypointSpec.calibration`` by maximum likelihood (Platt, 1999).

    Args:
        scores: (M,) as the station gives them.
        right: (M,) bool.
        already: The calibration in them.
    """
    cut = np.clip(scores.astype(np.float64), 1e-4, 1 - 1e-4)
    logits = (np.log(cut / (1 - cut)) - already[1]) / already[0]

    def loss(ab: NDArray[np.float64]) -> float:
        odds = ab[0] * logits + ab[1]
        return float((np.logaddexp(0, odds) - right * odds).mean())

    a, b = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead").x
    return [round(float(a), 3), round(float(b), 3)]


def missing_legs(station: KeypointEstimator, people: Sequence[Person]) -> NDArray[np.float32]:
    """Scores (M,) of knees and ankles that are cut off, where the photo ends at the hips."""
    scores = []
    for person in people:
        points = person.keypoints
        torso = points[[5, 6, 11, 12]]
        if not (torso[:, 2] > 0).all() or torso[2:, 1].min() - torso[:2, 1].max() < 20:
            continue
        bottom = int(torso[2:, 1].max())
        box = np.array([*person.box[:3], bottom], np.float32)
        cut = np.ascontiguousarray(person.photo.pixels()[:bottom])
        below = [j for j in LEGS if points[j, 2] > 0 and points[j, 1] > bottom]
        scores.append(station.estimate(Frame(cut), box[None])[0, below, 2])
    return np.concatenate(scores)


def share(hits: NDArray[np.bool_]) -> float:
    """Of a condition, rounded."""
    return round(float(hits.mean()), 3)


def found(finder: PeopleFinder, people: Sequence[Person], empty: Sequence[Photo]) -> dict[str, Any]:
    """Recall of tall and of small people, and empty photos that show somebody; every photo by itself."""
    tall: list[bool] = []
    small: list[bool] = []
    for photo, boxes in by_photo(people):
        seen = _alone(finder, photo)
        for box, hit in zip(boxes, are_found(boxes, seen), strict=True):
            (tall if box[3] - box[1] >= TALL else small).append(hit)
    wrong = sum(len(_alone(finder, photo)) > 0 for photo in empty)
    return {
        "tall": [sum(tall), len(tall)],
        "recall": round(float(np.mean(tall)), 3),
        "small": [sum(small), len(small)],
        "empty_photos_with_somebody": [int(wrong), len(empty)],
    }


def are_found(boxes: NDArray[np.float32], seen: NDArray[np.float32]) -> list[bool]:
    """Which of the boxes (n, 4) have one of those seen (m, 4) for themselves."""
    matched = {row for row, _ in pairs(boxes, seen, FOUND)}
    return [row in matched for row in range(len(boxes))]


def crowds(finder: PeopleFinder, people: Sequence[Person]) -> dict[str, list[int]]:
    """Twenty people in one image, found of all, by their height and the detector's tiles."""
    out = {}
    for tall in CROWD_TALL:
        image, boxes = mosaic(people, tall)
        for tiles in CROWD_TILES:
            finder.detector.tiles = tiles
            finder.reset()
            hits = are_found(boxes, finder.find(Frame(image)).boxes)
            out[f"{tall} px, tiles {tiles}"] = [sum(hits), len(boxes)]
    finder.detector.tiles = 1
    return out


def in_panoramas(
    finder: PeopleFinder, people: Sequence[Person], empty: Sequence[Photo]
) -> dict[str, list[int]]:
    """Photos side by side: people over 60 px found of all, and panoramas of nobody that show somebody."""
    hits: list[bool] = []
    for image, boxes in panoramas(by_photo(people)):
        finder.reset()
        tall = boxes[:, 3] - boxes[:, 1] >= TALL
        hits.extend(np.array(are_found(boxes, finder.find(Frame(image)).boxes))[tall].tolist())
    nobody = [image for image, _ in panoramas([(photo, np.empty((0, 4), np.float32)) for photo in empty])]
    wrong = 0
    for image in nobody:
        finder.reset()
        wrong += len(finder.find(Frame(image)).boxes) > 0
    return {"tall": [sum(hits), len(hits)], "with_somebody_of_nobody": [wrong, len(nobody)]}


def panoramas(
    photos: Sequence[tuple[Photo, NDArray[np.float32]]],
) -> list[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """Photos, in their order, scaled to ``PANORAMA``'s height and put side by side up to its width.

    Args:
        photos: Each with the boxes (n, 4) of its people.

    Returns:
        Each image, BGR, and the boxes of its people; the last photos that make no panorama are left out.
    """
    out = list[tuple[NDArray[np.uint8], NDArray[np.float32]]]()
    row, found, width = list[NDArray[np.uint8]](), list[NDArray[np.float32]](), 0
    for photo, boxes in photos:
        pixels = photo.pixels()
        scale = PANORAMA[0] / pixels.shape[0]
        scaled = np.asarray(cv2.resize(pixels, (round(pixels.shape[1] * scale), PANORAMA[0])), np.uint8)
        if width + scaled.shape[1] > PANORAMA[1]:
            out.append((np.hstack(row), np.concatenate(found)))
            row, found, width = [], [], 0
        row.append(scaled)
        found.append(boxes * np.float32(scale) + np.array([width, 0, width, 0], np.float32))
        width += scaled.shape[1]
    return out


def mosaic(people: Sequence[Person], tall: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """(480, 640, 3) BGR of 5 x 4 pieces of photos, each with a person so many pixels high in its middle.

    Returns:
        The image, and the (20, 4) boxes of these people; others may be seen besides.
    """
    chosen = sorted(people, key=lambda p: float(p.box[1] - p.box[3]))[:20]
    image, boxes = np.zeros((480, 640, 3), np.uint8), []
    for number, person in enumerate(chosen):
        corner = np.array([128 * (number % 5), 120 * (number // 5)])
        scale = tall / float(person.box[3] - person.box[1])
        shift = np.array([64, 60]) - scale * (person.box[:2] + person.box[2:]) / 2
        matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
        piece = cv2.warpAffine(_shrunk(person, scale), matrix, (128, 120), borderValue=(114,) * 3)
        image[corner[1] : corner[1] + 120, corner[0] : corner[0] + 128] = piece
        boxes.append(person.box * scale + np.tile(shift + corner, 2))
    return image, np.array(boxes, np.float32)


def _shrunk(person: Person, scale: float) -> NDArray[np.uint8]:
    """The photo, blurred so that shrinking makes no patterns."""
    photo = person.photo.pixels()
    return photo if scale >= 1 else np.asarray(cv2.GaussianBlur(photo, (0, 0), 0.45 / scale), np.uint8)


def still(finder: PeopleFinder, people: Sequence[Person], smoothing_hz: float) -> dict[str, float]:
    """How keypoints of people on a still photo tremble with a camera's noise, and lag when it moves.

    Args:
        finder: The stations.
        people: Of whom the first six who are alone on their photo and tall are looked at.
        smoothing_hz: Of the filter over the keypoints.

    Returns:
        ``jitter``: median over sure joints of the standard deviation over 2 s, as a share of the body
        height; ``lag_frames``: how far the filtered joints are behind in a photo that moves by half a
        body height per second, in frames of 1/30 s.
    """
    finder.smoothing_hz = smoothing_hz
    alone = [p for p in people if sum(q.image_id == p.image_id for q in people) == 1]
    tall = [p for p in alone if p.box[3] - p.box[1] > 100][:6]
    trembling = [_trembling(finder, p) for p in tall]
    finder.smoothing_hz = 0.0
    lags = [_lag(p, smoothing_hz) for p in tall] if smoothing_hz else [0.0]
    return {
        "jitter": round(float(np.median(np.concatenate(trembling))), 5),
        "lag_frames": round(float(np.mean(lags)), 3),
    }


def _trembling(finder: PeopleFinder, person: Person) -> NDArray[np.float64]:
    rng, photo = np.random.default_rng(0), person.photo.pixels().astype(np.float32)
    finder.reset()
    rows = []
    for number in range(60):
        noisy = np.clip(photo + rng.normal(0, 4, photo.shape), 0, 255).astype(np.uint8)
        found = finder.find(Frame(noisy, stamp_ns=number * 33_333_333))
        if len(found) == 1:
            rows.append(found.keypoints[0])
    if len(rows) < 30:
        return np.zeros(0)
    track = np.stack(rows)[10:]
    sure = (track[..., 2] > 0.5).all(axis=0)
    spread = np.linalg.norm(track[:, sure, :2].std(axis=0), axis=-1)
    return np.asarray(spread / (person.box[3] - person.box[1]), np.float64)


def _lag(person: Person, smoothing_hz: float) -> float:
    """Of the filter alone, on labelled joints that move evenly."""
    filter_, height = OneEuroFilter(smoothing_hz), float(person.box[3] - person.box[1])
    points, step = person.keypoints[None, :, :2], height / 2 / 30
    scale = np.array([PERSON_M / height], np.float32)
    for number in range(60):
        moved = points + np.float32(step * number) * np.array([1, 0], np.float32)
        calm = filter_.smooth(number / 30, ("p",), moved, scale)
    return float((moved - calm)[..., 0].mean() / step)


def _alone(finder: PeopleFinder, photo: Photo) -> NDArray[np.float32]:
    finder.reset()
    return finder.find(Frame(photo.pixels())).boxes


def summary(report: Mapping[str, Any]) -> str:
    """One line a set."""
    sets = {
        "coco, choose": report["choose"]["coco"],
        "coco, report": report["report"]["coco"],
        "lspet, report": report["report"]["lspet"],
        "val2017 fixtures": report["val2017_fixtures"],
        "demo clip": report["demo_clip"],
    }
    lines = [
        f"{n:18} {v['persons']:4} people  AP {v['AP']:.3f}  similarity {v['oks']:.3f}"
        for n, v in sets.items()
    ]
    return "\n".join([*lines, f"calibration that the choosing half asks for: {report['calibration']}"])
