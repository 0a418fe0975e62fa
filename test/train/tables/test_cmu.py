from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_ind

from posemo_ros.errors import InputError
from train.data.sequences import H36M, Video, Windows
from train.tables import cmu, cmu_runs, cmu_section
from train.tables.cmu import run
from train.tables.cmu_baselines import ridge
from train.tables.cmu_runs import Budget
from train.tables.cmu_section import table

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
    summary = run(shared_data, tmp_path, TINY, [3], variants, [0], max_videos=2)
    assert len(table(summary)) == 2 + 7
    rows = {(r["frames"], r["variant"]): r for r in summary["rows"]}
    assert set(rows) == {("-", "zero pose"), ("-", "mean pose"), (3, "linear"), *((3, v) for v in variants)}
    assert (tmp_path / "curves.png").stat().st_size > 5000
    summary = run(shared_data, tmp_path, TINY, [3], ["none", "sam+tam"], [0, 1], max_videos=2)
    rows = {(r["frames"], r["variant"]): r for r in summary["rows"]}
    single = [
        json.loads((tmp_path / f"f3-none-seed{s}/test.json").read_text())["per_action"]["average"]["mpjpe_mm"]
        for s in (0, 1)
    ]
    assert rows[3, "none"]["mpjpe_mm"] == pytest.approx(np.mean(single))
    assert rows[3, "none"]["mpjpe_mm_std"] == pytest.approx(np.std(single, ddof=1))
    assert rows[3, "sam+tam"]["parameters"] > rows[3, "none"]["parameters"]
    assert rows["-", "mean pose"]["mpjpe_mm"] < rows["-", "zero pose"]["mpjpe_mm"]
    assert rows["-", "mean pose"]["mpjve_mm"] == pytest.approx(rows["-", "zero pose"]["mpjve_mm"])
    before = (tmp_path / "f3-none-seed0/test.json").stat().st_mtime_ns
    run(shared_data, tmp_path, TINY, [3], ["none"], [0], max_videos=2)  # goes on, repeats nothing
    assert (tmp_path / "f3-none-seed0/test.json").stat().st_mtime_ns == before


def test_the_verdict_compares_with_the_spread_of_the_seeds() -> None:
    """p of scipy.stats.ttest_ind over seeds that have these means and deviations."""
    rows, chances = [], {}
    for f, v, errors in (
        (1, "none", (48.0, 50.0, 52.0)),
        (1, "sam+tam", (50.0, 51.0, 52.0)),
        (9, "none", (48.0, 50.0, 52.0)),
        (9, "sam+tam", (44.0, 45.0, 46.0)),
        (9, "tam", (52.0, 53.0, 54.0)),
        (9, "sam", (57.0, 58.0, 59.0)),
    ):
        spread = {"mpjpe_mm": np.mean(errors), "mpjpe_mm_std": np.std(errors, ddof=1), "seeds": 3}
        rows.append({"frames": f, "variant": v, **spread})
        chances[f, v] = ttest_ind(errors, (48.0, 50.0, 52.0), equal_var=False).pvalue
    assert cmu_section.verdict({"rows": rows}) == (
        f"With SAM the MPJPE changes by +8.0 mm at f = 9 (worse, p = {chances[9, 'sam']:.2f}). "
        f"With TAM the MPJPE changes by +3.0 mm at f = 9 (may be chance, p = {chances[9, 'tam']:.2f}). "
        f"With SAM and TAM the MPJPE changes by +1.0 mm at f = 1 (may be chance, "
        f"p = {chances[1, 'sam+tam']:.2f}), -5.0 mm at f = 9 (better, p = {chances[9, 'sam+tam']:.2f})."
    )
    assert cmu_section.verdict({"rows": rows[:1]}) == ""


def test_what_a_network_cannot_look_at_is_left_out() -> None:
    asked = [(f, v) for f in (1, 9, 10) for v in cmu_runs.VARIANTS]
    assert [key for key in asked if not cmu_runs.possible(*key)] == [
        (1, "motionagformer-xs"),
        (1, "tcn"),
        (10, "tcn"),
    ]


def test_every_network_is_taught_as_many_poses_a_step(tmp_path: Path) -> None:
    budget = Budget(batch=64)
    for frames in (1, 9, 27, 243):
        assert cmu_runs.windows(budget, frames, "sam+tam") == 64
        taught = cmu_runs.windows(budget, frames, "motionagformer-xs") * frames
        assert abs(taught - 64) <= frames / 2 or taught == frames
    made = cmu_runs.config(tmp_path, tmp_path, budget, 9, "motionagformer-xs", 0, None)
    assert made["data"]["init_args"]["batch"] == 7


