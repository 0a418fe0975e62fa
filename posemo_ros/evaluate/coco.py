"""COCO's average precision and recall of the keypoint station, on people from labels or a detector.

Top-down protocol of HRNet (Sun et al., CVPR 2019): a person's score is the mean score of the
keypoints above 0.2, times that of the box; of two answers that agree (similarity over 0.9) the
better stays. What is measured is what runs: the flip test only where the model's entry asks for it.

Symbols: N people.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from .. import metrics
from ..detect.detector import Detector
from ..errors import InputError
from ..inference.store import ModelStore
from ..keypoints.estimator import KeypointEstimator
from ..pipeline import Models, build_detector, build_keypoints
from ..skeleton import COCO17
from ..types import Detections, Floats, Frame
from .report import Report, Table, rounded, runtimes

Boxes = Literal["gt", "detector"]
GROUPS = {
    "all": COCO17.joints,
    "head": COCO17.joints[:5],
    **{f"{part}s": (f"left_{part}", f"right_{part}") for part in ("shoulder", "elbow", "wrist")},
    **{f"{part}s": (f"left_{part}", f"right_{part}") for part in ("hip", "knee", "ankle")},
}
DETECTOR_THRESHOLD = 0.05  # average precision looks at the doubtful answers too
COUNTED_SCORE = 0.2
SAME_PERSON = 0.9
_BATCH = 16


@dataclass(frozen=True, eq=False)
class Photo:
    """An image and its labelled people: ``boxes`` (N, 4) xyxy px of those who have keypoints."""

    number: int
    path: Path
    boxes: Floats


def evaluate_coco(images: Path, annotations: Path, boxes: Boxes, models: Models, store: ModelStore) -> Report:
    """AP and AR overall and by group of joints.

    Args:
        images: Folder of the images that the annotations name.
        annotations: Keypoints in COCO's format.
        boxes: Where people are looked for: ``gt``: the labels' boxes; ``detector``: those it finds.
        models: Detector, keypoint network and runtime.
        store: Where the models are.

    Raises:
        InputError: Images or annotations cannot be used.
        ModelError: A model cannot be used.
        MissingExtraError: pycocotools is not installed.
    """
    truth = read_truth(annotations)
    metrics.coco_keypoint_ap(truth, [])  # complains now, not after an hour of inference
    photos = _photos(images, truth)
    detector = build_detector(models, store) if boxes == "detector" else None
    keypoints = build_keypoints(models, store)
    results = [r for photo in photos for r in answers(photo, detector, keypoints, _category(truth))]
    groups = {name: _quality(truth, results, joints) for name, joints in GROUPS.items()}
    names, sessions = {"keypoints": models.keypoints}, {"keypoints": keypoints.session}
    if detector is not None:
        names["detector"], sessions["detector"] = models.detector, detector.session
    return Report(
        what="coco",
        samples={
            "images": len(photos),
            "people_with_keypoints": int(sum(len(p.boxes) for p in photos)),
            "answers": len(results),
        },
        models=names,
        runtime=runtimes(sessions),
        protocol=_protocol(images, annotations, boxes, flip_test=keypoints.spec.flip_test),
        results=groups,
        tables=[_table(groups)],
    )


def read_truth(path: Path) -> dict[str, Any]:
    """The people of an annotation file, checked; crowds stay, other categories go.

    Raises:
        InputError: The file cannot be read or is of another form.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        person = _person_category(data["categories"])
        people = [_labelled(a) for a in data["annotations"] if a["category_id"] == person["id"]]
        kept = [{"id": int(i["id"]), "file_name": str(i["file_name"])} for i in data["images"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        said = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{path}: expected keypoint annotations in COCO's format: {said}") from error
    if not any(p["num_keypoints"] for p in people):
        raise InputError(f"{path}: nobody in it has a labelled keypoint")
    strays = sorted({p["image_id"] for p in people} - {i["id"] for i in kept})
    if strays:
        raise InputError(f"{path}: annotations for images it does not list: {strays[:5]}")
    return {"images": kept, "annotations": people, "categories": [person]}


def _person_category(categories: list[dict[str, Any]]) -> dict[str, Any]:
    named = [c for c in categories if c.get("name") == "person"]
    if len(named) != 1:
        raise ValueError(f"one category 'person' among {[c.get('name') for c in categories]}")
    return named[0]


def _labelled(entry: Mapping[str, Any]) -> dict[str, Any]:
    points = [float(v) for v in entry["keypoints"]]
    if len(points) != 3 * len(COCO17):
        raise ValueError(f"annotation {entry['id']} has {len(points)} numbers as keypoints, not 51")
    if len(entry["bbox"]) != 4:
        raise ValueError(f"annotation {entry['id']} has the box {entry['bbox']}, not x, y, width, height")
    return {
        "id": entry["id"],
        "image_id": int(entry["image_id"]),
        "category_id": entry["category_id"],
        "bbox": [float(v) for v in entry["bbox"]],
        "area": float(entry["area"]),
        "iscrowd": int(entry.get("iscrowd", 0)),
        "keypoints": points,
        "num_keypoints": sum(v > 0 for v in points[2::3]),
    }


def _category(truth: Mapping[str, Any]) -> int:
    return int(truth["categories"][0]["id"])


def _photos(folder: Path, truth: Mapping[str, Any]) -> list[Photo]:
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; expected the one with the images")
    people: dict[int, list[list[float]]] = {image["id"]: [] for image in truth["images"]}
    for a in truth["annotations"]:
        if a["num_keypoints"] and not a["iscrowd"] and min(a["bbox"][2:]) > 0:
            people[a["image_id"]].append(a["bbox"])
    missing = [i["file_name"] for i in truth["images"] if not (folder / i["file_name"]).is_file()]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(people)} images of the annotations are not in {folder}: "
            f"{', '.join(missing[:3])}{', …' if len(missing) > 3 else ''}"
        )
    return [Photo(i["id"], folder / i["file_name"], _xyxy(people[i["id"]])) for i in truth["images"]]


