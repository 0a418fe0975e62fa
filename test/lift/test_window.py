from __future__ import annotations

import numpy as np

from posemo_ros.lift.window import Track


def _sample(x: float, score: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    return np.full((2, 2), x, np.float32), np.full(2, score, np.float32)


def _track(*samples: tuple[float, float]) -> Track:
    track = Track()
    for time, x in samples:
        track.append(time, *_sample(x))
    return track


def test_straight_lines_between_and_rest_outside() -> None:
    points, scores = _track((0.0, 0.0), (0.1, 10.0)).at(np.array([-1.0, 0.0, 0.025, 0.1, 9.0]))
    np.testing.assert_allclose(points[:, 0, 0], [0, 0, 2.5, 10, 10], rtol=1e-6)
    assert (scores == 1).all()


def test_a_missing_joint_is_filled_and_scored_zero() -> None:
    track = Track()
    for time, x in ((0.0, 0.0), (0.1, np.nan), (0.2, 4.0)):
        points, scores = _sample(x if np.isfinite(x) else 2.0)
        points[1] = x
        scores[1] = 0.0 if np.isnan(x) else 1.0
        track.append(time, points, scores)
    points, scores = track.at(np.array([0.0, 0.1, 0.2]))
    np.testing.assert_allclose(points[:, 1, 0], [0, 2, 4], rtol=1e-6)
    np.testing.assert_array_equal(scores, [[1, 1], [1, 0], [1, 1]])


def test_a_joint_never_seen_stays_unknown() -> None:
    track = Track()
    points, scores = _sample(1.0)
    points[1], scores[1] = np.nan, 0
    track.append(0.0, points, scores)
    points, scores = track.at(np.array([0.0, 0.1]))
    assert np.isnan(points[:, 1]).all()
    assert (scores[:, 1] == 0).all()
    assert np.isfinite(points[:, 0]).all()


def test_long_gaps_are_filled_with_score_zero() -> None:
    _, scores = _track((0.0, 0.0), (1.0, 1.0)).at(np.array([0.0, 0.1, 0.9, 1.0]))
    np.testing.assert_array_equal(scores[:, 0], [1, 0, 0, 1])


def test_the_score_is_the_nearest_samples() -> None:
    track = Track()
    track.append(0.0, *_sample(0.0, 0.3))
    track.append(0.1, *_sample(0.0, 0.8))
    _, scores = track.at(np.array([0.04, 0.06]))
    np.testing.assert_allclose(scores[:, 0], [0.3, 0.8])


def test_a_second_sample_of_the_same_time_replaces_the_first() -> None:
    track = _track((0.0, 0.0), (0.1, 1.0), (0.1, 5.0))
    assert len(track) == 2
    assert track.at(np.array([0.1]))[0][0, 0, 0] == 5


def test_forgetting_keeps_what_interpolation_needs() -> None:
    track = _track(*((0.1 * i, float(i)) for i in range(10)))
    before = track.at(np.array([0.55, 0.7]))[0]
    track.forget_before(0.55)
    assert len(track) == 5
    np.testing.assert_array_equal(track.at(np.array([0.55, 0.7]))[0], before)
