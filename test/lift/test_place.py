from __future__ import annotations

import numpy as np
import pytest

from posemo_ros.camera import Camera
from posemo_ros.lift.place import LIMBS, place
from posemo_ros.skeleton import COCO17, H36M17

CAMERA = Camera.from_fov(640, 480, 60.0)


def _person(rng: np.random.Generator, root: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    relative = rng.normal(scale=(0.25, 0.5, 0.25), size=(17, 3))
    relative[0] = 0
    keypoints = np.full((17, 3), np.nan)
    keypoints[LIMBS[:, 1], :2] = CAMERA.project(relative[LIMBS[:, 0]] + root)
    keypoints[:, 2] = 0.9
    return relative, keypoints


@pytest.fixture
def people() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    roots = np.array([(0.0, 0.0, 3.0), (1.5, 0.3, 6.0), (-2.0, -0.5, 9.0)])
    pairs = [_person(rng, tuple(root)) for root in roots]
    return np.stack([p[0] for p in pairs]), np.stack([p[1] for p in pairs]), roots


def test_limbs_pair_the_joints_of_equal_name() -> None:
    for h36m, coco in LIMBS:
        assert H36M17.joints[h36m] == COCO17.joints[coco]
    assert len(LIMBS) == 12


def test_exact_projections_give_the_exact_place(people) -> None:
    relative, keypoints, roots = people
    np.testing.assert_allclose(place(relative, keypoints, CAMERA), roots, atol=1e-4)


def test_a_distorting_lens_is_undone() -> None:
    camera = Camera(640, 480, CAMERA.matrix, np.array([-0.2, 0.05, 0.001, -0.001, 0.0]), "plumb_bob")
    relative = np.random.default_rng(3).normal(scale=0.3, size=(1, 17, 3))
    root = np.array([[0.8, -0.2, 4.0]])
    keypoints = np.ones((1, 17, 3))
    keypoints[0, LIMBS[:, 1], :2] = camera.project(relative[0, LIMBS[:, 0]] + root)
    np.testing.assert_allclose(place(relative, keypoints, camera), root, atol=1e-3)


def test_joints_beyond_what_a_fisheye_sees_in_front_are_left_out() -> None:
    camera = Camera(
        640, 480, np.array([[160.0, 0, 320], [0, 160, 240], [0, 0, 1]]), np.full(4, 1e-9), "equidistant"
    )
    relative = np.random.default_rng(3).normal(scale=0.3, size=(1, 17, 3))
    root = np.array([[0.8, -0.2, 2.0]])
    keypoints = np.ones((1, 17, 3))
    keypoints[0, LIMBS[:, 1], :2] = camera.project(relative[0, LIMBS[:, 0]] + root)
    keypoints[0, LIMBS[0, 1], :2] = 320 + 160 * np.radians(110), 240
    np.testing.assert_allclose(place(relative, keypoints, camera), root, atol=1e-3)


def test_noise_of_two_pixels_moves_people_by_little(people) -> None:
    relative, keypoints, roots = people
    noisy = keypoints.copy()
    noisy[..., :2] += np.random.default_rng(1).normal(scale=2.0, size=noisy[..., :2].shape)
    found = place(relative, noisy, CAMERA)
    assert (np.linalg.norm(found - roots, axis=1) < 0.05 * roots[:, 2]).all()


def test_half_a_body_is_enough(people) -> None:
    relative, keypoints, roots = people
    upper = keypoints.copy()
    upper[:, [13, 14, 15, 16]] = np.nan
    np.testing.assert_allclose(place(relative, upper, CAMERA), roots, atol=1e-4)


def test_wrong_keypoints_with_low_scores_do_not_count(people) -> None:
    relative, keypoints, roots = people
    wrong = keypoints.copy()
    wrong[:, 9] = (5.0, 5.0, 0.05)
    np.testing.assert_allclose(place(relative, wrong, CAMERA), roots, atol=1e-4)


def test_weights_follow_the_scores(people) -> None:
    relative, keypoints, roots = people
    errors = []
    for score in (0.9, 0.3):
        wrong = keypoints.copy()
        wrong[:, 9, 0] += 40
        wrong[:, 9, 2] = score
        errors.append(np.linalg.norm(place(relative, wrong, CAMERA) - roots, axis=1))
    assert (errors[1] < errors[0]).all()


def test_too_few_joints_give_nan_and_harm_no_other(people) -> None:
    relative, keypoints, roots = people
    few = keypoints.copy()
    few[1, LIMBS[3:, 1], 2] = 0.0
    found = place(relative, few, CAMERA)
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[[0, 2]], roots[[0, 2]], atol=1e-4)


def test_unknown_skeletons_give_nan(people) -> None:
    relative, keypoints, _ = people
    assert np.isnan(place(np.full_like(relative, np.nan), keypoints, CAMERA)).all()


def test_a_place_behind_the_camera_gives_nan(people) -> None:
    relative, keypoints, _ = people
    assert np.isnan(place(-relative, keypoints, CAMERA)).all()  # mirrored bodies fit behind it only


def test_joints_all_on_one_ray_fix_no_place() -> None:
    keypoints = np.ones((1, 17, 3)) * (320, 240, 1)
    assert np.isnan(place(np.zeros((1, 17, 3)), keypoints, CAMERA)).all()


def test_nobody() -> None:
    assert place(np.zeros((0, 17, 3)), np.zeros((0, 17, 3)), CAMERA).shape == (0, 3)
