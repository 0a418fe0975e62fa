"""Labels as many tools export them: the same AP as with the right file, and a word about what was mended."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from posemo_ros.errors import InputError
from posemo_ros.evaluate import coco
from posemo_ros.evaluate.coco_labels import read_labels
from posemo_ros.inference.store import ModelStore
from posemo_ros.pipeline import Models
from posemo_ros.skeleton import COCO17

from .conftest import coco_file, coco_person

pytest.importorskip("pycocotools")


class NearlyRight:
    """A network that is a few pixels off, so that AP is neither 0 nor 1, wherever it looks."""

    spec = SimpleNamespace(box_scale=1.25, flip_test=False)
    session = SimpleNamespace(runtime="onnxruntime", precision="fp32")

    def estimate(self, frame: Any, boxes: np.ndarray) -> np.ndarray:
        rows = []
        for box in boxes:
            left = 10 if (box[0] + box[2]) / 2 < 70 else 100
            off = 4 if left == 10 else 9
            rows.append([[left + 3 * j + off, 20 + 5 * j, 0.9] for j in range(17)])
        return np.array(rows, np.float32).reshape(-1, 17, 3)


def measured(folder: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(coco, "build_keypoints", lambda models, store: NearlyRight())
    return coco.evaluate_coco(folder, path, "gt", Models(), ModelStore())


def two(**changes: Any) -> list[dict[str, Any]]:
    return [coco_person(1, 10, **changes), coco_person(2, 100, **changes)]


def with_joints(person: dict[str, Any], value: tuple[float, float, int]) -> dict[str, Any]:
    """Three joints in the middle of the row have this value in the place of theirs."""
    points = np.reshape(person["keypoints"], (17, 3))
    points[7:10] = value
    return {**person, "keypoints": points.ravel().tolist()}


SIZED = [{"id": i, "file_name": f"{i}.png", "width": 200, "height": 120} for i in (1, 2)]
SHARE = 2000 / (50 * 85)


@pytest.fixture
def right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> float:
    ap: float = measured(tmp_path, coco_file(tmp_path), monkeypatch).results["all"]["AP"]
    assert 0.2 < ap < 0.9
    return ap


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"people": [{**p, "id": n} for n, p in enumerate(two())]}, ""),
        ({"people": [{**p, "id": "x"} for p in two()]}, ""),
        ({"people": [{k: v for k, v in p.items() if k != "id"} for p in two()]}, ""),
        ({"people": [*two(), coco_person(3, 150, image_id=1, keypoints=None)]}, "no 'keypoints'"),
        ({"people": [*two(), coco_person(3, 150, image_id=1, keypoints=[])]}, "no 'keypoints'"),
        ({"people": [{**p, "keypoints": np.reshape(p["keypoints"], (17, 3)).tolist()} for p in two()]}, ""),
        ({"categories": [{"id": 1, "name": "Person"}]}, ""),
        ({"categories": [{"id": 1, "name": "figure"}]}, ""),
        ({"categories": []}, ""),
        ({"images": [{**i, "file_name": "val2017\\\\" + i["file_name"]} for i in SIZED]}, ""),
        ({"images": [{**i, "file_name": "/somewhere/else/" + i["file_name"]} for i in SIZED]}, ""),
        ({"images": [{**i, "id": str(i["id"])} for i in SIZED]}, ""),
        ({"images": [*SIZED, SIZED[0]]}, ""),
        ({"people": [*two(), *two()]}, "2 people are labelled a second time"),
        ({"people": two(category_id="1")}, ""),
        ({"people": two(iscrowd="false")}, ""),
        ({"people": [with_joints(p, (0, 0, 2)) for p in two()]}, "at 0, 0 or -1, -1 called visible"),
        ({"people": [with_joints(p, (-1, -1, 1)) for p in two()]}, "at 0, 0 or -1, -1 called visible"),
    ],
)
def test_the_same_ap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, right: float, changes: dict[str, Any], says: str
) -> None:
    report = measured(tmp_path, coco_file(tmp_path, **changes), monkeypatch)
    assert report.results["all"]["AP"] == pytest.approx(right, abs=1e-4)
    assert says in " ".join(report.notes)
    assert bool(report.notes) == bool(says)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"area": 0}, "no usable 'area': taken as 0.53"),
        ({"area": None}, "no usable 'area': taken as 0.53"),
        ({"area": -3}, "no usable 'area': taken as 0.53"),
        ({"area": 0.04}, "no usable 'area': taken as 0.53"),
        ({"bbox": None}, "no 'bbox': made from the keypoints"),
        ({"bbox": [30, 20, -10, 85]}, "without extent: made from the keypoints"),
        ({"bbox": [0, 0, 0, 0]}, "without extent: made from the keypoints"),
        ({"bbox": [900, 900, 50, 85]}, "outside their image: made from the keypoints"),
    ],
)
def test_what_is_missing_is_computed_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, right: float, wrong: dict[str, Any], says: str
) -> None:
    report = measured(tmp_path, coco_file(tmp_path, two(**wrong), images=SIZED), monkeypatch)
    assert report.results["all"]["AP"] == pytest.approx(right, abs=0.15)
    assert says in " ".join(report.notes)


def test_a_box_that_does_not_hold_its_keypoints_stays_and_is_named(tmp_path: Path) -> None:
    """COCO's own boxes end at the edge of the image; keypoints need not."""
    labels = read_labels(coco_file(tmp_path, two(bbox=[150, 1, 20, 10], area=100), images=SIZED))
    assert [a["bbox"] for a in labels.truth["annotations"]] == [[150, 1, 20, 10]] * 2
    assert labels.notes == ("2 people have a box that does not hold most of their keypoints: taken as it is",)


