"""Crops: keypoints move with the picture, mirrors swap sides, upright means upright."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from posemo_ros.keypoints.crop import place
from train.data import augment
from train.data.people import Person, Photo

SIZE = (144, 192)


def person(keypoints: np.ndarray, box: tuple[float, ...] = (100, 60, 180, 260), source: str = "x") -> Person:
    return Person(
        photo=Photo("none", b""),
        box=np.array(box, np.float32),
        keypoints=keypoints.astype(np.float32),
        area=8000.0,
        complete=np.ones(17, np.bool_),
        outline=np.zeros((0, 2), np.float32),
        image_id=1,
        person_id=1,
        source=source,
    )


def upright_body(angle_deg: float = 0.0) -> np.ndarray:
    """Shoulders 100 px above the hips, turned clockwise on the screen about (150, 160)."""
    points = np.zeros((17, 3))
    for i, xy in {5: (165, 110), 6: (135, 110), 11: (160, 210), 12: (140, 210)}.items():
        points[i] = (*xy, 2)
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    offset = points[:, :2] - (150, 160)
    points[:, :2] = offset @ np.array([[c, s], [-s, c]]) + (150, 160)
    return points


def bright_dot(at: tuple[float, float], scale: float) -> np.ndarray:
    """A black picture with a smooth dot, larger for crops that shrink it."""
    y, x = np.mgrid[0:320, 0:320]
    dot = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * (3 * scale) ** 2))
    return np.repeat((255 * dot).astype(np.uint8)[..., None], 3, 2)


def centroid(image: np.ndarray) -> np.ndarray:
    """x, y of the light that is brighter than the grey around the photo."""
    m = cv2.moments(np.maximum(image[..., 0].astype(float) - augment.PAD, 0))
    return np.array([m["m10"], m["m01"]]) / m["m00"]


@pytest.mark.parametrize("seed", range(6))
def test_a_keypoint_stays_on_what_it_marks(seed: int) -> None:
    at = (150.0, 170.0)
    points = upright_body()
    points[0] = (*at, 2)
    someone = person(points, source="lspet" if seed % 2 else "coco")
    matrix = augment.random_crop(someone, SIZE, augment.Augmentation(), np.random.default_rng(seed))
    crop = augment.warp(bright_dot(at, 1), matrix, SIZE)
    np.testing.assert_allclose(augment.transform(matrix, np.array(at)), centroid(crop), atol=0.5)


def test_shrinking_moves_nothing() -> None:
    matrix = augment.crop_matrix(np.array([160, 160]), (900, 1200), 0, SIZE)
    at = (200.0, 120.0)
    crop = augment.warp(bright_dot(at, 4), matrix, SIZE)
    expected = augment.transform(matrix, np.array(at))
    # cv2.resize puts pixel centres half a pixel apart from the affine map: at most half a crop pixel
    np.testing.assert_allclose(expected, centroid(crop), atol=0.5)


def test_mirror_moves_with_the_picture_and_swaps_sides() -> None:
    points = np.zeros((17, 3), np.float32)
    points[9] = (20, 50, 2)  # left wrist
    image = np.zeros((*SIZE[::-1], 3), np.uint8)
    image[50, 20] = 255
    flipped = augment.mirror(points, SIZE[0])
    assert flipped[10].tolist() == [123, 50, 2]
    assert flipped[9, 2] == 0
    assert cv2.flip(image, 1)[50, 123, 0] == 255


@pytest.mark.parametrize("angle", [0.0, 30.0, -90.0, 170.0])
def test_trunk_angle_is_clockwise_from_upright(angle: float) -> None:
    assert augment.trunk_angle(upright_body(angle)) == pytest.approx(angle, abs=1e-6)


def test_upright_crop_turns_the_trunk_upright_and_holds_the_body() -> None:
    body = upright_body(120.0)
    matrix = augment.upright_crop(person(body), SIZE, -120.0)
    turned = augment.transform(matrix, body[[5, 6, 11, 12], :2])
    assert turned[:2, 1].max() < turned[2:, 1].min()
    assert turned[0, 1] == pytest.approx(turned[1, 1], abs=1e-3)
    assert (turned > 0).all()
    assert (turned < SIZE).all()


def test_trunk_unknown() -> None:
    body = upright_body(45.0)
    body[[11, 12], 2] = 0
    assert augment.trunk_angle(body) == 0


def test_plain_crop_is_the_stations() -> None:
    someone = person(upright_body())
    station = place(someone.box[None], width=SIZE[0], height=SIZE[1], box_scale=1.25, unbiased=False)
    np.testing.assert_allclose(augment.plain_crop(someone, SIZE), station.matrices[0], atol=1e-9)


def test_relight_and_cover_keep_shape_and_leave_the_original() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (192, 144, 3)).astype(np.uint8)
    before = image.copy()
    for _ in range(20):
        assert augment.relight(image, rng).shape == image.shape
        covered = augment.cover(image, np.zeros((50, 40, 3), np.uint8), rng)
        assert 0 < (covered != image).any(2).mean() < 0.16
    np.testing.assert_array_equal(image, before)
