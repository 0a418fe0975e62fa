"""Views of photos that the starter detector learns from."""

from __future__ import annotations

import numpy as np
import pytest

from posemo_ros.detect.detector import letterbox
from posemo_ros.inference.manifest import ImageInput
from train.data.detect_modules import Letterboxed, Scene, Views, seen_boxes
from train.data.people import Photo

SPEC = ImageInput(320, 320)


def scene() -> Scene:
    """A grey photo with a blue rectangle, which is its only person."""
    pixels = np.full((240, 400, 3), 60, np.uint8)
    pixels[60:200, 150:230] = (200, 20, 20)
    return Scene(Photo("grey", b"", pixels), np.array([[150, 60, 230, 200]], np.float32))


def nobody() -> Scene:
    return Scene(Photo("dark", b"", np.full((50, 90, 3), 9, np.uint8)), np.zeros((0, 4), np.float32))


@pytest.mark.parametrize("seed", range(8))
def test_boxes_move_with_the_picture(seed: int) -> None:
    view, boxes = Views({}, {"one": 1.0}, SPEC).view(scene(), np.random.default_rng(seed))
    assert view.shape == (320, 320, 3)
    blue, _, red = np.moveaxis(view.astype(int), 2, 0)
    rows, columns = np.nonzero(blue - red > 60)
    [box] = boxes
    found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(box, found, atol=2)


def test_batches_hold_as_many_boxes_as_their_fullest_view() -> None:
    pair = scene()
    pair = Scene(pair.photo, np.repeat(pair.boxes, 2, axis=0))
    views = Views({"pair": [pair], "empty": [nobody()]}, {"pair": 3.0, "empty": 1.0}, SPEC)
    batch = views.draw(np.random.default_rng(0), 40)
    assert batch["images"].shape == (40, 320, 320, 3)
    counts = np.isfinite(batch["boxes"]).all(2).sum(1)
    assert batch["boxes"].shape == (40, 2, 4)
    assert set(counts) == {0, 2}
    assert 20 < (counts == 2).sum() < 38


def test_hardly_seen_and_tiny_people_are_left_out() -> None:
    boxes = np.array([[-90, 0, 10, 100], [300, 10, 400, 50], [5, 5, 9, 12], [0, 0, 50, 60]], np.float32)
    seen = seen_boxes(boxes, np.array([[1.0, 0, 0], [0, 1, 0]]), (320, 320))
    np.testing.assert_array_equal(seen, [[0, 0, 50, 60]])


def test_photos_to_judge_on_are_scaled_as_the_station_does() -> None:
    data = Letterboxed({"coco": [scene()], "empty": [nobody()]}, SPEC)
    batch = data[[1, 0]]
    assert len(data) == 2
    assert [(name, rows) for name, _, rows in data.groups()] == [
        ("coco", slice(0, 1)),
        ("empty", slice(1, 2)),
    ]
    canvas, scale = letterbox(scene().photo.pixels(), SPEC)
    np.testing.assert_array_equal(batch["images"][1], canvas)
    assert batch["scales"].tolist() == pytest.approx([320 / 90, 0.8])
    assert scale == 0.8
    assert (canvas[192:] == SPEC.pad_value).all()
