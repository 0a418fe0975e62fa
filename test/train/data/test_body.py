from __future__ import annotations

import numpy as np
import pytest

from posemo_ros.skeleton import COCO17
from train.data import body as bodies
from train.data.body import NAMES, PARENTS


@pytest.fixture
def standing() -> np.ndarray:
    """(1, 1, 22, 3) facing +x."""
    places = {
        "spine": (0, 0, 0.25),
        "thorax": (0, 0, 0.52),
        "neck_nose": (0, 0, 0.62),
        "head_top": (0, 0, 0.82),
        "nose": (0.1, 0, 0.69),
    }
    for side, y in (("left", 1.0), ("right", -1.0)):
        places |= {
            f"{side}_hip": (0, 0.1 * y, 0),
            f"{side}_knee": (0, 0.1 * y, -0.43),
            f"{side}_ankle": (0, 0.1 * y, -0.84),
            f"{side}_shoulder": (0, 0.2 * y, 0.48),
            f"{side}_elbow": (0, 0.2 * y, 0.2),
            f"{side}_wrist": (0, 0.2 * y, -0.08),
            f"{side}_eye": (0.09, 0.03 * y, 0.72),
            f"{side}_ear": (0, 0.08 * y, 0.71),
        }
    return np.float32([places.get(name, (0, 0, 0)) for name in NAMES])[None, None]


def _at(body: np.ndarray, name: str) -> np.ndarray:
    return body[0, 0, NAMES.index(name)]


def test_coco_points_have_the_right_names(standing) -> None:
    points = bodies.coco_keypoints(standing)[0, 0]
    for i, name in enumerate(COCO17.joints):
        np.testing.assert_array_equal(points[i], _at(standing, name))


def test_rotation_matrices_are_right_handed() -> None:
    about_z = bodies.rotation_matrix([0, 0, np.pi / 2])
    np.testing.assert_allclose(about_z @ [1, 0, 0], [0, 1, 0], atol=1e-6)
    np.testing.assert_array_equal(bodies.rotation_matrix([0, 0, 0]), np.eye(3))


def test_heading_and_chest(standing) -> None:
    np.testing.assert_allclose(bodies.heading(standing)[0, 0], np.eye(3), atol=1e-6)
    np.testing.assert_allclose(bodies.chest_axes(standing)[0, 0], np.eye(3), atol=1e-6)


def test_pitch_bends_forward_in_any_heading(standing) -> None:
    turned = standing @ bodies.rotation_matrix([0, 0, 2.0]).T
    quarter = np.float32([[0, np.pi / 2, 0]])
    bodies.turn(turned, "trunk", quarter, bodies.heading(turned))
    back = turned @ bodies.rotation_matrix([0, 0, 2.0])
    np.testing.assert_allclose(_at(back, "head_top"), [0.82, 0, 0], atol=1e-5)
    np.testing.assert_allclose(_at(back, "left_ankle"), _at(standing, "left_ankle"), atol=1e-5)


@pytest.mark.parametrize("part", list(bodies.PARTS))
def test_turning_keeps_every_bone_length(standing, part: str) -> None:
    turned = standing.copy()
    bodies.turn(turned, part, np.float32([[0.3, -0.8, 0.4]]), bodies.heading(turned))
    assert np.abs(turned - standing).max() > 0.01
    bones = [(i, p) for i, p in enumerate(PARENTS) if p >= 0]
    for child, parent in bones:
        before = np.linalg.norm(standing[0, 0, child] - standing[0, 0, parent])
        assert np.linalg.norm(turned[0, 0, child] - turned[0, 0, parent]) == pytest.approx(before, abs=1e-5)


def test_scaled_bones_keep_the_height(standing) -> None:
    factors = np.ones((1, 9), np.float32)
    factors[0, 7] = 1.5  # upper arms
    scaled = bodies.scale_bones(standing, factors)
    np.testing.assert_allclose(_at(scaled, "left_elbow"), [0, 0.2, 0.48 - 1.5 * 0.28], atol=1e-5)
    np.testing.assert_allclose(_at(scaled, "left_wrist")[2], _at(scaled, "left_elbow")[2] - 0.28, atol=1e-5)
    np.testing.assert_allclose(_at(scaled, "right_ankle"), _at(standing, "right_ankle"), atol=1e-5)
    factors[0, 1] = 1.2  # thighs: the rest shrinks
    longer = bodies.scale_bones(standing, factors)
    assert np.ptp(longer[..., 2]) == pytest.approx(np.ptp(standing[..., 2]), rel=0.01)


def test_a_mirrored_body_waves_with_the_other_hand(standing) -> None:
    standing[0, 0, NAMES.index("left_wrist")] += (0, 0.1, 0.9)
    mirrored = bodies.mirror(standing)
    np.testing.assert_allclose(_at(mirrored, "right_wrist"), _at(standing, "left_wrist") * [1, -1, 1])
    np.testing.assert_allclose(_at(mirrored, "left_shoulder"), _at(standing, "left_shoulder"))
    np.testing.assert_array_equal(bodies.mirror(mirrored), standing)
