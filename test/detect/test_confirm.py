"""Weak boxes count with a body in them, and each body counts once."""

from __future__ import annotations

import numpy as np
import pytest

from posemo_ros.detect.confirm import (
    REST_NS,
    Refused,
    body_scores,
    body_similarity,
    confirmed,
    distinct,
    evidence,
)
from posemo_ros.types import Detections

NOBODY = np.zeros((0, 4), np.float32)


def box(x: float = 0) -> np.ndarray:
    return np.array([[x, 0, x + 100, 200]], np.float32)


def body(x: float = 0, score: float = 0.8) -> np.ndarray:
    """(1, 17, 3) keypoints spread over the box at x."""
    grid = np.linspace(0.1, 0.9, 17)
    return np.column_stack((x + 100 * grid[::-1], 200 * grid, np.full(17, score)))[None].astype(np.float32)


@pytest.mark.parametrize(
    ("score", "joints", "known", "shown"),
    [
        (0.6, 0.05, False, True),  # a sure box is believed
        (0.4, 0.8, False, True),
        (0.4, 0.2, False, False),
        (0.25, 0.9, False, True),
        (0.25, 0.4, False, False),
        (0.25, 0.7, False, False),
        (0.25, 0.7, True, True),  # who was there needs less
        (0.25, 0.1, True, False),
    ],
)
def test_strict_to_enter_lenient_to_stay(score: float, joints: float, known: bool, shown: bool) -> None:
    before = box(10) if known else NOBODY
    found = confirmed(box(), np.array([score], np.float32), body(score=joints), 0.5, before)
    assert found.tolist() == [shown]


def test_a_higher_threshold_asks_for_more() -> None:
    scores, points = np.array([0.45], np.float32), body(score=0.6)
    assert evidence(scores, points, 0.5)[0] > evidence(scores, points, 0.7)[0]
    assert confirmed(box(), scores, points, 0.5, NOBODY)[0]
    assert not confirmed(box(), scores, points, 0.7, NOBODY)[0]


def test_half_a_body_is_as_sure_as_its_best_joints() -> None:
    points = body(score=0.9)
    points[0, 8:] = np.nan, np.nan, 0
    assert body_scores(points)[0] == pytest.approx(0.9)


def test_one_body_in_two_boxes_is_one_person() -> None:
    boxes = np.concatenate([box(), box(30)])
    scores = np.array([0.3, 0.6], np.float32)
    points = np.concatenate([body(), body(2)])
    assert distinct(boxes, scores, points).tolist() == [1]
    apart = np.concatenate([body(), body(30)])
    assert distinct(boxes, scores, apart).tolist() == [0, 1]


def test_who_passes_in_front_keeps_the_body() -> None:
    """The hidden one's box is surer, but ends above the other's feet (image 185 of the demo clip)."""
    cut, front = body(), body(2)
    cut[0, -6:, 2] = 0.5
    points, boxes = np.concatenate([cut, front]), np.concatenate([box(), box(2)])
    assert body_similarity(boxes, points)[0, 1] > 0.8
    assert distinct(boxes, np.array([0.9, 0.84], np.float32), points).tolist() == [1]


def test_bodies_without_common_joints_are_not_compared() -> None:
    upper, lower = body(), body()
    upper[0, 9:, 2], lower[0, :9, 2] = 0, 0
    similarity = body_similarity(np.concatenate([box(), box()]), np.concatenate([upper, lower]))
    assert similarity[0, 1] == 0
    assert similarity[0, 0] == pytest.approx(1)


def test_twenty_people_stay_twenty() -> None:
    """Shoulder to shoulder, each half hidden by the next."""
    boxes = np.concatenate([box(50 * i) for i in range(20)])
    points = np.concatenate([body(50 * i) for i in range(20)])
    scores = np.linspace(0.9, 0.3, 20).astype(np.float32)
    assert confirmed(boxes, scores, points, 0.5, NOBODY).all()
    assert len(distinct(boxes, scores, points)) == 20


def test_nobody() -> None:
    nothing = np.zeros((0, 17, 3), np.float32)
    assert len(confirmed(NOBODY, np.zeros(0, np.float32), nothing, 0.5, NOBODY)) == 0
    assert len(distinct(NOBODY, np.zeros(0, np.float32), nothing)) == 0


def weak(score: float, x: float = 0) -> Detections:
    return Detections(box(x), np.array([score], np.float32))


@pytest.mark.parametrize(
    ("later_ns", "found", "known", "looked"),
    [
        (REST_NS // 2, weak(0.3), NOBODY, False),
        (REST_NS, weak(0.3), NOBODY, True),  # once in a while, since somebody may sit down there
        (REST_NS // 2, weak(0.3, x=40), NOBODY, True),  # what moves may be somebody
        (REST_NS // 2, weak(0.45), NOBODY, True),  # and what looks more like it
        (REST_NS // 2, weak(0.55), NOBODY, True),
        (REST_NS // 2, weak(0.3), box(20), True),  # and where somebody was just now
    ],
)
def test_a_weak_box_without_a_body_is_left_alone_for_a_while(
    later_ns: int, found: Detections, known: np.ndarray, looked: bool
) -> None:
    refused = Refused()
    assert len(refused.worth_a_look(weak(0.3), 0, 0.5, NOBODY)) == 1
    refused.remember(weak(0.3), 0)
    assert bool(len(refused.worth_a_look(found, later_ns, 0.5, known))) == looked


def test_others_in_the_image_are_looked_at_all_the_same() -> None:
    refused = Refused()
    refused.remember(weak(0.3), 0)
    both = Detections(np.concatenate([box(), box(300)]), np.array([0.3, 0.3], np.float32))
    np.testing.assert_array_equal(refused.worth_a_look(both, 1, 0.5, NOBODY).boxes, box(300))


def test_how_often_a_thing_that_stands_there_is_looked_at() -> None:
    """A second at 30 images a second."""
    refused, looks = Refused(), 0
    for image in range(30):
        found = refused.worth_a_look(weak(0.3), image * 33_333_333, 0.5, NOBODY)
        refused.remember(found, image * 33_333_333)
        looks += len(found)
    assert looks == 5
