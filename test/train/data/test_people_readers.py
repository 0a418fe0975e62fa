"""COCO and LSPET files as people, on tiny files and on the development data."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from posemo_ros.errors import InputError
from posemo_ros.skeleton import COCO17
from train.data import coco, lspet
from train.data.people import by_photo


def annotation(number: int, image: int, **more: object) -> dict[str, object]:
    points = np.zeros((17, 3))
    points[5:] = (3, 4, 2)
    return {
        "id": number,
        "image_id": image,
        "bbox": [1, 2, 10, 20],
        "area": 106,
        "keypoints": points.ravel().tolist(),
        "neck_head_top": [5, 1, 2, 0, 0, 0],
        **more,
    }


def jpeg() -> bytes:
    return cv2.imencode(".png", np.full((30, 20, 3), 77, np.uint8))[1].tobytes()


def test_coco(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    entries = [
        annotation(1, 7),
        annotation(2, 7, iscrowd=1),
        annotation(3, 7, keypoints=[0] * 51),
        annotation(4, 7, bbox=[0, 0, 5, 5]),
    ]
    text = json.dumps({"images": [{"id": 7, "file_name": "a.jpg"}], "annotations": entries})
    (tmp_path / "people.json").write_text(text)
    people = coco.read_people(tmp_path / "people.json", tmp_path)
    assert [p.person_id for p in people] == [1, 4]
    assert people[0].box.tolist() == [1, 2, 11, 22]
    assert people[0].photo is people[1].photo
    assert people[0].photo.pixels().shape == (30, 20, 3)
    [(photo, boxes)] = by_photo(people)
    assert photo is people[0].photo
    assert boxes.tolist() == [[1, 2, 11, 22], [0, 0, 5, 5]]


def test_coco_of_other_tools(tmp_path: Path) -> None:
    """Another order of the joints, another category, joints that are nowhere: as ``posemo evaluate coco``."""
    (tmp_path / "a.jpg").write_bytes(jpeg())
    names = [*COCO17.joints[::-1], "neck"]
    points = [[float(j), float(j) + 1, 2] for j in range(17)]  # of COCO's joint j
    turned = [*points[::-1], [3, 3, 2]]
    nowhere = [*turned[:16], [0, 0, 2], turned[17]]  # the nose
    content = {
        "images": [{"id": 7, "file_name": "a.jpg"}],
        "annotations": [
            {**annotation(1, 7), "category_id": "4", "keypoints": np.ravel(turned).tolist()},
            {**annotation(2, 7), "category_id": "4", "keypoints": np.ravel(nowhere).tolist()},
            {**annotation(3, 7), "category_id": 5, "keypoints": np.ravel(turned).tolist()},
            {**annotation(4, 7), "category_id": 4, "keypoints": [0, 0, 2] * 18},
        ],
        "categories": [{"id": 4, "name": "Person", "keypoints": names}, {"id": 5, "name": "dog"}],
    }
    (tmp_path / "people.json").write_text(json.dumps(content))
    people = coco.read_people(tmp_path / "people.json", tmp_path)
    assert [p.person_id for p in people] == [1, 2]
    assert people[0].keypoints.tolist() == points
    assert people[1].keypoints.tolist() == [[0, 0, 0], *points[1:]]
    content["categories"][0]["keypoints"] = names[5:]  # type: ignore[index]
    (tmp_path / "people.json").write_text(json.dumps(content))
    with pytest.raises(
        InputError, match=r"people\.json: the category has 13 keypoints without COCO's right_hip"
    ):
        coco.read_people(tmp_path / "people.json", tmp_path)


def test_lspet(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "im1.jpg", "shard": "train-00.tar"}]
    content = {"images": images, "annotations": [annotation(1, 1)]}
    (tmp_path / "train.json").write_text(json.dumps(content))
    with tarfile.open(tmp_path / "train-00.tar", "w") as archive:
        member = tarfile.TarInfo("im1.jpg")
        member.size = len(jpeg())
        archive.addfile(member, io.BytesIO(jpeg()))
    [person] = lspet.read_people(tmp_path, "train")
    assert person.complete.tolist() == [False] * 5 + [True] * 12
    assert person.outline.tolist() == [[5, 1]]
    assert int(person.photo.pixels()[0, 0, 0]) == 77
    (tmp_path / "train-00.tar").unlink()
    with pytest.raises(InputError, match="cannot read this shard"):
        lspet.read_people(tmp_path, "train")


def test_what_is_wrong_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(InputError, match=r"bad\.json: expected a COCO annotation file"):
        coco.read_people(tmp_path / "bad.json", tmp_path)
    whole = {"id": 7, "image_id": 1, "bbox": [0, 0, 4, 4], "area": 16, "keypoints": [1, 1, 2] * 17}
    odd = [1, 1, 2] * 16 + [float("nan"), 1, 2]
    for wrong in (
        {"image_id": 2},
        {"bbox": [0, 0, 4]},
        {"keypoints": odd},
        {"keypoints": [1, 1, 2] * 16},
        {"area": None},
    ):
        content = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{**whole, **wrong}]}
        (tmp_path / "bad.json").write_text(json.dumps(content))
        with pytest.raises(InputError, match=r"bad\.json: annotation 7: .*; expected bbox, area"):
            coco.read_people(tmp_path / "bad.json", tmp_path)
    content["annotations"] = [{**whole, "bbox": [3, 3, 0, 4]}, whole]
    (tmp_path / "bad.json").write_text(json.dumps(content))
    assert len(coco.read_people(tmp_path / "bad.json", tmp_path)) == 1
    assert "1 people with an empty box are left out, such as 7" in caplog.text
    with pytest.raises(InputError, match=r"no \*\.jpg files"):
        coco.read_backgrounds(tmp_path)
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"a\.jpg: not an image"):
        coco.read_backgrounds(tmp_path)[0].pixels()


def test_held_out_is_every_sixth() -> None:
    assert coco.held_out([5, 4, 3, 2, 1, 0, 7, 6, 8, 8]) == {2, 8}


@pytest.mark.shared
def test_development_data(shared_data: Path) -> None:
    folder = shared_data / "coco_train"
    people = coco.read_people(folder / "person_keypoints.json", folder / "images")
    assert len(people) == 453
    assert len({p.image_id for p in people}) == 180
    assert len(coco.held_out([p.image_id for p in people])) == 30
    trained, apart = coco.split_backgrounds(shared_data / "backgrounds")
    assert (len(trained), len(apart)) == (387, 78)
    fixtures = coco.read_people(shared_data / "fixtures/coco/test_coco.json", shared_data / "fixtures/coco")
    assert len(fixtures) == 12  # of 14 annotated, two without any keypoint
    [someone] = lspet.read_people(shared_data / "lspet", "val", 1)
    assert (someone.keypoints[5:, 2] > 0).sum() >= 8
