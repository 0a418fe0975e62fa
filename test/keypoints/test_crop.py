"""Where crops lie, against hand calculations and OpenCV's own three-point transform."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from posemo_ros.inference.manifest import ImageInput
from posemo_ros.keypoints.crop import crop_into, place
from posemo_ros.types import Frame, PixelOrder, to_order

RAW = ImageInput(192, 256, PixelOrder.BGR, (0, 0, 0), (1, 1, 1), pad_value=0)


def placed(boxes: list[list[float]], *, unbiased: bool = False, box_scale: float = 1.25):
    return place(np.array(boxes), width=192, height=256, box_scale=box_scale, unbiased=unbiased)


def test_wide_boxes_grow_in_height_and_tall_ones_in_width() -> None:
    found = placed([[0, 0, 300, 100], [0, 0, 30, 400]])
    np.testing.assert_allclose(found.sizes, [[375, 500], [375, 500]])  # 300 x 400 times 1.25, both
    np.testing.assert_allclose(found.centres, [[150, 50], [15, 200]])


@pytest.mark.parametrize(("unbiased", "span"), [(False, (192, 256)), (True, (191, 255))])
def test_the_matrix_is_that_of_three_points(unbiased: bool, span: tuple[int, int]) -> None:
    found = placed([[100, 50, 250, 350]], unbiased=unbiased)
    x, y, w, h = 175 - 281.25 / 2, 200 - 187.5, 281.25, 375.0  # 150 x 300 fills to 225 x 300
    source = np.array([[x, y], [x + w, y], [x, y + h]], np.float32)
    target = np.array([[0, 0], [span[0], 0], [0, span[1]]], np.float32)
    np.testing.assert_allclose(found.matrices[0], cv2.getAffineTransform(source, target), atol=1e-4)


@pytest.mark.parametrize("unbiased", [False, True])
def test_points_go_there_and_back(unbiased: bool) -> None:
    rng = np.random.default_rng(0)
    found = placed([[10, 20, 110, 220], [-50, 3, 7, 9]], unbiased=unbiased)
    points = rng.uniform(-100, 500, (2, 17, 2))
    there = np.einsum("nij,nkj->nki", found.matrices[:, :, :2], points) + found.matrices[:, None, :, 2]
    np.testing.assert_allclose(found.to_image(there), points, atol=1e-9)


def test_a_box_of_the_crop_size_is_copied_and_the_outside_padded() -> None:
    image = np.random.default_rng(0).integers(0, 255, (300, 200, 3), np.uint8)
    spec = ImageInput(192, 256, PixelOrder.RGB, (10, 20, 30), (2, 4, 5), pad_value=40)
    out = np.empty((1, 3, 256, 192), np.float32)
    crop_into(Frame(image), placed([[-10, -20, 182, 236]], box_scale=1.0), spec, out)
    b, g, r = image[:236, :182].astype(np.float32).transpose(2, 0, 1)
    expected = np.stack([(r - 10) / 2, (g - 20) / 4, (b - 30) / 5])
    np.testing.assert_allclose(out[0, :, 20:, 10:], expected, rtol=1e-5, atol=1e-5)
    assert (out[0, :, :20] == np.array([15, 5, 2], np.float32)[:, None, None]).all()  # (40 - mean) / std


@pytest.mark.parametrize("order", list(PixelOrder))
def test_pixel_orders_give_the_same_crops(order: PixelOrder) -> None:
    grey = np.random.default_rng(0).integers(0, 255, (90, 120), np.uint8)
    image = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    image[..., 0] = grey if order is PixelOrder.GRAY else 255 - grey
    where = placed([[10, 10, 50, 80], [60, 0, 140, 100]])
    expected, got = (np.empty((2, 3, 256, 192), np.float32) for _ in range(2))
    crop_into(Frame(image), where, RAW, expected)
    crop_into(Frame(to_order(image, PixelOrder.BGR, order), pixel_order=order), where, RAW, got)
    np.testing.assert_array_equal(got, expected)
