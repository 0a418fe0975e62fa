from __future__ import annotations

import numpy as np

from posemo_ros.camera import Camera
from posemo_ros.lift.normalise import (
    decode_person,
    encode_person,
    encode_screen,
)


def _body(rng: np.random.Generator, frames: int = 5) -> np.ndarray:
    return rng.normal(scale=(0.25, 0.5, 0.2), size=(frames, 17, 3))


def _encode(camera: Camera, points: np.ndarray):
    rays = camera.rays(camera.project(points))
    return encode_person(rays, np.ones(rays.shape[:-1]), "coco17")


def test_intrinsics_do_not_matter() -> None:
    points = _body(np.random.default_rng(0)) + (0.7, -0.2, 5.0)
    wide, tele = Camera.from_fov(640, 480, 90.0), Camera.from_fov(1920, 1080, 50.0)
    a, b = _encode(wide, points), _encode(tele, points)
    np.testing.assert_allclose(a.xy, b.xy, atol=1e-5)
    np.testing.assert_allclose(a.rotation, b.rotation, atol=1e-9)


def test_the_place_in_the_image_does_not_matter() -> None:
    """A camera turned about its own centre sees the same person elsewhere; the numbers stay."""
    points = _body(np.random.default_rng(1)) + (0.0, 0.0, 5.0)
    angle = np.radians(20)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    camera = Camera.from_fov(640, 480, 80.0)
    a, b = _encode(camera, points), _encode(camera, points @ turn.T)
    assert abs(camera.project(points @ turn.T).mean() - camera.project(points).mean()) > 20
    np.testing.assert_allclose(a.xy, b.xy, atol=0.01)


def test_the_distance_only_changes_perspective() -> None:
    points = _body(np.random.default_rng(2))
    camera = Camera.from_fov(640, 480, 60.0)
    a, b = _encode(camera, points + (0, 0, 20.0)), _encode(camera, points + (0, 0, 40.0))
    np.testing.assert_allclose(a.xy, b.xy, atol=0.06)


def test_spread_is_one_and_torso_is_central() -> None:
    view = _encode(Camera.from_fov(640, 480), _body(np.random.default_rng(3)) + (1.0, 0.3, 6.0))
    assert abs(np.sqrt((view.xy**2).mean()) - 1) < 1e-5
    assert np.abs(view.xy[:, [5, 6, 11, 12]].mean((0, 1))).max() < 0.05


def test_the_virtual_camera_does_not_roll() -> None:
    rays = Camera.from_fov(640, 480).rays(np.random.default_rng(4).uniform(0, 400, (7, 3, 17, 2)))
    rotation = encode_person(rays, np.ones((7, 3, 17)), "coco17").rotation
    np.testing.assert_allclose(
        rotation @ np.swapaxes(rotation, -1, -2), np.broadcast_to(np.eye(3), (7, 3, 3)), atol=1e-12
    )
    np.testing.assert_allclose(np.linalg.det(rotation), 1)
    assert np.abs(rotation[:, 0, 1]).max() < 1e-12  # its x axis stays level
    assert (rotation[:, 1, 1] > 0).all()


def test_decode_turns_back() -> None:
    points = _body(np.random.default_rng(5)) + (1.0, 0.5, 4.0)
    view = _encode(Camera.from_fov(640, 480, 90.0), points)
    relative = points - points[:, :1]
    seen = relative @ view.rotation.T
    np.testing.assert_allclose(decode_person(seen, view.rotation), relative, atol=1e-6)


def test_encoded_points_are_projections_of_the_turned_body() -> None:
    points = _body(np.random.default_rng(6)) + (1.0, 0.5, 4.0)
    view = _encode(Camera.from_fov(640, 480, 90.0), points)
    turned = points @ view.rotation.T
    flat = turned[..., :2] / turned[..., 2:]
    np.testing.assert_allclose(view.xy, flat / np.sqrt((flat**2).mean()), rtol=1e-4, atol=1e-5)


def test_missing_joints_become_zero_and_do_not_steer() -> None:
    camera = Camera.from_fov(640, 480)
    rays = camera.rays(camera.project(_body(np.random.default_rng(7)) + (0.5, 0.0, 5.0)))
    scores = np.ones(rays.shape[:-1])
    scores[:, 13:] = 0
    lost = rays.copy()
    lost[:, 13:] = np.nan
    far = rays.copy()
    far[:, 13:, :2] += 3.0
    a, b = encode_person(lost, scores, "coco17"), encode_person(far, scores, "coco17")
    assert (a.xy[:, 13:] == 0).all()
    np.testing.assert_array_equal(a.xy[:, :13], b.xy[:, :13])


def test_without_a_torso_it_looks_at_what_there_is() -> None:
    rays = np.full((1, 17, 2), np.nan)
    rays[0, :5] = [[0.50, 0.1], [0.51, 0.1], [0.49, 0.1], [0.52, 0.1], [0.48, 0.1]]
    scores = np.isfinite(rays).all(-1).astype(float)
    view = encode_person(rays, scores, "coco17")
    np.testing.assert_allclose(
        view.rotation[2], np.array([0.5, 0.1, 1]) / np.linalg.norm([0.5, 0.1, 1]), atol=1e-6
    )


def test_nobody_seen_is_finite() -> None:
    view = encode_person(np.full((2, 3, 17, 2), np.nan), np.zeros((2, 3, 17)), "coco17")
    assert (view.xy == 0).all()
    assert np.isfinite(view.rotation).all()


def test_screen_coordinates_of_corners() -> None:
    corners = np.array([[0.0, 0.0], [1000.0, 500.0], [500.0, 250.0]])
    encoded = encode_screen(corners, 1000, 500)
    np.testing.assert_allclose(encoded, [[-1, -0.5], [1, 0.5], [0, 0]], atol=1e-6)