def test_a_folder_has_one_budget(tmp_path: Path) -> None:
    """Nothing of another comparison is replaced, or put into one table with this one."""
    old = tmp_path / "old"
    old.mkdir()
    (old / "summary.json").write_text(json.dumps({"budget": asdict(TINY), "rows": []}))
    with pytest.raises(InputError, match=r"runs of another budget \(schedule constant, now up in"):
        run(tmp_path, old, TINY, [1], ["none"], [0])
    begun = {"schedule": cmu_runs.SCHEDULE, **asdict(TINY), "steps": 9}
    (old / "summary.json").write_text(json.dumps({"budget": begun, "rows": []}))
    with pytest.raises(InputError, match=r"\(steps 9, now 3\); name another --out"):
        run(tmp_path, old, TINY, [1], ["none"], [0])
    (old / "summary.json").write_text('{"images": 3}')  # of `posemo run`
    with pytest.raises(InputError, match="is of something else"):
        run(tmp_path, old, TINY, [1], ["none"], [0])
    with pytest.raises(InputError, match="is of something else"):
        cmu.report(old)


def _finished(folder: Path, error: float, curve: list[float]) -> None:
    (folder / "csv/version_0").mkdir(parents=True)
    average = {"mpjpe_mm": error, "p_mpjpe_mm": error / 2, "mpjve_mm": 1.0, "frames": 100}
    result = {"per_action": {"average": average}, "parameters": 5000}
    (folder / "test.json").write_text(json.dumps(result))
    rows = [f"{20 * i},{value}" for i, value in enumerate(curve, 1)]
    (folder / "csv/version_0/metrics.csv").write_text("\n".join(["step,val/mpjpe_mm", *rows]) + "\n")


def test_a_stopped_comparison_is_reported_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """f = 1: two seeds of both networks and a third of one; f = 9: one seed; f = 27: nothing finished."""
    out, kept = tmp_path / "runs", tmp_path / "kept"
    for module in (cmu, cmu_section):
        monkeypatch.setattr(module, "MEASURED", kept)
        monkeypatch.setattr(module, "PICTURES", kept)
    with pytest.raises(InputError, match=r"no summary\.json"):
        cmu.report(out)
    mean = {"frames": "-", "variant": "mean pose", "frames_tested": 100, "mpjpe_mm": 200.0, "mpjve_mm": 9.0}
    out.mkdir()
    begun = {"budget": asdict(TINY), "rows": [{**mean, "p_mpjpe_mm": 150.0}]}
    (out / "summary.json").write_text(json.dumps(begun))
    with pytest.raises(InputError, match="no run is finished"):
        cmu.report(out)
    for name, error in (
        ("f1-none-seed0", 50),
        ("f1-none-seed1", 54),
        ("f1-none-seed2", 99),
        ("f1-sam+tam-seed0", 60),
        ("f1-sam+tam-seed1", 64),
        ("f1-motionagformer-xs-seed2", 70),
        ("f9-none-seed0", 48),
        ("f9-sam+tam-seed0", 47),
    ):
        _finished(out / name, error, [100, 90, 80, 60, 54])
    (out / "f27-none-seed0/csv/version_0").mkdir(parents=True)
    rows = {(r["frames"], r["variant"]): r for r in cmu.report(out, keep=True)["rows"]}
    assert [r.get("seeds") for r in rows.values()] == [None, 2, 2, 1, 1, 1]
    assert rows[1, "none"]["mpjpe_mm"] == 52  # of the seeds that both have
    assert rows[1, "none"]["last_gain"] == pytest.approx(0.1)
    assert rows[1, "motionagformer-xs"]["mpjpe_mm"] == 70  # it has no variants to be compared with
    said = capsys.readouterr().out
    assert "f = 1, none, seed 1: 54.0 mm\n" in said
    assert "f = 1, none, seed 2: 99.0 mm; not in the table: others lack this seed\n" in said
    page = cmu_section.section()
    assert "64 windows each (motionagformer-xs: a f-th of that, since it is taught f poses of each;" in page
    assert "| 1 | sam+tam | 5,000 | 2 | 62.0 ± 2.8 | 31.0 ± 1.4 | 1.0 ± 0.0 | -10.0% |" in page
    assert "| 9 | none | 5,000 | 1 | 48.0 | 24.0 | 1.0 | -10.0% |" in page
    assert "+10.0 mm at f = 1 (may be chance, p = 0.07), -1.0 mm at f = 9 (one seed: its spread" in page
    assert "not flat: the last fifth of the steps still took 10.0% to 10.0% off" in page
    assert "![Error by step of every run](figures/cmu_1_3.png)" in page
    assert (kept / "cmu_1_3.png").stat().st_size < 300_000
    assert not (out / "f27-none-seed0/test.json").exists()  # nothing was trained


def test_how_flat_a_curve_is() -> None:
    assert cmu_runs.last_gain([(20, 9.0), (40, 8.0), (80, 5.0), (100, 4.9)]) == pytest.approx(0.02)
    assert cmu_runs.last_gain([(50, 6.0), (100, 5.0)]) == pytest.approx(
        0.4 / 5.4
    )  # by the line between two looks
    assert cmu_runs.last_gain([(50, 6.0)]) is None
    flat = [{"last_gain": g} for g in (0.008, -0.001, None)]
    assert (
        cmu_section.flatness({"rows": flat})
        == "The curves are flat: the last fifth of the steps gained 0.8% at most."
    )
    assert cmu_section.flatness({"rows": []}) == ""
