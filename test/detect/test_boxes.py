"""Overlaps worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from posemo_ros.detect.boxes import areas, inside, iou, pairs

A = np.array([[0, 0, 10, 10], [0, 0, 4, 5]], np.float32)
B = np.array([[5, 0, 15, 10], [20, 20, 30, 30], [0, 0, 10, 10]], np.float32)


def test_overlaps() -> None:
    np.testing.assert_allclose(iou(A, B), [[50 / 150, 0, 1], [0, 0, 0.2]])
    np.testing.assert_allclose(inside(A, B), [[0.5, 0, 1], [0, 0, 1]])


def test_areas_of_boxes_that_are_inside_out() -> None:
    assert areas(np.array([[0, 0, 3, 4], [3, 0, 0, 4], [2, 2, 2, 9]], np.float32)).tolist() == [12, 0, 0]


def test_nobody() -> None:
    none = np.zeros((0, 4), np.float32)
    assert iou(none, B).shape == (0, 3)
    assert inside(A, none).shape == (2, 0)


def test_pairs_are_one_to_one_and_the_best_in_all() -> None:
    one = np.array([[0, 0, 10, 10], [4, 0, 14, 10], [90, 0, 99, 10]], np.float32)
    other = np.array([[3, 0, 13, 10], [0, 0, 9, 10]], np.float32)
    assert pairs(one, other, 0.3) == [(0, 1), (1, 0)]
    assert pairs(one, other, 0.85) == [(0, 1)]


def test_two_that_are_no_pairs_do_not_outweigh_one_that_is() -> None:
    """Overlaps 0.5 of the first two, 0.29 of each with the other's second: 0.58 in all, and no pair."""
    one = np.array([[0, 0, 10, 10], [8.83, 0, 18.83, 10]], np.float32)
    other = np.array([[3.33, 0, 13.33, 10], [-5.5, 0, 4.5, 10]], np.float32)
    assert pairs(one, other, 0.3) == [(0, 0)]


def test_a_box_that_is_not_known_belongs_to_nobody() -> None:
    one = np.array([[0, 0, 10, 10], [np.nan] * 4, [50, 0, 60, np.nan]], np.float32)
    assert pairs(one, one, 0.3) == [(0, 0)]


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 3), (3, 0)])
def test_nobody_belongs_to_nobody(n: int, m: int) -> None:
    assert pairs(np.zeros((n, 4), np.float32), np.zeros((m, 4), np.float32), 0.3) == []
