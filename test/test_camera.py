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


@pytest.mark.parametrize("model", ["plumb_bob", "equidistant"])
def test_rays_of_a_part_of_an_array(model) -> None:
    """Keypoints are x, y, score; of x, y alone cv2.fisheye took scores for coordinates."""
    camera = Camera(640, 480, K, np.array([0.01, 0.002, -0.001, 0.0005]), model)
    keypoints = np.ones((2, 17, 3))
    keypoints[..., :2] = np.random.default_rng(0).uniform(100, 400, (2, 17, 2))
    rays = camera.rays(keypoints[..., :2])
    np.testing.assert_allclose(camera.project(rays), keypoints[..., :2], atol=1e-6)


def test_plumb_bob_distortion_by_hand() -> None:
    k1, k2, p1, p2, k3 = 0.1, -0.05, 0.001, 0.002, 0.01
    camera = Camera(640, 480, K, np.array([k1, k2, p1, p2, k3]), "plumb_bob")
    x, y = 0.2, -0.1
    r2 = x * x + y * y
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    xd = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    yd = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    np.testing.assert_allclose(camera.project([x, y, 1.0]), [500 * xd + 310, 520 * yd + 250])


@pytest.mark.parametrize("distortion", [[0.3, 0.1, 0, 0, 0], [0.5, 0.3, 0, 0, 0, 0.2, 0.1, 0.05]])
def test_rays_of_the_edges_of_a_wide_lens(distortion) -> None:
    """Five steps, OpenCV's default, were up to 8 px off."""
    wide = Camera(
        1280, 720, [[700, 0, 640], [0, 700, 360], [0, 0, 1]], np.array(distortion), "rational_polynomial"
    )
    corners = np.array([[0, 0], [1279, 0], [0, 719], [1279, 719], [0, 360.0]])
    np.testing.assert_allclose(wide.project(wide.rays(corners)), corners, atol=1e-3)


def test_a_fisheye_sees_nothing_in_front_of_it_beyond_90_degrees() -> None:
    """By hand: r = f theta. OpenCV gives 88 degrees for all that lies beyond."""
    fisheye = Camera(
        640, 480, [[160, 0, 320], [0, 160, 240], [0, 0, 1]], np.array([1e-9, 0, 0, 0]), "equidistant"
    )
    theta = np.radians([0, 45, 80, 88, 100, 110])
    rays = fisheye.rays(np.stack([320 + 160 * theta, np.full(6, 240.0)], 1))
    np.testing.assert_allclose(rays[:4, 0], np.tan(theta[:4]), rtol=1e-3)
    assert np.isnan(rays[4:, 0]).all()


def test_no_ray_where_a_distortion_folds_over() -> None:
    """r (1 - 0.4 r^2) is never more than 0.61, so no ray meets a pixel 0.9 f from the centre."""
    folded = Camera(
        1280, 720, [[700, 0, 640], [0, 700, 360], [0, 0, 1]], np.array([-0.4, 0, 0, 0, 0]), "plumb_bob"
    )
    rays = folded.rays([[640 + 0.5 * 700, 360], [640 + 0.9 * 700, 360]])
    x = rays[0, 0]
    assert x * (1 - 0.4 * x * x) == pytest.approx(0.5, abs=1e-6)
    assert np.isnan(rays[1, 0])


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
