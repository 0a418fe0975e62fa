"""Colours of clothes: from an image and keypoints to six numbers, and how unlike two people are."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from posemo_ros.detect.looks import CHANNELS, blend, difference, looks_of, overlapped
from posemo_ros.skeleton import COCO17
from posemo_ros.types import Floats, Frame, PixelOrder

RED, BLUE = (200, 30, 30), (30, 30, 200)


def person(x: float = 100.0, score: float = 0.9) -> Floats:
    """(1, 17, 3): shoulders at 100 px, hips at 180, knees at 240."""
    out = np.full((1, 17, 3), [x, 60, score], np.float32)
    for y, joint in ((100, "shoulder"), (180, "hip"), (240, "knee")):
        for side, dx in (("left", 20), ("right", -20)):
            out[0, COCO17.index(f"{side}_{joint}"), :2] = x + dx, y
    return out


def picture(order: PixelOrder = PixelOrder.RGB) -> Frame:
    """Somebody with a red shirt and blue trousers around x = 100."""
    image = np.full((300, 200, 3), 255, np.uint8)
    image[90:175, 70:130], image[180:250, 70:130] = RED, BLUE
    if order is PixelOrder.GRAY:
        return Frame(image.mean(axis=2).astype(np.uint8), pixel_order=order)
    return Frame(image[..., ::-1].copy() if order is PixelOrder.BGR else image, pixel_order=order)


def cie_lab(rgb: tuple[int, int, int]) -> list[float]:
    """By the formulas of IEC 61966-2-1 and CIE 15, white point D65."""
    c = np.array(rgb) / 255
    linear = np.where(c > 0.04045, ((c + 0.055) / 1.055) ** 2.4, c / 12.92)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ linear / [0.9505, 1.0, 1.089]
    x, y, z = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / 3 / (6 / 29) ** 2 + 4 / 29)
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)]


@pytest.mark.parametrize("order", [PixelOrder.RGB, PixelOrder.BGR])
def test_shirt_and_trousers_in_cie_lab(order: PixelOrder) -> None:
    (look,) = looks_of(picture(order), person())
    np.testing.assert_allclose(look, cie_lab(RED) + cie_lab(BLUE), atol=0.3)


def test_grey_pictures_have_lightness_alone() -> None:
    (look,) = looks_of(picture(PixelOrder.GRAY), person())
    np.testing.assert_allclose(look[[1, 2, 4, 5]], 0, atol=0.1)


@pytest.mark.parametrize("keypoints", [person(score=0.1), person(x=-500.0), person() * np.float32(np.nan)])
def test_who_is_not_seen_has_no_look(keypoints: Floats) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(looks_of(picture(), keypoints)).all()
        assert looks_of(picture(), keypoints[:0]).shape == (0, CHANNELS)


def test_half_a_body_has_half_a_look() -> None:
    keypoints = person()
    for side in ("left", "right"):
        keypoints[0, COCO17.index(f"{side}_knee"), 2] = 0
    (look,) = looks_of(picture(), keypoints)
    assert np.isfinite(look[:3]).all()
    assert np.isnan(look[3:]).all()


def test_difference_is_the_mean_of_what_is_known() -> None:
    nan = np.nan
    a = np.array([[50, 0, 0, 20, 0, 0], [50, 0, 0, nan, nan, nan], [nan] * 6], np.float32)
    b = np.array([[53, 4, 0, 20, 0, 10]], np.float32)
    np.testing.assert_allclose(difference(a, b)[:2, 0], [7.5, 5.0])
    assert np.isnan(difference(a, b)[2, 0])


def test_a_look_follows_slowly_and_keeps_what_is_not_seen() -> None:
    nan = np.nan
    before = np.array([10, 0, 0, 80, 0, 0], np.float32)
    np.testing.assert_allclose(
        blend(before, np.array([20, 0, 0, nan, nan, nan]), 0.5)[0], 10 + 10 * 0.632, atol=0.01
    )
    assert blend(before, np.full(6, nan, np.float32), 0.5).tolist() == before.tolist()
    assert blend(np.full(6, nan, np.float32), before, 0.0).tolist() == before.tolist()


def test_colours_of_two_who_overlap_are_nobodys() -> None:
    boxes = np.array([[0, 0, 50, 100], [20, 0, 70, 100], [200, 0, 250, 100]], np.float32)
    assert overlapped(boxes).tolist() == [True, True, False]
