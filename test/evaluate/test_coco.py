"""COCO figures of known answers, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from posemo_ros.errors import InputError, MissingExtraError
from posemo_ros.evaluate import coco
from posemo_ros.evaluate.coco_labels import read_labels
from posemo_ros.inference.store import ModelStore
from posemo_ros.losses import Losses
from posemo_ros.pipeline import Models
from posemo_ros.types import Detections

from .conftest import coco_file, coco_person

pytest.importorskip("pycocotools")
RIGHT, WRONG = 1, 2  # ids of the two people


class Keypoints:
    """Answers with the labels of the person whose box it is given, ``spoilt`` by a function."""

    spec = SimpleNamespace(box_scale=1.25, flip_test=False)
    session = SimpleNamespace(runtime="onnxruntime", precision="fp32")

    def __init__(self, people: list[dict[str, Any]], spoil) -> None:
        self.people, self.spoil = {p["bbox"][0]: p for p in people}, spoil

    def estimate(self, frame, boxes):
        found = [self.people[float(box[0])] for box in boxes]
        return np.stack(
            [self.spoil(np.reshape(p["keypoints"], (17, 3)).astype(float), p["id"]) for p in found]
        )


def _measure(folder: Path, monkeypatch: pytest.MonkeyPatch, spoil) -> dict[str, Any]:
    people = [coco_person(RIGHT, 10), coco_person(WRONG, 100)]
    monkeypatch.setattr(coco, "build_keypoints", lambda models, store: Keypoints(people, spoil))
    report = coco.evaluate_coco(folder, coco_file(folder, people), "gt", Models(), ModelStore())
    assert report.samples == {"images": 2, "people_with_keypoints": 2, "answers": 2}
    return dict(report.results)


def _sure(points: np.ndarray, score: float = 0.9) -> np.ndarray:
    return np.concatenate([points[:, :2], np.full((17, 1), score)], 1).astype(np.float32)


def test_perfect_keypoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    got = _measure(tmp_path, monkeypatch, lambda points, person: _sure(points))
    assert list(got) == ["all", "head", "shoulders", "elbows", "wrists", "hips", "knees", "ankles"]
    assert [g["AP"] for g in got.values()] == pytest.approx([1] * 8)
    assert [g["AR"] for g in got.values()] == pytest.approx([1] * 8)
    assert [g["keypoints"] for g in got.values()] == [34, 10, 4, 4, 4, 4, 4, 4]


@pytest.mark.parametrize(("score_of_the_wrong", "ap"), [(0.3, 51 / 101), (0.95, 51 / 101 / 2)])
def test_one_of_two_people_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, score_of_the_wrong: float, ap: float
) -> None:
    """Precision is 1 (or, with the wrong answer first, 1/2) up to the recall 1/2: 51 of 101 steps."""

    def spoil(points: np.ndarray, person: int) -> np.ndarray:
        return _sure(points) if person == RIGHT else _sure(points + 500, score_of_the_wrong)

    got = _measure(tmp_path, monkeypatch, spoil)
    assert got["all"]["AP"] == pytest.approx(ap, abs=1e-4)
    assert got["all"]["AR"] == pytest.approx(0.5)


def test_groups_of_joints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrists that are not seen, ankles far off: only these two groups suffer."""

    def spoil(points: np.ndarray, person: int) -> np.ndarray:
        out = _sure(points)
        out[9:11] = np.nan, np.nan, 0
        out[15:17, 0] += 300
        return out

    got = _measure(tmp_path, monkeypatch, spoil)
    bad = {name for name, group in got.items() if group["AP"] == pytest.approx(0, abs=1e-6)}
    good = {name for name, group in got.items() if group["AP"] == pytest.approx(1)}
    assert bad == {"wrists", "ankles"}
    assert good == {"head", "shoulders", "elbows", "hips", "knees"}
    assert 0 < got["all"]["AP"] < 1


