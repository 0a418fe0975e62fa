from __future__ import annotations

import numpy as np

from posemo_ros.interpolate import at_times, fill


def test_at_times_is_numpys_interpolation_for_every_number() -> None:
    rng = np.random.default_rng(0)
    stamps = np.cumsum(rng.uniform(0.01, 0.2, 9))
    values, times = rng.normal(size=(9, 4, 3)), rng.uniform(-1, 3, 50)
    found = at_times(stamps, values, times)
    for j in range(4):
        for d in range(3):
            np.testing.assert_allclose(found[:, j, d], np.interp(times, stamps, values[:, j, d]), atol=1e-12)


def test_one_sample_stands_still() -> None:
    np.testing.assert_array_equal(
        at_times(np.array([5.0]), np.ones((1, 2)), np.array([0.0, 9.0])), np.ones((2, 2))
    )


def test_fill_is_numpys_interpolation_over_the_known_samples() -> None:
    rng = np.random.default_rng(1)
    stamps = np.cumsum(rng.uniform(0.01, 0.2, 12))
    points = rng.normal(size=(3, 12, 5, 2)).astype(np.float32)
    known = rng.random((3, 12, 5)) < 0.4
    known[0, :, 2] = False
    found = fill(stamps, np.where(known[..., None], points, np.float32(np.nan)), known)
    assert found.dtype == np.float32
    for b in range(3):
        for j in range(5):
            ok = known[b, :, j]
            for d in range(2):
                expected = (
                    np.interp(stamps, stamps[ok], points[b, ok, j, d]) if ok.any() else np.full(12, np.nan)
                )
                np.testing.assert_allclose(found[b, :, j, d], expected, atol=1e-5)
