"""COCO's average precision and recall of the keypoint station, on people from labels or a detector.

Top-down protocol of HRNet (Sun et al., CVPR 2019): a person's score is the mean score of the
keypoints above 0.2, times that of the box; of two answers that agree (similarity over 0.9) the
better stays. What is measured is what runs: the flip test only where the model's entry asks for it.

Symbols: N people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .. import metrics
from ..detect.detector import Detector
from ..errors import InputError
from ..inference.store import ModelStore
from ..keypoints.estimator import KeypointEstimator
from ..losses import Losses
from ..pictures import read_picture, to_8bit
from ..pipeline import Models, build_detector, build_keypoints
from ..skeleton import COCO17
from ..types import Detections, Floats, Frame
from .coco_labels import read_labels
from .plots import WHOLE, Plot, bars
from .report import Report, Table, rounded, runtimes

Boxes = Literal["gt", "detector"]
GROUPS = {
    "all": COCO17.joints,
    "head": COCO17.joints[:5],
    **{f"{part}s": (f"left_{part}", f"right_{part}") for part in ("shoulder", "elbow", "wrist")},
    **{f"{part}s": (f"left_{part}", f"right_{part}") for part in ("hip", "knee", "ankle")},
}
DETECTOR_THRESHOLD = 0.05  # average precision looks at the doubtful answers too
_BATCH = 16


@dataclass(frozen=True, eq=False)
class Photo:
    """An image and its labelled people.

    Attributes:
        number: Id in the labels.
        path: Where it is.
        boxes: (N, 4) xyxy px of those who have keypoints.
        size: Width and height as the labels state them, or None.
    """

    number: int
    path: Path
    boxes: Floats
    size: tuple[int | None, int | None] = (None, None)


def evaluate_coco(
    images: Path, annotations: Path, boxes: Boxes, models: Models, store: ModelStore, category: str = ""
) -> Report:
    """AP and AR overall and by group of joints.

    Args:
        images: Folder of the images that the annotations name.
        annotations: Keypoints in COCO's format.
        boxes: Where people are looked for: ``gt``: the labels' boxes; ``detector``: those it finds.
        models: Detector, keypoint network and runtime.
        store: Where the models are.
        category: Name of the category of people; told by itself when empty.

    Raises:
        InputError: Images or annotations cannot be used.
        ModelError: A model cannot be used.
        MissingExtraError: pycocotools is not installed.
    """
    labels = read_labels(annotations, category)
    truth, losses = labels.truth, Losses()
    metrics.coco_keypoint_ap(truth, [])  # complains now, not after an hour of inference
    photos = photos_of(images, truth, losses)
    detector = build_detector(models, store) if boxes == "detector" else None
    keypoints = build_keypoints(models, store)
    results, done, turned = [], [], 0
    for photo in photos:
        try:
            image, as_stored = read_labelled(photo)
        except InputError as error:
            losses.add("the image cannot be used", photo.path.name, str(error))
            continue
        turned += as_stored
        done.append(photo)
        results += answers(photo, image, detector, keypoints)
    if not done:
        raise InputError(f"no image of {len(photos)} can be used: {next(iter(losses)).detail}")
    truth = _of_images(truth, {p.number for p in done})
    groups = {name: _quality(truth, results, joints) for name, joints in GROUPS.items()}
    names, sessions = {"keypoints": models.keypoints}, {"keypoints": keypoints.session}
    if detector is not None:
        names["detector"], sessions["detector"] = models.detector, detector.session
    return Report(
        what="coco",
        samples={
            "images": len(done),
            "people_with_keypoints": int(sum(len(p.boxes) for p in done)),
            "answers": len(results),
        },
        models=names,
        runtime=runtimes(sessions),
        protocol=_protocol(images, annotations, boxes, flip_test=keypoints.spec.flip_test),
        results=groups,
        tables=[_table(groups)],
        plots=_plots(groups),
        by_clip=_by_image(truth, results, done),
        notes=[*labels.notes, *_notes(turned, groups["all"])],
        losses=losses.as_dict(),
    )


def _notes(turned: int, overall: Mapping[str, Any]) -> list[str]:
    notes = []
    if turned:
        notes.append(
            f"{turned} images are turned by their EXIF orientation, but labelled as they are stored: "
            "read as stored"
        )
    if not overall["AR"] > 0:
        notes.append(
            "nobody was found near a label: before you blame the network, see whether labels and images "
            "belong together (size, orientation, order of the joints)"
        )
    return notes


def _of_images(truth: Mapping[str, Any], numbers: set[int]) -> dict[str, Any]:
    """The labels of some images alone."""
    return {
        **truth,
        "images": [i for i in truth["images"] if i["id"] in numbers],
        "annotations": [a for a in truth["annotations"] if a["image_id"] in numbers],
    }


def photos_of(folder: Path, truth: Mapping[str, Any], losses: Losses) -> list[Photo]:
    """The images of the labels that are in the folder; those that are not are losses."""
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; expected the one with the images")
    people: dict[int, list[list[float]]] = {image["id"]: [] for image in truth["images"]}
    for a in truth["annotations"]:
        if a["num_keypoints"] and not a["iscrowd"]:
            people[a["image_id"]].append(a["bbox"])
    files = _Files(folder)
    photos = []
    for image in truth["images"]:
        path = files.find(image["file_name"])
        if path is None:
            losses.add("the image is not in the folder", image["file_name"])
            continue
        size = (image["width"], image["height"])
        photos.append(Photo(image["id"], path, _xyxy(people[image["id"]]), size))
    if not photos:
        missing = [i["file_name"] for i in truth["images"]]
        raise InputError(
            f"none of the {len(missing)} images of the annotations is in {folder}: "
            f"{', '.join(missing[:3])}{', …' if len(missing) > 3 else ''}"
        )
    return photos


class _Files:
    """Finds images under the names that labels have from other machines."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._below: dict[str, list[Path]] | None = None

    def find(self, name: str) -> Path | None:
        """The file, its name taken as it stands, from the folder, or alone anywhere below it."""
        parts = name.replace("\\", "/").split("/")
        for start in range(len(parts)):
            path = self._folder.joinpath(*(p for p in parts[start:] if p not in ("", "..")))
            if path.is_file():
                return path
        if self._below is None:
            self._below = {}
            for path in self._folder.rglob("*"):
                self._below.setdefault(path.name.lower(), []).append(path)
        found = self._below.get(parts[-1].lower(), [])
        return found[0] if len(found) == 1 and found[0].is_file() else None