def test_area_of_the_outline(tmp_path: Path) -> None:
    outline = [[10, 20, 60, 20, 60, 60, 10, 60]]
    labels = read_labels(coco_file(tmp_path, two(area=0, segmentation=outline)))
    assert [a["area"] for a in labels.truth["annotations"]] == [2000, 2000]


def test_a_keypoint_out_of_this_world_is_refused(tmp_path: Path) -> None:
    path = coco_file(tmp_path)
    data = json.loads(path.read_text())
    data["annotations"][0]["keypoints"][0] = 1e308
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=r"annotation \d+ has a keypoint at 1e\+308 pixels"):
        read_labels(path)


def test_files_of_another_form_are_named(tmp_path: Path) -> None:
    path = coco_file(tmp_path)
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data["annotations"]))
    with pytest.raises(InputError, match="'annotations' and 'categories', not a list"):
        read_labels(path)
    path.write_bytes(gzip.compress(json.dumps(data).encode()))
    with pytest.raises(InputError, match="packed by gzip"):
        read_labels(path)


def test_byte_order_mark(tmp_path: Path) -> None:
    path = coco_file(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(read_labels(path).truth["annotations"]) == 2


def test_keypoints_in_another_order_are_told_by_their_names(tmp_path: Path) -> None:
    order = list(reversed(range(17)))
    names = [COCO17.joints[i].replace("_", " ").title() for i in order]
    people = two()
    for person in people:
        person["keypoints"] = np.reshape(person["keypoints"], (17, 3))[order].ravel().tolist()
    path = coco_file(tmp_path, people, categories=[{"id": 1, "name": "person", "keypoints": names}])
    points = read_labels(path).truth["annotations"][0]["keypoints"]
    assert points == coco_person(1, 10)["keypoints"]


def test_an_image_that_is_missing_or_damaged_is_a_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, right: float
) -> None:
    images = [*SIZED, {"id": 98, "file_name": "98.png"}, {"id": 99, "file_name": "99.png"}]
    path = coco_file(tmp_path, [*two(), coco_person(4, 10, image_id=99)], images=images)
    (tmp_path / "99.png").write_bytes(b"no picture")
    report = measured(tmp_path, path, monkeypatch)
    assert report.results["all"]["AP"] == pytest.approx(right, abs=1e-4)
    assert report.losses["images"] == 2
    assert "98.png" in report.as_text()
    assert "99.png" in report.as_text()


