"""The 1€ filter against its definition and what it is for."""

from __future__ import annotations

import numpy as np
import pytest

from posemo_ros.lift.smooth import OneEuroFilter


def _row(x: float) -> np.ndarray:
    return np.full((1, 1, 3), x, np.float32)


def test_a_step_of_a_resting_point_follows_the_paper() -> None:
    """Worked by hand: 1 m along x in 0.1 s; speed cut-off 1 Hz, cut-off 2 Hz + 4 Hz per m/s."""
    smooth = OneEuroFilter(2.0)
    smooth.smooth(0.0, ("p",), np.zeros((1, 1, 3), np.float32))
    out = smooth.smooth(0.1, ("p",), np.float32([[[1, 0, 0]]]))
    tau = 1 / (2 * np.pi * 1.0)
    speed = 10.0 / (1 + tau / 0.1)
    share = 1 / (1 + 1 / (2 * np.pi * (2 + 4 * speed) * 0.1))
    np.testing.assert_allclose(out, [[[share, 0, 0]]], rtol=1e-6)


def test_trembling_shrinks_and_a_walk_is_followed() -> None:
    rng, rest, walk = np.random.default_rng(0), OneEuroFilter(3.0), OneEuroFilter(3.0)
    shaken = rng.normal(0, 0.02, (300, 1, 1, 3)).astype(np.float32)
    still = np.stack([rest.smooth(t / 30, ("p",), row) for t, row in enumerate(shaken)])
    assert np.abs(np.diff(still, axis=0)).mean() < 0.5 * np.abs(np.diff(shaken, axis=0)).mean()
    moving = np.stack([walk.smooth(t / 30, ("p",), _row(1.4 * t / 30)) for t in range(60)])
    assert abs(moving[-1, 0, 0, 0] - 1.4 * 59 / 30) < 0.04


def test_unknown_points_stay_unknown_and_come_back_as_they_are() -> None:
    smooth = OneEuroFilter(3.0)
    values = [0.0, np.nan, 5.0]
    out = [float(smooth.smooth(t / 30, ("p",), _row(v))[0, 0, 0]) for t, v in enumerate(values)]
    np.testing.assert_allclose(out, values)


def test_people_do_not_mix_and_start_anew_after_half_a_second() -> None:
    smooth = OneEuroFilter(3.0)
    smooth.smooth(0.0, ("a", "b"), np.concatenate([_row(0), _row(9)]))
    swapped = smooth.smooth(0.03, ("b", "a"), np.concatenate([_row(9), _row(0)]))
    np.testing.assert_allclose(swapped[:, 0, 0], [9, 0])
    assert smooth.smooth(0.6, ("a",), _row(4))[0, 0, 0] == pytest.approx(4.0)


def test_nobody_is_fine() -> None:
    assert OneEuroFilter(3.0).smooth(0.0, (), np.zeros((0, 18, 3), np.float32)).shape == (0, 18, 3)
