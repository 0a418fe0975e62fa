from __future__ import annotations

import numpy as np
import pytest

from posemo_ros.emotion.window import Movement, upright
from posemo_ros.skeleton import H36M17


def _pose(x: float) -> np.ndarray:
    return np.full((17, 3), x, np.float32)


ONES = np.ones(17, np.float32)


def _standing() -> np.ndarray:
    """(17, 3) facing +x, y left, z up."""
    pose = np.zeros((17, 3))
    heights = {"thorax": 0.5, "head_top": 0.8, "spine": 0.25, "neck_nose": 0.6}
    for name, z in heights.items():
        pose[H36M17.index(name), 2] = z
    for side, y in (("left", 1.0), ("right", -1.0)):
        pose[H36M17.index(f"{side}_hip")] = (0, 0.12 * y, 0)
        pose[H36M17.index(f"{side}_knee")] = (0.05, 0.12 * y, -0.4)
        pose[H36M17.index(f"{side}_ankle")] = (0, 0.12 * y, -0.8)
        pose[H36M17.index(f"{side}_shoulder")] = (0, 0.2 * y, 0.48)
        pose[H36M17.index(f"{side}_elbow")] = (0, 0.3 * y, 0.2)
        pose[H36M17.index(f"{side}_wrist")] = (0.2, 0.3 * y, 0.1)
    return pose


def test_upright_undoes_the_heading_in_the_camera_frame() -> None:
    pose = _standing()
    for heading in np.radians([0, 77, 180, -130]):
        forward = np.array([np.sin(heading), 0, -np.cos(heading)])  # heading 0 faces the camera
        up = np.array([0.0, -1.0, 0.0])
        axes = np.stack([forward, np.cross(up, forward), up])
        np.testing.assert_allclose(upright((pose @ axes)[None, None])[0, 0], pose, atol=1e-6)


def test_upright_uses_the_mean_heading_so_turning_stays_visible() -> None:
    pose = _standing()
    angles = np.radians([-40, 0, 40])
    turned = np.stack([pose @ _about_z(a).T for a in angles])
    np.testing.assert_allclose(upright(turned @ _about_z(1.0).T, up=(0, 0, 1)), turned, atol=1e-6)


def test_upright_keeps_a_lean() -> None:
    lean = _standing()
    lean[8] += (0.2, 0, 0)
    np.testing.assert_allclose(upright(lean[None] @ _about_z(0.5).T, up=(0, 0, 1))[0], lean, atol=1e-6)


def test_upright_of_a_body_without_sides_is_finite() -> None:
    assert np.isfinite(upright(np.zeros((2, 3, 17, 3)))).all()


def _about_z(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def test_poses_are_interpolated() -> None:
    movement = Movement(1.0)
    for i in range(3):
        movement.append(0.1 * i, _pose(i), ONES)
    np.testing.assert_allclose(movement.at(np.array([-1, 0.05, 0.2]))[:, 3, 1], [0, 0.5, 2], rtol=1e-5)


def test_only_the_span_is_kept() -> None:
    movement = Movement(1.0)
    for i in range(100):
        movement.append(0.1 * i, _pose(i), ONES)
    assert len(movement._times) <= 12
    assert 1.0 <= movement.length_s <= 1.1 + 1e-9


def test_a_long_gap_starts_anew_and_unknown_poses_are_not_kept() -> None:
    movement = Movement(5.0)
    movement.append(0.0, _pose(0), ONES)
    movement.append(0.1, _pose(np.nan), ONES)
    assert movement.newest == 0.0
    movement.append(0.9, _pose(1), ONES)
    assert movement.length_s == 0
    np.testing.assert_allclose(movement.at(np.array([0.0, 0.9])), 1)


def test_score_is_the_lower_one_of_arms_and_legs() -> None:
    movement, half = Movement(5.0), ONES.copy()
    half[[2, 3, 5, 6]] = 0.1
    movement.append(0.0, _pose(0), half)
    assert movement.score == pytest.approx(0.1)


def test_score_is_the_mean_of_the_window() -> None:
    movement = Movement(5.0)
    movement.append(0.0, _pose(0), ONES)
    movement.append(0.1, _pose(0), ONES * 0.5)
    assert movement.score == 0.75
