"""How many people were found: each by a box of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from train.data.people import Photo
from train.people_report import PANORAMA, are_found, panoramas

TWO = np.array([[0, 0, 100, 100], [0, 20, 100, 120]], np.float32)


def test_one_box_finds_one_of_two_people() -> None:
    assert are_found(TWO, np.array([[0, 10, 100, 110]], np.float32)).count(True) == 1
    assert are_found(TWO, TWO[::-1]) == [True, True]
    assert are_found(TWO, np.empty((0, 4), np.float32)) == [False, False]
    assert are_found(TWO[:0], TWO) == []


def test_panoramas_put_photos_side_by_side_with_their_people(tmp_path: Path) -> None:
    height = PANORAMA[0] // 2
    pictures = [np.full((height, 900, 3), value, np.uint8) for value in (10, 20, 30, 40, 50)]
    photos = [(Photo(str(i), tmp_path, picture), TWO[:1]) for i, picture in enumerate(pictures)]
    (image, boxes), (second, _) = panoramas(photos)
    assert image.shape == (PANORAMA[0], 3600, 3)
    assert second[0, 0, 0] == 30
    assert boxes.tolist() == [[0, 0, 200, 200], [1800, 0, 2000, 200]]
