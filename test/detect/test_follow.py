"""Boxes from keypoints, with corners worked out by hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posemo_ros.detect.follow import boxes_from_keypoints


def person(points: list[tuple[float, float, float]]) -> NDArray[np.float32]:
    """(1, 17, 3): the given keypoints, the others unknown."""
    out = np.full((1, 17, 3), (np.nan, np.nan, 0), np.float32)
    out[0, : len(points)] = points
    return out


CORNERS = [(10.0, 20.0, 0.9), (30.0, 20.0, 0.7), (10.0, 120.0, 0.8), (30.0, 120.0, 0.8), (20.0, 60.0, 0.8)]


def test_box_is_the_extent_and_a_margin() -> None:
    found = boxes_from_keypoints(person(CORNERS), min_score=0.3)
    np.testing.assert_allclose(found.boxes, [[0, 10, 40, 130]])  # a tenth of 100 px on every side
    np.testing.assert_allclose(found.scores, [0.8])
    assert found.boxes.dtype == found.scores.dtype == np.float32


def test_unseen_keypoints_do_not_count() -> None:
    found = boxes_from_keypoints(person([*CORNERS, (500.0, 500.0, 0.29)]), min_score=0.3)
    np.testing.assert_allclose(found.boxes, [[0, 10, 40, 130]])
    np.testing.assert_allclose(found.scores, [0.8])


def test_too_few_keypoints_cannot_be_followed() -> None:
    both = np.concatenate([person(CORNERS), person(CORNERS[:4])])
    found = boxes_from_keypoints(both, min_score=0.3)
    assert found.scores[0] > 0
    assert found.scores[1] == 0
    assert np.isnan(found.boxes[1]).all()


def test_nobody() -> None:
    found = boxes_from_keypoints(np.zeros((0, 17, 3), np.float32), min_score=0.3)
    assert found.boxes.shape == (0, 4)
    assert found.scores.shape == (0,)
