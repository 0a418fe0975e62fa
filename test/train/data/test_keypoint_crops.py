"""HRNet's crops: what is drawn lands where the labels say, and the numbers are the published ones."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from posemo_ros.errors import InputError
from posemo_ros.inference.manifest import ImageInput, KeypointSpec
from train.data import coco, detections
from train.data.keypoint_crops import (
    HRNET,
    PLAIN,
    KeypointCrops,
    Recipe,
    half_body_box,
    hrnet_crop,
    keypoints_in,
    plain_matrix,
)
from train.data.people import Person, Photo, need_photos

SPEC = KeypointSpec(ImageInput(192, 256), "quarter")


def _person(
    keypoints: np.ndarray, image: np.ndarray | None = None, box: tuple = (100, 50, 160, 250)
) -> Person:
    photo = Photo("drawn", b"")
    photo._pixels = np.zeros((300, 300, 3), np.uint8) if image is None else image
    box = np.array(box, np.float32)
    return Person(
        photo, box, keypoints.astype("f4"), 1000.0, np.ones(17, bool), np.zeros((0, 2), "f4"), 1, 1, "test"
    )


def _spread() -> np.ndarray:
    return np.stack([np.linspace(105, 155, 17), np.linspace(55, 245, 17), np.full(17, 2)], 1)


def test_plain_crop_is_the_box_times_five_quarters() -> None:
    matrix = plain_matrix(np.array([100, 50, 160, 250], "f4"), SPEC)
    # the box is 200 high, wider than 3:4 allows: the crop is 250 px high and 187.5 wide about (130, 150)
    np.testing.assert_allclose(matrix @ [130, 150, 1], [96, 128], atol=1e-4)
    np.testing.assert_allclose(matrix @ [130 - 93.75, 25, 1], [0, 0], atol=1e-4)


@pytest.mark.parametrize("seed", range(8))
def test_drawn_points_appear_under_their_labels(seed: int) -> None:
    """Red dots on left joints, blue ones on right joints, through turn, size, flip and all."""
    points = _spread()
    points[:, 0] = 130 + 20 * np.where(np.arange(17) % 2, -1, 1)
    image = np.zeros((300, 300, 3), np.uint8)
    left = (13, 15)
    for joint in (13, 14, 15, 16):
        colour = (0, 0, 255) if joint in left else (255, 0, 0)
        cv2.circle(image, tuple(int(v) for v in points[joint, :2]), 4, colour, -1)
    points[:13, 2] = 0
    data = KeypointCrops([_person(points, image)], SPEC, Recipe(turned=1, scale=0.2), seed=seed)
    batch = data[[(0, 0)]]
    pixels = batch["images"][0].transpose(1, 2, 0) * SPEC.input.std + np.array(SPEC.input.mean)  # RGB
    for joint in (13, 14, 15, 16):
        x, y, seen = batch["keypoints"][0, joint]
        assert seen > 0
        if 3 < x < 188 and 3 < y < 252:
            r, _, b = pixels[round(float(y)), round(float(x))]
            # a mirrored image shows the left leg where the right one is labelled, so colours change sides
            mirrored = hrnet_crop(
                data.people[0], SPEC, data.recipe, np.random.default_rng((seed, 0, 0))
            ).flipped
            is_left = (joint in left) != mirrored
            assert (r > 120) == is_left, (joint, r, b)
            assert (b > 120) != is_left


def test_targets_peak_at_the_keypoints() -> None:
    data = KeypointCrops([_person(_spread())], SPEC, PLAIN)
    batch = data[[(0, 0)]]
    assert batch["target0"].shape == (1, 17, 64, 48)
    cells = np.round(batch["keypoints"][0, :, :2] / 4)
    for joint in range(17):
        peak = np.unravel_index(batch["target0"][0, joint].argmax(), (64, 48))
        assert np.abs(np.array(peak[::-1]) - cells[joint]).max() <= 1
        assert batch["target0"][0, joint].max() == 1


def test_augmentation_has_the_published_ranges() -> None:
    person, rng = _person(_spread()), np.random.default_rng(0)
    plain = plain_matrix(person.box, SPEC)
    recipe = Recipe(half_body=0)
    crops = [hrnet_crop(person, SPEC, recipe, rng) for _ in range(4000)]
    scales = np.array([np.linalg.norm(plain[0, :2]) / np.linalg.norm(c.matrix[0, :2]) for c in crops])
    assert scales.min() == pytest.approx(0.65, abs=1e-3)
    assert scales.max() == pytest.approx(1.35, abs=1e-3)
    angles = np.degrees([np.arctan2(c.matrix[1, 0], c.matrix[0, 0]) for c in crops])
    assert np.abs(angles).max() == pytest.approx(90, abs=0.01)
    assert np.mean(np.abs(angles) > 1e-6) == pytest.approx(0.6, abs=0.03)
    assert np.mean([c.flipped for c in crops]) == pytest.approx(0.5, abs=0.03)
    # turned about the box's middle, which stays where it was
    for crop in crops[:20]:
        np.testing.assert_allclose(crop.matrix @ [130, 150, 1], [96, 128], atol=1e-3)


def test_half_bodies() -> None:
    person, rng = _person(_spread()), np.random.default_rng(0)
    boxes = [half_body_box(person, 1.25, rng) for _ in range(500)]
    upper = [b for b in boxes if (b[1] + b[3]) / 2 < 150]
    assert len(upper) / len(boxes) == pytest.approx(0.69, abs=0.06)  # P(N(0, 1) < 0.5)
    y = _spread()[:11, 1]
    assert upper[0][3] - upper[0][1] == pytest.approx((y[-1] - y[0]) * 1.5 / 1.25, rel=1e-4)
    few = _spread()
    few[8:, 2] = 0
    crops = {
        hrnet_crop(_person(few), SPEC, HRNET, np.random.default_rng(i)).matrix.tobytes() for i in range(3)
    }
    assert len(crops) == 3


def test_batches_repeat_by_seed_and_epoch() -> None:
    people = [_person(_spread()) for _ in range(3)]
    data, same = (KeypointCrops(people, SPEC, HRNET, seed=1, threads=t) for t in (1, 2))
    keys = [(4, 2), (4, 0)]
    for name, value in data[keys].items():
        np.testing.assert_array_equal(value, same[keys][name])
    assert not np.array_equal(data[[(5, 2)]]["matrices"], data[[(4, 2)]]["matrices"])


def test_flip_changes_names() -> None:
    person = _person(_spread())
    crop = hrnet_crop(person, SPEC, PLAIN, np.random.default_rng(0))
    plain = keypoints_in(person, crop, 192)
    mirrored = keypoints_in(person, type(crop)(crop.matrix, True), 192)
    np.testing.assert_allclose(mirrored[15, :2], [191 - plain[16, 0], plain[16, 1]], rtol=1e-5)


def test_photos_are_not_kept_in_memory(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((300, 300, 3), 80, np.uint8))
    person = _person(_spread())
    stored = dataclasses.replace(person, photo=Photo("a", tmp_path / "a.png"))
    batch = KeypointCrops([stored], SPEC, PLAIN)[[(0, 0)]]
    middle = batch["images"][0, :, 128, 96] * SPEC.input.std + SPEC.input.mean
    np.testing.assert_allclose(middle, 80, atol=1e-3)
    assert stored.photo._pixels is None


@pytest.mark.shared
def test_published_detections_are_read(shared_data: Path) -> None:
    folder = shared_data / "fixtures" / "coco"
    people, scores = detections.read_detections(
        folder / "test_coco_det_AP_H_56.json", folder / "test_coco.json", folder
    )
    assert len(people) == len(scores) == 118
    assert people[0].box[2] > people[0].box[0]
    labelled = coco.read_people(folder / "test_coco.json", folder)
    batch = KeypointCrops(labelled, SPEC, HRNET)[[(0, i) for i in range(4)]]
    assert np.isfinite(batch["images"]).all()
    assert batch["weights"].sum() > 10


def test_photos_that_are_not_there_are_named_at_the_start(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((30, 30, 3)))
    people = [
        dataclasses.replace(_person(_spread()), photo=Photo(n, tmp_path / n)) for n in ("a.png", "b.png")
    ]
    need_photos(people[:1])
    with pytest.raises(InputError, match="nobody to look at: no labelled person, or no box in a photo"):
        need_photos([])
    with pytest.raises(InputError, match=r"b\.png: not there; 1 of 2 photos are missing"):
        need_photos(people)
    with pytest.raises(InputError, match=r"b\.png: cannot be read \(No such file"):
        people[1].photo.pixels()


def test_a_photo_of_another_size_than_its_labels(tmp_path: Path) -> None:
    """Turned by its EXIF orientation it is taken as it is stored, as `posemo evaluate coco` does."""
    exif = Image.Exif()
    exif[0x112] = 6
    Image.new("RGB", (40, 20), "red").save(tmp_path / "a.jpg", exif=exif)
    for size in ((40, 20), (20, 40)):
        entry = {"file_name": "a.jpg", "width": size[0], "height": size[1]}
        assert coco.photo_of(entry, tmp_path).pixels().shape[1::-1] == size
    with pytest.raises(InputError, match=r"a.jpg: labelled for 80 x 40 px, the image has 40 x 20 px"):
        coco.photo_of({"file_name": "a.jpg", "width": 80, "height": 40}, tmp_path).pixels()
    assert coco.photo_of({"file_name": "a.jpg"}, tmp_path).pixels().shape == (40, 20, 3)


def test_boxes_with_unknown_numbers_are_named(tmp_path: Path) -> None:
    annotations = tmp_path / "a.json"
    annotations.write_text(json.dumps({"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": []}))
    whole = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}
    for wrong in ({"score": float("nan")}, {"bbox": [1, 2, float("nan"), 4]}):
        (tmp_path / "d.json").write_text(json.dumps([whole, {**whole, **wrong}]))
        with pytest.raises(InputError, match="d.json: .*1 boxes with numbers like NaN"):
            detections.read_detections(tmp_path / "d.json", annotations, tmp_path)


def test_malformed_detections(tmp_path: Path) -> None:
    annotations = tmp_path / "a.json"
    annotations.write_text(json.dumps({"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": []}))
    with pytest.raises(InputError, match="boxes in COCO's result format"):
        detections.read_detections(tmp_path / "none.json", annotations, tmp_path)
    (tmp_path / "d.json").write_text('[{"image_id": 1}]')
    with pytest.raises(InputError, match=r"KeyError.*expected \[\{"):
        detections.read_detections(tmp_path / "d.json", annotations, tmp_path)
