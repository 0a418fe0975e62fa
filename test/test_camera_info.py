"""Intrinsics for the images that arrive, worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from posemo_ros.camera_info import camera_from_info, other_frame
from posemo_ros.topics import is_rectified

K = [600.0, 0, 319.5, 0, 610.0, 239.5, 0, 0, 1]


def info(**fields: Any) -> Any:
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)
    defaults = {"width": 640, "height": 480, "k": K, "d": [], "distortion_model": "plumb_bob"}
    return SimpleNamespace(**{**defaults, "binning_x": 0, "binning_y": 0, "roi": roi, **fields})


def test_calibrated() -> None:
    camera, note = camera_from_info(info(d=[0.1, -0.2, 0, 0, 0]), 640, 480)
    np.testing.assert_array_equal(camera.matrix.ravel(), K)
    np.testing.assert_array_equal(camera.distortion, [0.1, -0.2, 0, 0, 0])
    assert (camera.width, camera.height, camera.model, camera.assumed) == (640, 480, "plumb_bob", False)
    assert note == ""


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (None, "there is no CameraInfo"),
        (info(k=[0.0] * 9), "all zeros"),
        (info(k=np.zeros((3, 3))), "all zeros"),
        (info(k=[0.0, 0, 320, 0, 0, 240, 0, 0, 1]), "no camera matrix"),
        (info(k=[np.nan] * 9), "no camera matrix"),
    ],
)
def test_not_calibrated(message: Any, why: str) -> None:
    camera, note = camera_from_info(message, 640, 480)
    assert camera.assumed
    assert camera.matrix[0, 0] == pytest.approx(320 / np.tan(np.radians(30)))
    assert why in note
    assert "assuming a horizontal field of view of 60 degrees" in note


@pytest.mark.parametrize(
    ("matrix", "why"),
    [
        (np.reshape(K, (3, 3)).T, "transposed"),
        ([0.001, 0, 319.5, 0, 0.001, 239.5, 0, 0, 1], "focal length 0.001, 0.001 pixels"),
        ([600.0, 0, 319.5, 0, 6e5, 239.5, 0, 0, 1], "focal length 600, 600000"),
        ([600.0, 0, 900.0, 0, 600.0, 239.5, 0, 0, 1], "principal point 900, 239.5 outside 640 x 480"),
        ([600.0, 0, 319.5, 0, 600.0, -3.0, 0, 0, 1], "principal point 319.5, -3 outside"),
        ([600.0, 0, 319.5, 0, 600.0, 239.5, 0, 0, 0], "last row"),
        ([600.0, 0, 0, 0, 600.0, 0, 0, 0, 1], "principal point 0, 0: it lies near the middle"),
    ],
)
def test_what_no_camera_has_is_not_taken(matrix: Any, why: str) -> None:
    camera, note = camera_from_info(info(k=np.ravel(matrix)), 640, 480)
    assert camera.assumed
    assert why in note
    assert "assuming a horizontal field of view" in note


def test_wide_and_long_lenses_are_taken() -> None:
    for focal in (0.14 * 640, 14 * 640):
        camera, note = camera_from_info(info(k=[focal, 0, 319.5, 0, focal, 239.5, 0, 0, 1]), 640, 480)
        assert not camera.assumed
        assert note == ""


def test_other_field_of_view() -> None:
    camera, note = camera_from_info(None, 640, 480, hfov_deg=90)
    assert camera.matrix[0, 0] == pytest.approx(320)
    assert "90 degrees" in note


def test_image_was_scaled() -> None:
    camera, note = camera_from_info(info(), 320, 240)
    np.testing.assert_allclose(camera.matrix, [[300, 0, 159.5], [0, 305, 119.5], [0, 0, 1]])
    assert (camera.width, camera.height) == (320, 240)
    assert (
        note == "CameraInfo is for 640 x 480 pixels, the image has 320 x 240: assuming the image was scaled"
    )


def test_other_proportions() -> None:
    camera, note = camera_from_info(info(), 640, 360)
    assert camera.matrix[1, 1] == pytest.approx(610 * 360 / 480)
    assert "proportions differ" in note


def test_no_size() -> None:
    camera, note = camera_from_info(info(width=0, height=0), 320, 240)
    np.testing.assert_array_equal(camera.matrix.ravel(), K)
    assert "no size" in note


def test_binning_and_region() -> None:
    """A window of the sensor from (100, 40), 400 x 300, binned 2 x 2."""
    roi = SimpleNamespace(x_offset=100, y_offset=40, width=400, height=300)
    camera, note = camera_from_info(info(binning_x=2, binning_y=2, roi=roi), 200, 150)
    np.testing.assert_allclose(camera.matrix, [[300, 0, 109.75], [0, 305, 99.75], [0, 0, 1]])
    assert note == ""


@pytest.mark.parametrize("size", [(400, 300), (0, 0)])
@pytest.mark.parametrize("binning", [0, 2])
def test_a_whole_image_beside_the_camera_info_of_a_part_is_whole(binning: int, size: tuple[int, int]) -> None:
    """It was taken for the part, enlarged: another focal length and another centre."""
    roi = SimpleNamespace(x_offset=100, y_offset=40, width=size[0], height=size[1])
    camera, note = camera_from_info(info(roi=roi, binning_x=binning, binning_y=binning), 640, 480)
    np.testing.assert_array_equal(camera.matrix, np.reshape(info().k, (3, 3)))
    assert "the image has the size of the whole" in note


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"d": [0.1] * 5, "distortion_model": "mei"}, "distortion model 'mei' is unknown"),
        ({"d": [0.1] * 3}, "3 coefficients do not fit the distortion model 'plumb_bob'"),
        ({"d": [np.nan] * 5}, "5 coefficients"),
        ({"d": [0.0] * 4, "distortion_model": "equidistant"}, "all coefficients"),
    ],
)
def test_unusable_distortion(fields: dict[str, Any], why: str) -> None:
    camera, note = camera_from_info(info(**fields), 640, 480)
    assert camera.distortion.size == 0
    assert why in note
    assert "assuming no distortion" in note


def test_all_is_told_together() -> None:
    _, note = camera_from_info(info(d=[0.1] * 3), 320, 240)
    assert "scaled; 3 coefficients" in note


@pytest.mark.parametrize(
    ("name", "count", "model"),
    [
        ("plumb_bob", 5, "plumb_bob"),
        ("Brown Conrady", 5, "plumb_bob"),
        ("radtan", 4, "plumb_bob"),
        ("plumb_bob", 8, "rational_polynomial"),  # as some drivers call it
        ("rational_polynomial", 8, "rational_polynomial"),
        ("rational_polynomial", 5, "rational_polynomial"),
        ("rational_polynomial", 14, "rational_polynomial"),
        ("thin_prism", 12, "rational_polynomial"),
        ("equidistant", 4, "equidistant"),
        ("fisheye", 4, "equidistant"),
        ("kannala_brandt", 4, "equidistant"),
        ("KANNALA-BRANDT4", 4, "equidistant"),
    ],
)
def test_names_of_lens_models(name: str, count: int, model: str) -> None:
    d = [0.001 * (i + 1) for i in range(count)]
    camera, note = camera_from_info(info(d=d, distortion_model=name), 640, 480)
    assert note == ""
    assert camera.model == model
    np.testing.assert_array_equal(camera.distortion, d)
    rays = camera.rays([[100.0, 80.0]])
    np.testing.assert_allclose(camera.project(rays), [[100, 80]], atol=0.05)


def test_fisheye_with_a_fifth_coefficient_of_zero() -> None:
    camera, _ = camera_from_info(info(d=[0.1, 0.01, 0, 0, 0], distortion_model="fisheye"), 640, 480)
    np.testing.assert_array_equal(camera.distortion, [0.1, 0.01, 0, 0])


@pytest.mark.parametrize(
    ("projection", "focal", "centre"),
    [
        ([450.0, 0, 310, -45, 0, 450, 230, 0, 0, 0, 1, 0], (450, 450), (310, 230)),
        ([0.0] * 12, (600, 610), (319.5, 239.5)),  # some senders have none
    ],
)
def test_rectified_images_have_the_rectified_camera(projection: Any, focal: Any, centre: Any) -> None:
    """The CameraInfo beside ``image_rect`` is that of the raw image, but for its P."""
    message = info(d=[-0.3, 0.1, 0, 0, 0], p=projection)
    camera, note = camera_from_info(message, 640, 480, rectified=True)
    assert (camera.matrix[0, 0], camera.matrix[1, 1]) == focal
    assert tuple(camera.matrix[:2, 2]) == centre
    assert not camera.distortion.size
    assert note == ""


@pytest.mark.parametrize(
    ("topic", "rectified"),
    [
        ("/camera/image_rect", True),
        ("/camera/image_rect_color/compressed", True),
        ("/zed/left/color/rect/image", True),
        ("/camera/image_raw", False),
        ("/camera/image_unrectified", False),
        ("/direct/image", False),
    ],
)
def test_rectified_images_are_told_by_their_topic(topic: str, rectified: bool) -> None:
    assert is_rectified(topic) is rectified


def test_camera_turned_by_90_degrees() -> None:
    camera, note = camera_from_info(info(), 480, 640)
    np.testing.assert_array_equal(camera.matrix, [[610, 0, 239.5], [0, 600, 319.5], [0, 0, 1]])
    assert "turned by 90 degrees" in note


def test_camera_turned_by_90_degrees_whose_image_was_scaled() -> None:
    """By hand: turned as above, then half the size; not squeezed to an eighth of the pixels one way."""
    camera, note = camera_from_info(info(), 240, 320)
    np.testing.assert_allclose(camera.matrix, [[305, 0, 119.5], [0, 300, 159.5], [0, 0, 1]])
    assert "turned by 90 degrees; then CameraInfo is for 480 x 640" in note
    assert "proportions differ" not in note


@pytest.mark.parametrize(
    ("of_info", "of_image", "said"),
    [("left_eye", "right_eye", True), ("eye", "/eye", False), ("", "eye", False), ("eye", "", False)],
)
def test_the_frame_of_another_camera_is_said(of_info: str, of_image: str, said: bool) -> None:
    assert bool(other_frame(of_info, of_image)) is said
