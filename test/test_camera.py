import numpy as np
import pytest

from posemo_ros.camera import Camera
from posemo_ros.errors import InputError

K = np.array([[500.0, 0, 310], [0, 520, 250], [0, 0, 1]])
POINTS = np.array([[[0.3, -0.2, 2.0], [-0.5, 0.4, 3.0]], [[0.0, 0.0, 1.0], [1.0, 1.0, 5.0]]])


def test_project_without_distortion_by_hand() -> None:
    camera = Camera(640, 480, K)
    np.testing.assert_allclose(camera.project([0.3, -0.2, 2.0]), [500 * 0.15 + 310, 520 * -0.1 + 250])


@pytest.mark.parametrize(
    ("model", "distortion"),
    [
        ("", []),
        ("plumb_bob", [0.1, -0.05, 0.001, 0.002, 0.01]),
        ("rational_polynomial", [0.1, -0.05, 0.001, 0.002, 0.01, 0.05, 0.01, 0.001]),
        ("equidistant", [0.01, 0.002, -0.001, 0.0005]),
    ],
)
def test_rays_meet_the_points_they_came_from(model, distortion) -> None:
    camera = Camera(640, 480, K, np.array(distortion), model)
    rays = camera.rays(camera.project(POINTS))
    np.testing.assert_allclose(rays * POINTS[..., 2:], POINTS, atol=1e-6)


def test_plumb_bob_distortion_by_hand() -> None:
    k1, k2, p1, p2, k3 = 0.1, -0.05, 0.001, 0.002, 0.01
    camera = Camera(640, 480, K, np.array([k1, k2, p1, p2, k3]), "plumb_bob")
    x, y = 0.2, -0.1
    r2 = x * x + y * y
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    xd = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    yd = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    np.testing.assert_allclose(camera.project([x, y, 1.0]), [500 * xd + 310, 520 * yd + 250])


def test_nan_and_empty_stay_what_they_are() -> None:
    camera = Camera(640, 480, K)
    rays = camera.rays([[np.nan, 1.0], [310.0, 250.0]])
    assert np.isnan(rays[0, 0])
    np.testing.assert_allclose(rays[1], [0, 0, 1])
    assert camera.rays(np.zeros((0, 17, 2))).shape == (0, 17, 3)
    assert np.isnan(camera.project([0.0, 0.0, -1.0])).all()


def test_field_of_view() -> None:
    camera = Camera.from_fov(641, 480, 90.0)
    assert camera.assumed
    left, right = camera.rays([[-0.5, 0], [640.5, 0]])[:, 0]
    assert right == pytest.approx(1.0)
    assert left == pytest.approx(-1.0)


@pytest.mark.parametrize("matrix", [np.zeros((3, 3)), np.full((3, 3), np.nan)])
def test_a_matrix_that_is_none_is_refused(matrix) -> None:
    with pytest.raises(InputError, match="fx > 0"):
        Camera(640, 480, matrix)


def test_unknown_distortion_model_lists_the_known() -> None:
    with pytest.raises(InputError, match="'fisheye62' is unknown.*plumb_bob"):
        Camera(640, 480, K, model="fisheye62")
