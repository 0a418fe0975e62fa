"""The estimator with a network whose answer can be worked out: it finds coloured dots."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from posemo_ros.inference.manifest import ImageInput, KeypointSpec
from posemo_ros.inference.session import TensorSpec
from posemo_ros.keypoints.estimator import KeypointEstimator, without_cut_legs
from posemo_ros.types import Frame, PixelOrder

RAW = ImageInput(192, 256, PixelOrder.RGB, (0, 0, 0), (255, 255, 255), pad_value=0)


class BrightSpots:
    """Joint 0 is where red is brightest, joint 1 green, joint 2 blue; the others are nowhere."""

    runtime, precision = "fake", "fp32"
    outputs = (TensorSpec("heatmaps", (-1, 17, 64, 48), "float32"),)

    def __init__(self, batch: int = -1) -> None:
        self.inputs = (TensorSpec("crops", (batch, 3, 256, 192), "float32"),)
        self.batches: list[int] = []

    def run(self, feeds: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
        crops = np.asarray(feeds["crops"], np.float32)
        assert crops.flags.c_contiguous
        assert crops.shape[1:] == (3, 256, 192)
        self.batches.append(len(crops))
        maps = np.zeros((len(crops), 17, 64, 48), np.float32)
        maps[:, :3] = crops[:, :, ::4, ::4]
        return {"heatmaps": maps}


def spots(*places: tuple[int, int], colour: int = 0, size: tuple[int, int] = (480, 640)) -> NDArray[np.uint8]:
    """BGR picture with soft spots of one colour (0 red) at x, y."""
    y, x = np.indices(size)
    image = np.zeros((*size, 3), np.uint8)
    for px, py in places:
        spot = 255 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 12.0**2))
        image[..., 2 - colour] = np.maximum(image[..., 2 - colour], spot.astype(np.uint8))
    return image


def estimator(session: BrightSpots, codec: str = "dark") -> KeypointEstimator:
    return KeypointEstimator(session, KeypointSpec(RAW, codec))  # type: ignore[arg-type]


BOX = [100, 100, 250, 300]


@pytest.mark.parametrize("codec", ["quarter", "dark"])
def test_keypoints_are_in_image_pixels(codec: str) -> None:
    found = estimator(BrightSpots(), codec).estimate(Frame(spots((170, 220))), np.array([BOX], np.float32))
    assert found.shape == (1, 17, 3)
    assert found.dtype == np.float32
    # A cell is 250 * 1.25 / 64 = 3.9 px high; the argmax alone would leave half of that.
    np.testing.assert_allclose(found[0, 0, :2], (170, 220), atol=1.3 if codec == "quarter" else 0.5)
    assert found[0, 0, 2] == pytest.approx(1, abs=0.05)
    np.testing.assert_array_equal(found[0, 3:], [(np.nan, np.nan, 0)] * 14)


def test_everybody_in_one_batch_and_each_in_their_own_crop() -> None:
    session = BrightSpots()
    boxes = np.array([BOX, [400, 100, 550, 300], BOX], np.float32)
    frame = Frame(spots((170, 220), (470, 150)))
    station = estimator(session)
    found = station.estimate(frame, boxes)
    np.testing.assert_allclose(found[:, 0, :2], [(170, 220), (470, 150), (170, 220)], atol=0.5)
    assert session.batches == [3]
    again = station.estimate(frame, boxes[:1])  # the buffer is larger now
    np.testing.assert_array_equal(again, found[:1])
    assert session.batches == [3, 1]


def test_several_images_in_one_batch_and_each_in_its_own_pixels() -> None:
    """Of other sizes, with nobody, and with a box of no area among them; with the flip test, too."""
    spec = KeypointSpec(RAW, "dark", flip_test=True)
    box = np.array([BOX], np.float32)
    nowhere = np.array([[50, 50, 50, 90], BOX], np.float32)
    images = [
        (Frame(spots((170, 220))), box),
        (Frame(spots((150, 240), size=(300, 400))), box[:0]),
        (Frame(spots((150, 240), size=(300, 400))), nowhere),
    ]
    session = BrightSpots()
    station = KeypointEstimator(session, spec)
    found = station.estimate_each(images)
    assert session.batches == [4]
    assert [len(f) for f in found] == [1, 0, 2]
    for one, (frame, boxes) in zip(found, images, strict=True):
        np.testing.assert_array_equal(one, KeypointEstimator(BrightSpots(), spec).estimate(frame, boxes))
    np.testing.assert_allclose(found[2][1, 0, :2], (150, 240), atol=0.5)
    assert station.estimate_each([]) == []


def test_a_model_with_batch_one_is_run_one_by_one() -> None:
    session = BrightSpots(batch=1)
    boxes = np.array([BOX, [400, 100, 550, 300]], np.float32)
    found = estimator(session).estimate(Frame(spots((170, 220), (470, 150))), boxes)
    np.testing.assert_allclose(found[:, 0, :2], [(170, 220), (470, 150)], atol=0.5)
    assert session.batches == [1, 1]


def test_nobody_costs_nothing() -> None:
    session = BrightSpots()
    found = estimator(session).estimate(Frame(spots()), np.zeros((0, 4), np.float32))
    assert found.shape == (0, 17, 3)
    assert session.batches == []


def test_impossible_boxes_give_unknown_and_the_rest_is_unharmed() -> None:
    session = BrightSpots()
    boxes = np.array(
        [
            [50, 50, 50, 90],  # no area
            [90, 90, 50, 50],  # inside out
            [700, 10, 800, 200],  # beside the image
            [np.nan, 0, 10, 10],
            BOX,
        ],
        np.float32,
    )
    found = estimator(session).estimate(Frame(spots((170, 220))), boxes)
    np.testing.assert_array_equal(found[:4], np.tile(np.float32([np.nan, np.nan, 0]), (4, 17, 1)))
    np.testing.assert_allclose(found[4, 0, :2], (170, 220), atol=0.5)
    assert session.batches == [1]


def test_a_box_partly_outside() -> None:
    found = estimator(BrightSpots()).estimate(
        Frame(spots((30, 40))), np.array([[-100, -80, 100, 200]], np.float32)
    )
    np.testing.assert_allclose(found[0, 0, :2], (30, 40), atol=0.7)


class AlwaysBesideTheImage(BrightSpots):
    """Every joint in the crop's left column."""

    def run(self, feeds: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
        maps = super().run(feeds)["heatmaps"]
        maps[:] = 0
        maps[:, :, 32, 0] = 0.9
        return {"heatmaps": maps}


def test_a_peak_outside_the_image_is_not_known() -> None:
    boxes = np.array([[0, 100, 150, 300], [300, 100, 450, 300]], np.float32)
    found = estimator(AlwaysBesideTheImage()).estimate(Frame(spots()), boxes)
    np.testing.assert_array_equal(found[0], [(np.nan, np.nan, 0)] * 17)
    assert (found[1, :, 2] > 0.8).all()


@pytest.mark.parametrize("colour", [0, 1, 2])
def test_channels_arrive_in_the_order_of_the_network(colour: int) -> None:
    bgr = spots((170, 220), colour=colour)
    boxes = np.array([BOX], np.float32)
    from_bgr = estimator(BrightSpots()).estimate(Frame(bgr), boxes)
    rgb = np.ascontiguousarray(bgr[..., ::-1])
    from_rgb = estimator(BrightSpots()).estimate(Frame(rgb, pixel_order=PixelOrder.RGB), boxes)
    np.testing.assert_array_equal(from_bgr, from_rgb)
    assert np.flatnonzero(from_bgr[0, :, 2]).tolist() == [colour]


def test_grey_pictures_have_the_same_in_every_channel() -> None:
    grey = np.ascontiguousarray(spots((170, 220))[..., 2])
    found = estimator(BrightSpots()).estimate(
        Frame(grey, pixel_order=PixelOrder.GRAY), np.array([BOX], np.float32)
    )
    np.testing.assert_allclose(found[0, :3, :2], [(170, 220)] * 3, atol=0.5)


def test_flip_test_averages_with_the_mirrored_answer() -> None:
    """Green (left eye) and blue (right eye) swap under mirroring, so each is seen at half height."""
    session = BrightSpots()
    frame, boxes = Frame(spots((170, 220), colour=1)), np.array([BOX], np.float32)
    flipping = KeypointEstimator(session, KeypointSpec(RAW, "dark", flip_test=True))
    found = flipping.estimate(frame, boxes)
    assert session.batches == [2]
    np.testing.assert_allclose(found[0, 1:3, 2], 0.5, atol=0.05)
    np.testing.assert_allclose(found[0, 1, :2], (170, 220), atol=0.5)
    np.testing.assert_allclose(found[0, 2, :2], (170, 220), atol=1.5)  # a cell's shift, as HRNet's


def test_legs_count_less_where_the_image_ends_at_the_hips() -> None:
    person = np.full((1, 17, 3), 0.5, np.float32)
    person[0, :, 1] = 100  # px
    person[0, 11:13, 1] = 200  # a trunk of 100 px
    legs = slice(13, 17)
    for height, kept in ((260, 0.5), (240, 0.047), (205, 0.047)):
        scores = without_cut_legs(person, height)[0]
        np.testing.assert_allclose(scores[legs], kept, atol=0.001)
        np.testing.assert_array_equal(scores[:13], 0.5)
    person[0, 11:13, :2] = np.nan  # hips unknown: nothing to go by
    np.testing.assert_array_equal(without_cut_legs(person, 205), person[..., 2])
    person[0, legs, 2] = (0, 1, 1, 0)  # no and certainty stay
    person[0, 11:13, 1] = 200
    np.testing.assert_array_equal(without_cut_legs(person, 205)[0, legs], (0, 1, 1, 0))


class Seated:
    """Always sees the same body in the crop: hips at y 250, knees and ankles at y 228."""

    runtime, precision = "fake", "fp32"
    inputs = (TensorSpec("crops", (-1, 3, 256, 192), "float32"),)
    outputs = (TensorSpec("keypoints", (-1, 17, 3), "float32"),)

    def run(self, feeds: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
        points = np.full((len(feeds["crops"]), 17, 3), (96, 140, 0.5), np.float32)
        points[:, 11:13, 1], points[:, 13:, 1] = 250, 228
        return {"keypoints": points}


def test_hips_beyond_the_image_say_that_there_are_no_legs() -> None:
    station = KeypointEstimator(Seated(), KeypointSpec(RAW, "points"))
    box = np.array([[0, 0, 150, 200]], np.float32)
    (cut,) = station.estimate(Frame(np.zeros((200, 300, 3), np.uint8)), box)
    np.testing.assert_array_equal(cut[11:13], [(np.nan, np.nan, 0)] * 2)
    np.testing.assert_allclose(cut[13:, 2], 0.047, atol=0.001)
    assert np.isfinite(cut[13:]).all()
    (whole,) = station.estimate(Frame(np.zeros((400, 300, 3), np.uint8)), box)
    np.testing.assert_array_equal(whole[:, 2], 0.5)