def test_images_of_another_size_than_labelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = coco_file(tmp_path, images=[{**i, "width": 400, "height": 240} for i in SIZED])
    with pytest.raises(InputError, match="labelled for 400x240 px, but the image has 200x120"):
        measured(tmp_path, path, monkeypatch)


def test_exif_orientation_against_the_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, right: float
) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x112] = 6
    images = [{**i, "file_name": f"{i['id']}.jpg"} for i in SIZED]
    path = coco_file(tmp_path, images=images)
    for i in (1, 2):
        picture = Image.fromarray(np.zeros((120, 200, 3), np.uint8))
        picture.save(tmp_path / f"{i}.jpg", exif=exif)
        assert cv2.imread(str(tmp_path / f"{i}.jpg")).shape == (200, 120, 3)
    report = measured(tmp_path, path, monkeypatch)
    assert report.results["all"]["AP"] == pytest.approx(right, abs=1e-4)
    assert "2 images are turned by their EXIF" in " ".join(report.notes)


def test_corners_for_boxes_are_refused(tmp_path: Path) -> None:
    people = [coco_person(1, 10, bbox=[110, 20, 180, 105]), coco_person(2, 100, bbox=[120, 20, 190, 105])]
    for person in people:
        person["keypoints"] = [v for j in range(17) for v in (125 + 3 * j, 20 + 5 * j, 2)]
    with pytest.raises(InputError, match="look like two corners"):
        read_labels(coco_file(tmp_path, people, images=SIZED))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda x, y, w, h: [x + w, y + h, w, h], "3 of 3 boxes do not hold most keypoints"),
        (lambda x, y, w, h: [x / 200, y / 120, w / 200, h / 120], "3 of 3 boxes do not hold most keypoints"),
        (lambda x, y, w, h: {"x": x, "y": y, "w": w, "h": h}, "annotation 1 has .* as 'bbox'; expected x, y"),
    ],
)
def test_boxes_of_another_form_are_refused(tmp_path: Path, wrong: Any, says: str) -> None:
    people = [
        coco_person(n, left, image_id=1, bbox=wrong(left, 20, 50, 85))
        for n, left in ((1, 10), (2, 80), (3, 140))
    ]
    with pytest.raises(InputError, match=says):
        read_labels(coco_file(tmp_path, people, images=SIZED))


def test_images_of_one_name_in_two_folders_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = coco_file(tmp_path)
    data = json.loads(path.read_text())
    for number, image in enumerate(data["images"]):
        folder = tmp_path / f"cam{number}"
        folder.mkdir()
        (tmp_path / image["file_name"]).rename(folder / "1.png")
        image["file_name"] = f"cam{number}/1.png"
    path.write_text(json.dumps(data))
    assert sorted(measured(tmp_path, path, monkeypatch).by_clip) == ["cam0/1.png", "cam1/1.png"]


def test_percent_are_refused(tmp_path: Path) -> None:
    """As Label Studio has them."""
    images = [{**image, "width": 1920, "height": 1080} for image in SIZED]
    people = [coco_person(n, 10 + n, image_id=1, bbox=[10, 20, 50, 60]) for n in (1, 2, 3)]
    with pytest.raises(InputError, match="between 0 and 100 in images far larger; expected pixels, not perc"):
        read_labels(coco_file(tmp_path, people, images=images))


def test_images_without_a_name_are_named(tmp_path: Path) -> None:
    images = [SIZED[0], {**SIZED[1], "file_name": None}]
    with pytest.raises(InputError, match="image 2 has no 'file_name'"):
        read_labels(coco_file(tmp_path, two(), images=images))


def test_never_a_silent_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [coco_person(1, 140, bbox=[140, 20, 50, 85])]
    path = coco_file(tmp_path, people)
    report = measured(tmp_path, path, monkeypatch)
    assert report.results["all"]["AP"] < 0.01
    assert "before you blame the network" in json.dumps(report.notes)
