"""Networks that put out keypoints themselves, and scores made into probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from posemo_ros.errors import ModelError
from posemo_ros.keypoints.estimator import calibrated
from posemo_ros.keypoints.points import PointsCodec
from posemo_ros.skeleton import COCO17

CODEC = PointsCodec(192, 256)


def test_the_output_comes_through_and_what_is_no_number_is_unknown() -> None:
    out = np.random.default_rng(0).uniform(0, 1, (2, 17, 3)).astype(np.float32) * (191, 255, 1.2)
    out[0, 3, 1] = np.nan
    found = CODEC.decode([out])
    assert found.dtype == np.float32
    assert np.isnan(found[0, 3, :2]).all()
    assert found[0, 3, 2] == 0
    np.testing.assert_allclose(found[1, :, :2], out[1, :, :2], rtol=1e-6)
    np.testing.assert_allclose(found[1, :, 2], np.minimum(out[1, :, 2], 1), rtol=1e-6)


@pytest.mark.parametrize(
    "outputs", [[np.zeros((1, 17, 2))], [np.zeros((1, 17, 64, 48))], [np.zeros((1, 17, 3))] * 2]
)
def test_another_form_is_refused(outputs: list[np.ndarray]) -> None:
    with pytest.raises(ModelError, match="'points' expects one output"):
        CODEC.decode(outputs)


def test_a_mirrored_crop_comes_back() -> None:
    out = np.zeros((1, 17, 3), np.float32)
    out[0, 9] = 10, 20, 0.7  # left wrist
    [back] = CODEC.flip([out], COCO17.flip_index)
    np.testing.assert_allclose(back[0, 10], (181, 20, 0.7))


def test_calibration_is_platts() -> None:
    scores = np.array([0, 0.2, 0.5, 0.9, 1], np.float32)
    a, b = 0.7, -0.4
    logits = np.log(scores[1:4] / (1 - scores[1:4]))
    expected = [0, *(1 / (1 + np.exp(-(a * logits + b)))), 1]
    np.testing.assert_allclose(calibrated(scores, (a, b)), expected, rtol=1e-5)
    assert calibrated(scores, (1.0, 0.0)) is scores
