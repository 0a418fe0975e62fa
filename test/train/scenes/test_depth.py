"""The sensor that the table of docs/geometry.md is measured with, and the table itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from train.scenes.depth import BEGIN, END, Errors, sensed, table, write_table


def test_a_sensor_measures_millimetres_with_noise_and_holes() -> None:
    depth = np.full((200, 200), 4.0, np.float32)
    depth[:50], depth[50:60] = np.inf, 30.0
    seen = sensed(depth, np.random.default_rng(0))
    assert np.isnan(seen[:60]).all()
    known = seen[60:][np.isfinite(seen[60:])]
    assert 0.08 < 1 - len(known) / seen[60:].size < 0.12
    np.testing.assert_allclose(known * 1000, np.round(known * 1000), atol=1e-3)
    assert abs(known.mean() - 4.0) < 1e-3
    assert abs(known.std() / (0.0012 + 0.0019 * 3.6**2) - 1) < 0.05


def test_the_table_replaces_the_one_before(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"head\n{BEGIN}\n| old |\n{END}\ntail\n")
    errors = Errors([0.1, 0.3, 0.2], [0.05, 0.05, 0.05], [True, True, False])
    results = {"somebody": {"image alone": errors, "with depth": errors}}
    write_table(page, results)
    text = page.read_text()
    assert text.startswith("head\n") and text.endswith("tail\n") and "old" not in text  # noqa: PT018
    assert "| somebody | 3 | 20.0 (29.0) cm | 20.0 (29.0) cm | 5.0 (5.0) cm | 5.0 (5.0) cm | 67% |" in table(
        results
    )