def test_boxes_of_the_detector_and_scores(tmp_path: Path) -> None:
    """Box score x mean of the keypoint scores above 0.2; of two answers alike the better stays."""
    people = [coco_person(1, 10), coco_person(2, 100), coco_person(3, 12)]
    boxes = np.array([[p["bbox"][0], 20, p["bbox"][0] + 50, 105] for p in people], np.float32)

    class Detector:
        score_threshold = 0.5

        def detect(self, frame):
            assert self.score_threshold == 0.05
            return Detections(boxes, np.array([0.8, 0.5, 0.4], np.float32))

    def spoil(points: np.ndarray, person: int) -> np.ndarray:
        out = _sure(points, 0.5)
        out[:2, 2] = 1.0, 0.1
        return out

    coco_file(tmp_path)
    photo = coco.Photo(7, tmp_path / "1.png", np.zeros((0, 4), np.float32))
    image = np.zeros((120, 200, 3), np.uint8)
    got = coco.answers(photo, image, Detector(), Keypoints(people, spoil))
    certainty = (1 + 15 * 0.5) / 16
    assert [r["score"] for r in got] == pytest.approx([0.8 * certainty, 0.5 * certainty])
    assert [r["keypoints"][0] for r in got] == [10, 100]
    assert {r["image_id"] for r in got} == {7}


def test_crowds_and_people_without_keypoints_get_no_box(tmp_path: Path) -> None:
    people = [
        coco_person(1, 10),
        coco_person(2, 100, keypoints=[0] * 51),
        coco_person(3, 5, image_id=1, iscrowd=1),
    ]
    photos = coco.photos_of(tmp_path, read_labels(coco_file(tmp_path, people)).truth, Losses())
    assert [len(p.boxes) for p in photos] == [1, 0]
    assert photos[0].boxes.tolist() == [[10, 20, 60, 105]]


def test_other_categories_are_left_out(tmp_path: Path) -> None:
    people = [coco_person(1, 10, category_id=7), coco_person(2, 100, category_id=3)]
    categories = [{"id": 3, "name": "dog"}, {"id": 7, "name": "person"}]
    truth = read_labels(coco_file(tmp_path, people, categories=categories)).truth
    assert [a["bbox"][0] for a in truth["annotations"]] == [10]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}]},
            "one category of people .*--cat",
        ),
        ({"images": None}, "COCO's format"),
        ({"images": [{"id": 1}]}, "no 'file_name'"),
        ({"images": [{"id": 1, "file_name": "1.png"}]}, r"does not list: 2"),
        (
            {"images": [{"id": 1, "file_name": f"{n}.png"} for n in "ab"]},
            r"two images have the id 1: a.png and b",
        ),
        ({"people": [coco_person(1, 10, keypoints=[1, 2, 2])]}, "annotation 1 has 3 numbers"),
        ({"people": [coco_person(1, 10, keypoints=None)]}, "nobody in it"),
        ({"people": [coco_person(1, 0, keypoints=[0.5, 0.5, 2] * 17)]}, "shares of the image"),
        ({"people": [coco_person(1, 10, bbox=[1, 2, 3])]}, "not x, y, width, height"),
        ({"people": [coco_person(1, 10, keypoints=[0] * 51)]}, "nobody in it"),
        ({"people": []}, "nobody in it"),
    ],
)
def test_annotations_refused_with_a_reason(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_labels(coco_file(tmp_path, **changes))


def test_files_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.json"):
        read_labels(tmp_path / "absent.json")
    path = coco_file(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"none of the 2 images .* is in .*: 1\.png, 2\.png"):
        coco.evaluate_coco(tmp_path / "empty", path, "gt", Models(), ModelStore())
    with pytest.raises(InputError, match="is no folder"):
        coco.evaluate_coco(tmp_path / "nowhere", path, "gt", Models(), ModelStore())


def test_without_pycocotools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pycocotools", "pycocotools.coco", "pycocotools.cocoeval"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"pycocotools.*posemo_ros\[evaluate\]"):
        coco.evaluate_coco(tmp_path, coco_file(tmp_path), "gt", Models(), ModelStore())


@pytest.mark.shared
def test_the_development_fixtures(shared_data: Path) -> None:
    folder = shared_data / "fixtures" / "coco"
    labels = read_labels(folder / "test_coco.json")
    assert sum(len(p.boxes) for p in coco.photos_of(folder, labels.truth, Losses())) == 12
    assert labels.notes == ()