def read_labelled(photo: Photo) -> tuple[NDArray[np.uint8], bool]:
    """The image as it was labelled, and whether its EXIF orientation had to be left aside.

    Raises:
        InputError: It cannot be read, or has another size than the labels say.
    """
    image = to_8bit(read_picture(photo.path))
    width, height = photo.size
    if not width or not height or image.shape[:2] == (height, width):
        return image, False
    if image.shape[:2] == (width, height):
        stored = to_8bit(read_picture(photo.path, as_stored=True))
        if stored.shape[:2] == (height, width):
            return stored, True
    raise InputError(f"labelled for {width}x{height} px, but the image has {image.shape[1]}x{image.shape[0]}")


def _xyxy(boxes: list[list[float]]) -> Floats:
    rows = np.array(boxes, np.float32).reshape(-1, 4)
    return np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:]], 1)


def answers(
    photo: Photo, image: NDArray[np.uint8], detector: Detector | None, keypoints: KeypointEstimator
) -> list[dict[str, Any]]:
    """COCO results of one (H, W, 3) image, in the detector's boxes, or without one in those of the labels."""
    frame = Frame(image)
    found = _found(photo, frame, detector)
    points = _estimate(keypoints, frame, found.boxes)
    areas = keypoints.spec.box_scale**2 * np.prod(found.boxes[:, 2:] - found.boxes[:, :2], axis=1)
    return metrics.coco_results([photo.number] * len(points), points, found.scores, areas)


def _found(photo: Photo, frame: Frame, detector: Detector | None) -> Detections:
    if detector is None:
        return Detections(photo.boxes, np.ones(len(photo.boxes), np.float32))
    detector.score_threshold = DETECTOR_THRESHOLD
    return detector.detect(frame)


def _estimate(keypoints: KeypointEstimator, frame: Frame, boxes: Floats) -> Floats:
    parts = [keypoints.estimate(frame, boxes[i : i + _BATCH]) for i in range(0, len(boxes), _BATCH)]
    return np.concatenate(parts) if parts else np.zeros((0, len(COCO17), 3), np.float32)


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


def _by_image(
    truth: Mapping[str, Any], results: Sequence[Mapping[str, Any]], photos: Sequence[Photo]
) -> dict[str, dict[str, float]]:
    """``oks`` of each image with labelled keypoints: of the best answer, mean over its people.

    A person without an answer has 0. AP belongs to a set of images; this figure belongs to each, so that two
    networks can be compared image by image.
    """
    found: dict[int, list[Floats]] = {}
    for r in results:
        found.setdefault(r["image_id"], []).append(np.reshape(r["keypoints"], (-1, 3))[:, :2])
    rows: dict[int, list[float]] = {}
    for a in truth["annotations"]:
        if a["num_keypoints"] and not a["iscrowd"]:
            answers_here = np.array(found.get(a["image_id"], np.zeros((0, len(COCO17), 2))))
            label = np.broadcast_to(np.reshape(a["keypoints"], (-1, 3)), (len(answers_here), len(COCO17), 3))
            alike = metrics.oks(answers_here, label, np.full(len(answers_here), a["area"]))
            rows.setdefault(a["image_id"], []).append(float(np.nanmax(alike, initial=0.0)))
    names = {photo.number: photo.path.name for photo in photos}
    if len(set(names.values())) < len(names):  # in several folders
        names = {image["id"]: image["file_name"] for image in truth["images"]}
    return {names[number]: rounded({"oks": float(np.mean(values))}) for number, values in rows.items()}


def _plots(groups: Mapping[str, Mapping[str, Any]]) -> list[Plot]:
    figures = {f: {name: float(g[f]) for name, g in groups.items()} for f in ("AP", "AP50", "AP75", "AR")}
    text = "Average precision and recall, all joints and each group of them alone; 1 is perfect."
    return [bars("Keypoints by group of joints", text, figures, "share", range_=WHOLE)]


def _table(groups: Mapping[str, Mapping[str, Any]]) -> Table:
    figures = ("AP", "AP50", "AP75", "APM", "APL", "AR")
    rows = [
        [name, *("-" if np.isnan(g[f]) else f"{g[f]:.3f}" for f in figures), g["people"], g["keypoints"]]
        for name, g in groups.items()
    ]
    return Table("keypoints", ["joints", *figures, "people", "keypoints"], rows)
