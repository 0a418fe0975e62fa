"""Expected values by hand, or from exact transformations."""

from __future__ import annotations

import numpy as np
import pytest

from posemo_ros import metrics
from posemo_ros.errors import InputError


def _rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    x, y, z = axis / np.linalg.norm(axis)
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


def test_mpjpe_is_the_mean_distance() -> None:
    truth = np.zeros((1, 2, 3))
    predicted = np.array([[[3.0, 4.0, 0.0], [0.0, 0.0, 1.0]]])
    assert metrics.mpjpe(predicted, truth) == pytest.approx(3.0)


def test_mpjpe_leaves_unknown_joints_out() -> None:
    predicted = np.array([[[3.0, 4.0, 0.0], [np.nan, 0.0, 0.0]]])
    assert metrics.mpjpe(predicted, np.zeros((1, 2, 3))) == pytest.approx(5.0)


def test_different_shapes_are_refused() -> None:
    with pytest.raises(InputError, match=r"\(1, 2, 3\).*\(1, 3, 3\)"):
        metrics.mpjpe(np.zeros((1, 2, 3)), np.zeros((1, 3, 3)))


def test_procrustes_undoes_a_similarity() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(5, 17, 3))
    moved = 0.3 * truth @ _rotation(np.array([1.0, 2.0, -1.0]), 2.0).T + np.array([1.0, -2.0, 5.0])
    assert metrics.mpjpe(moved, truth) > 1
    assert metrics.p_mpjpe(moved, truth) == pytest.approx(0, abs=1e-9)


def test_procrustes_never_mirrors() -> None:
    truth = np.array([[[0.0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]]])
    assert metrics.p_mpjpe(truth * [-1, 1, 1], truth) > 0.2


def test_procrustes_of_an_unknown_pose_is_unknown_and_harms_no_other() -> None:
    truth = np.random.default_rng(1).normal(size=(2, 17, 3))
    predicted = 2 * truth
    predicted[0, 3, 1] = np.nan
    aligned = metrics.procrustes(predicted, truth)
    assert np.isnan(aligned[0]).all()
    np.testing.assert_allclose(aligned[1], truth[1], atol=1e-9)


def test_mpjve_sees_velocity_only() -> None:
    truth = np.zeros((3, 1, 3))
    assert metrics.mpjve(truth + 7.0, truth) == 0
    predicted = np.array([[[0.0, 0, 0]], [[2.0, 0, 0]], [[2.0, 0, 0]]])  # velocities 2, then 0
    assert metrics.mpjve(predicted, truth) == pytest.approx(1.0)
    twice = np.concatenate([predicted, predicted]), np.concatenate([truth, truth])
    follows = np.arange(len(twice[0]) - 1) != len(truth) - 1
    assert metrics.mpjve(*twice, follows) == pytest.approx(1.0)
    assert np.isnan(metrics.mpjve(*twice, np.zeros_like(follows)))


def test_pck_and_auc() -> None:
    truth = np.zeros((1, 4, 3))
    predicted = np.zeros((1, 4, 3))
    predicted[0, :, 0] = [0.001, 0.0749, 0.149, 0.3]
    assert metrics.pck(predicted, truth) == 0.75
    # thresholds 0, 5, ... 150 mm: reached by the joints at 30, 16 (75 .. 150), 1 and 0 of the 31
    assert metrics.auc(predicted, truth) == pytest.approx((30 + 16 + 1 + 0) / 4 / 31)


def test_oks() -> None:
    truth = np.array([[10.0, 10, 2], [20, 20, 1], [0, 0, 0]])
    sigmas = np.array([0.1, 0.05, 0.1])
    area = 400.0
    predicted = truth[:, :2] + [[3, 4], [0, 0], [50, 50]]
    # exp(-d^2 / (2 area (2 sigma)^2)): 25 / (2 * 400 * 0.04) = 0.78125
    assert metrics.oks(predicted, truth, area, sigmas) == pytest.approx((np.exp(-0.78125) + 1) / 2)
    predicted[1] = np.nan
    assert metrics.oks(predicted, truth, area, sigmas) == pytest.approx(np.exp(-0.78125) / 2)


def test_oks_of_nothing_labelled_is_unknown() -> None:
    assert np.isnan(metrics.oks(np.zeros((17, 2)), np.zeros((17, 3)), 1.0))


def test_classification() -> None:
    truth, predicted = [0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 1]
    matrix = metrics.confusion(predicted, truth, 4)
    np.testing.assert_array_equal(matrix, [[2, 1, 0, 0], [0, 2, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]])
    assert metrics.accuracy(matrix) == pytest.approx(4 / 6)
    np.testing.assert_allclose(metrics.recall(matrix), [2 / 3, 1, 0, np.nan])
    # F1: 2*2/(2+3), 2*2/(4+2), 0/(0+1); class 3 never occurs
    assert metrics.macro_f1(matrix) == pytest.approx((0.8 + 4 / 6 + 0) / 3)


def test_expected_calibration_error() -> None:
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.65, 0.35], [0.35, 0.65]])
    truth = np.array([0, 1, 0, 1])
    # bin of 0.9: right half the time, gap 0.4 for 2 of 4; bin of 0.65: always right, gap 0.35
    assert metrics.expected_calibration_error(probabilities, truth, bins=10) == pytest.approx(0.375)


def test_certain_and_right_is_calibrated() -> None:
    assert metrics.expected_calibration_error(np.eye(3), np.arange(3)) == 0
