from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from train.data.sequences import H36M, Video, Windows
from train.tables import cmu
from train.tables.cmu import Budget, ridge, run, table

TINY = Budget(steps=3, batch=64, width=8, depth=1, views=1, looks=1)


def test_ridge_finds_a_linear_map() -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(3 * 34, 51))
    keypoints = rng.normal(size=(400, 17, 2)).astype("f4")
    padded = np.concatenate([keypoints[:1], keypoints, keypoints[-1:]]).reshape(402, -1)
    windows = np.concatenate([padded[:-2], padded[1:-1], padded[2:]], 1)
    joints = (windows @ weights).reshape(400, 17, 3).astype("f4")
    data = Windows([Video("a", "walk", keypoints, joints)], 3, H36M)
    error = np.abs(ridge(data, data) - joints).max()
    assert error < 0.02 * np.abs(joints).max()


def test_an_unknown_variant_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError,
        match=r"variants \['cam'\] are unknown \(known: none, sam, tam, sam\+tam, motionag.*, tcn\)",
    ):
        run(tmp_path, tmp_path, TINY, [1], ["cam"], [0])


@pytest.mark.shared
@pytest.mark.slow
def test_comparison_at_tiny_size(shared_data: Path, tmp_path: Path) -> None:
    variants = ["none", "sam+tam", "motionagformer-xs", "tcn"]
    summary = run(shared_data, tmp_path, TINY, [3], variants, [0, 1], max_videos=4)
    rows = {(r["frames"], r["variant"]): r for r in summary["rows"]}
    assert set(rows) == {("-", "zero pose"), ("-", "mean pose"), (3, "linear"), *((3, v) for v in variants)}
    assert (tmp_path / "curves.png").stat().st_size > 5000
    single = [
        json.loads((tmp_path / f"f3-none-seed{s}/test.json").read_text())["per_action"]["average"]["mpjpe_mm"]
        for s in (0, 1)
    ]
    assert rows[3, "none"]["mpjpe_mm"] == pytest.approx(np.mean(single))
    assert rows[3, "none"]["mpjpe_mm_std"] == pytest.approx(np.std(single, ddof=1))
    assert rows[3, "sam+tam"]["parameters"] > rows[3, "none"]["parameters"]
    assert rows["-", "mean pose"]["mpjpe_mm"] < rows["-", "zero pose"]["mpjpe_mm"]
    assert rows["-", "mean pose"]["mpjve_mm"] == pytest.approx(rows["-", "zero pose"]["mpjve_mm"])
    assert len(table(summary)) == 2 + 7
    before = (tmp_path / "f3-none-seed0/test.json").stat().st_mtime_ns
    run(shared_data, tmp_path, TINY, [3], ["none"], [0], max_videos=4)  # goes on, repeats nothing
    assert (tmp_path / "f3-none-seed0/test.json").stat().st_mtime_ns == before


def test_the_verdict_compares_with_the_spread_of_the_seeds() -> None:
    rows = [
        {"frames": f, "variant": v, "mpjpe_mm": m, "mpjpe_mm_std": s}
        for f, v, m, s in (
            (1, "none", 50, 2),
            (1, "sam+tam", 51, 1),
            (9, "none", 50, 2),
            (9, "sam+tam", 45, 1),
        )
    ]
    assert cmu.verdict({"rows": rows}) == (
        "With SAM and TAM the MPJPE changes by +1.0 mm at f = 1 (within the seeds' spread), "
        "-5.0 mm at f = 9 (better)."
    )
    assert cmu.verdict({"rows": rows[:1]}) == ""


def test_what_a_network_cannot_look_at_is_left_out() -> None:
    asked = [(f, v) for f in (1, 9, 10) for v in cmu.VARIANTS]
    assert [key for key in asked if not cmu.possible(*key)] == [
        (1, "motionagformer-xs"),
        (1, "tcn"),
        (10, "tcn"),
    ]