def _xyxy(boxes: list[list[float]]) -> Floats:
    rows = np.array(boxes, np.float32).reshape(-1, 4)
    return np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:]], 1)


def answers(
    photo: Photo, detector: Detector | None, keypoints: KeypointEstimator, category: int
) -> list[dict[str, Any]]:
    """COCO results of one image, in the detector's boxes, or without one in those of the labels.

    Raises:
        InputError: The image cannot be read.
    """
    image = cv2.imread(str(photo.path), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(f"cannot read {photo.path} as an image")
    frame = Frame(np.asarray(image, np.uint8))
    found = _found(photo, frame, detector)
    results = list(_results(photo.number, category, found, _estimate(keypoints, frame, found.boxes)))
    if not results:
        return []
    areas = keypoints.spec.box_scale**2 * np.prod(found.boxes[:, 2:] - found.boxes[:, :2], axis=1)
    return [results[i] for i in metrics.oks_nms(results, areas, SAME_PERSON)]


def _found(photo: Photo, frame: Frame, detector: Detector | None) -> Detections:
    if detector is None:
        return Detections(photo.boxes, np.ones(len(photo.boxes), np.float32))
    detector.score_threshold = DETECTOR_THRESHOLD
    return detector.detect(frame)


def _estimate(keypoints: KeypointEstimator, frame: Frame, boxes: Floats) -> Floats:
    parts = [keypoints.estimate(frame, boxes[i : i + _BATCH]) for i in range(0, len(boxes), _BATCH)]
    return np.concatenate(parts) if parts else np.zeros((0, len(COCO17), 3), np.float32)


def _results(number: int, category: int, found: Detections, keypoints: Floats) -> Iterator[dict[str, Any]]:
    for box, box_score, points in zip(found.boxes, found.scores, keypoints, strict=True):
        counted = points[points[:, 2] > COUNTED_SCORE, 2]
        certainty = float(counted.mean()) if len(counted) else 0.0
        nowhere = [2 * box[0] - box[2], 2 * box[1] - box[3], 0]  # one box further to the top left
        known = np.isfinite(points).all(1, keepdims=True)
        yield {
            "image_id": number,
            "category_id": category,
            "keypoints": np.where(known, points, nowhere).astype(float).ravel().tolist(),
            "score": float(box_score) * certainty,
        }


def _quality(
    truth: Mapping[str, Any], results: list[dict[str, Any]], joints: tuple[str, ...]
) -> dict[str, Any]:
    chosen = [COCO17.index(name) for name in joints]
    labelled = [
        sum(a["keypoints"][3 * j + 2] > 0 for j in chosen) for a in truth["annotations"] if not a["iscrowd"]
    ]
    return {
        **rounded(metrics.coco_keypoint_ap(truth, results, joints=chosen)),
        "people": sum(n > 0 for n in labelled),
        "keypoints": sum(labelled),
    }


def _protocol(images: Path, annotations: Path, boxes: Boxes, *, flip_test: bool) -> dict[str, Any]:
    where = {
        "gt": "of the labels (people with at least one labelled keypoint)",
        "detector": f"of the detector, score at least {DETECTOR_THRESHOLD:g}",
    }
    return {
        "images": images.name,
        "annotations": annotations.name,
        "boxes": where[boxes],
        "metric": "COCO keypoint AP and AR (pycocotools), at most 20 answers per image; AP by group of "
        "joints counts these joints alone",
        "person_score": "box score x mean of the keypoint scores above 0.2; keypoint NMS at 0.9",
        "flip_test": "on" if flip_test else "off",
    }


def _table(groups: Mapping[str, Mapping[str, Any]]) -> Table:
    figures = ("AP", "AP50", "AP75", "APM", "APL", "AR")
    rows = [
        [name, *("-" if np.isnan(g[f]) else f"{g[f]:.3f}" for f in figures), g["people"], g["keypoints"]]
        for name, g in groups.items()
    ]
    return Table("keypoints", ["joints", *figures, "people", "keypoints"], rows)
