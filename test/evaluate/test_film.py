"""Virtual cameras and keypoint noise."""

from __future__ import annotations

import numpy as np
import pytest

from posemo_ros import metrics
from posemo_ros.evaluate.film import BODY_SHARE, CAMERA, Noise, film, keypoints, look

from .conftest import STANDING


def _body(frames: int = 30) -> np.ndarray:
    """(T, 22, 3) gliding 3 m along y; the face points lie in the head."""
    body = np.concatenate([STANDING, np.repeat(STANDING[10:11], 5, 0)])
    body[17:] += np.random.default_rng(0).normal(0, 0.05, (5, 3))
    way = np.linspace(0, 3, frames)
    return (body + np.stack([0 * way, way, 0 * way], -1)[:, None]).astype(np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_cameras_are_level_and_right_handed(seed: int) -> None:
    rotation = look(np.random.default_rng(seed))
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
    right, down, forward = rotation
    assert right[2] == pytest.approx(0)
    assert down[2] < np.cos(np.radians(21)) * -1 + 0.01
    assert np.sin(np.radians(-20.01)) < forward[2] < np.sin(np.radians(5.01))


def test_a_tilt_that_is_asked_for_leaves_the_bearing() -> None:
    drawn, asked = (look(np.random.default_rng(3), tilt) for tilt in (None, 12.0))
    assert asked[2, 2] == pytest.approx(-np.sin(np.radians(12)))
    np.testing.assert_array_equal(asked[0], drawn[0])  # to the right


@pytest.mark.parametrize("seed", range(8))
def test_the_whole_clip_is_in_the_image(seed: int) -> None:
    body = _body()
    seen, up = film(body, np.random.default_rng(seed))
    assert seen[..., 2].min() >= 0.99
    rises = (seen - seen[:1, :1]) @ up - (body - body[:1, :1])[..., 2]
    np.testing.assert_allclose(rises, 0, atol=1e-5)  # z of the world, which points up
    pixels = keypoints(seen, None, np.random.default_rng(0))[..., :2]
    assert (pixels >= 0).all()
    assert (pixels < [CAMERA.width, CAMERA.height]).all()
    lengths = [np.linalg.norm(points[:, 2] - points[:, 9], axis=1) for points in (body, seen)]
    np.testing.assert_allclose(lengths[1], lengths[0], atol=1e-5)
    assert (seen[:, 10, 1] < seen[:, 3, 1] - 1).all()  # the head is above the foot: y points down
    np.testing.assert_allclose(np.diff(seen, axis=0).std(0), 0, atol=1e-5)  # the camera stands still


def test_perfect_keypoints_are_projections() -> None:
    seen, _ = film(_body(), np.random.default_rng(1))
    points = keypoints(seen, None, np.random.default_rng(0))
    left_knee = seen[7, 5].astype(float)
    focal = 320 / np.tan(np.radians(30))
    expected = focal * left_knee[:2] / left_knee[2] + [319.5, 239.5]
    np.testing.assert_allclose(points[7, 13], [*expected, 1], atol=1e-3)  # COCO: 13 is the left knee


@pytest.mark.parametrize("size", [0.5, 1.0])
def test_noise_has_the_similarity_it_claims(size: float) -> None:
    rng = np.random.default_rng(2)
    seen, _ = film(_body(400), rng)
    truth = keypoints(seen, None, rng)
    extent = np.ptp(truth[..., :2], axis=1)
    area = BODY_SHARE * extent[:, 0] * extent[:, 1]
    similarity = [
        np.nanmean(metrics.oks(keypoints(seen, Noise(size, lost=0), rng), truth, area)) for _ in range(20)
    ]
    assert np.mean(similarity) == pytest.approx(1 / (1 + size**2 / 4), abs=0.01)


def test_scores_are_similarities_and_lost_keypoints_have_none() -> None:
    rng = np.random.default_rng(3)
    seen, _ = film(_body(600), rng)
    points = keypoints(seen, Noise(), rng)
    lost = points[..., 2] == 0
    assert np.isnan(points[lost][:, :2]).all()
    assert np.isfinite(points[~lost]).all()
    assert lost.mean() == pytest.approx(0.05, abs=0.015)
    starts = (lost[1:] & ~lost[:-1]).sum() + lost[0].sum()
    assert lost.sum() / starts == pytest.approx(5, abs=1.5)
    assert points[~lost][:, 2].mean() == pytest.approx(0.94, abs=0.02)


def test_errors_wander() -> None:
    rng = np.random.default_rng(4)
    seen, _ = film(np.repeat(_body(1), 900, 0), rng)
    error = keypoints(seen, Noise(1.0, lost=0), rng)[..., :2] - keypoints(seen, None, rng)[..., :2]
    error -= error.mean(0)
    neighbours = (error[1:] * error[:-1]).mean() / (error**2).mean()
    assert neighbours == pytest.approx(0.9 * 0.5 / 0.75, abs=0.06)  # of what is not constant


def test_the_same_seed_gives_the_same_film() -> None:
    films = [film(_body(), np.random.default_rng(5))[0] for _ in range(2)]
    np.testing.assert_array_equal(*films)
    assert np.abs(films[0] - film(_body(), np.random.default_rng(6))[0]).max() > 0.1
