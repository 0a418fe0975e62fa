"""Two runs compared: what is chance and what is not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from posemo_ros.errors import InputError
from posemo_ros.evaluate.compare import evaluate_compare, interval


def report(path: Path, values: dict[str, dict[str, float]]) -> Path:
    path.write_text(json.dumps({"results": {"recordings": values}}))
    return path


def clips(count: int, **figures: object) -> dict[str, dict[str, float]]:
    return {f"clip {i}": {k: float(v[i]) for k, v in figures.items()} for i in range(count)}  # type: ignore[index]


def test_a_clear_difference_and_noise(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    hard = rng.normal(0, 20, 30)  # some clips are hard for both
    before = clips(30, mpjpe_mm=80 + hard, recall=0.8 + hard / 1000, IDF1=rng.normal(0.7, 0.1, 30))
    after = clips(
        30,
        mpjpe_mm=76 + hard + rng.normal(0, 2, 30),
        recall=0.8 + hard / 1000 + 0.02,
        IDF1=rng.normal(0.7, 0.1, 30),
    )
    got = evaluate_compare(report(tmp_path / "a", before), report(tmp_path / "b", after)).results
    assert got["mpjpe_mm"]["significant"] is True
    assert got["mpjpe_mm"]["better"] == "b"  # fewer millimetres
    assert got["mpjpe_mm"]["low"] < got["mpjpe_mm"]["difference"] < got["mpjpe_mm"]["high"] < 0
    assert got["recall"]["better"] == "b"  # more people
    assert got["IDF1"]["significant"] is False
    assert got["IDF1"]["better"] is None
    back = evaluate_compare(tmp_path / "b", tmp_path / "a").results
    assert back["mpjpe_mm"]["better"] == "a"


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for i in range(100):
        low, high = interval(rng.normal(1.0, 2.0, 40), seed=i)
        assert low is not None
        assert high is not None
        inside += low <= 1.0 <= high
    assert 87 <= inside <= 100


def test_five_clips_of_mere_chance_are_seldom_significant() -> None:
    """One time in twenty, about; plain percentiles say so one time in six."""
    rng = np.random.default_rng(0)
    said = 0
    for i in range(300):
        low, high = interval(rng.normal(0.0, 2.0, 5), seed=i)
        assert low is not None
        assert high is not None
        said += low > 0 or high < 0
    assert said <= 30


def test_few_clips_say_nothing(tmp_path: Path) -> None:
    a, b = (
        report(tmp_path / "a", clips(3, recall=[0, 0, 0])),
        report(tmp_path / "b", clips(3, recall=[1, 1, 1])),
    )
    result = evaluate_compare(a, b)
    assert result.results["recall"]["significant"] is None
    assert "too few clips" in result.as_text()


def test_folders_of_runs(tmp_path: Path) -> None:
    for run, better in (("a", 0.0), ("b", 0.1)):
        items = []
        for i in range(6):
            folder = tmp_path / run / f"clip{i}"
            folder.mkdir(parents=True)
            truth = {"recall": 0.5 + 0.01 * i + better, "frames": 9, "mpjpe_mm": None}
            (folder / "results.mcap").touch()
            (folder / "summary.json").write_text(json.dumps({"source": f"clip{i}.mp4", "truth": truth}))
            items.append({"folder": str(folder), "error": "broken" if run == "a" and i == 5 else ""})
        (tmp_path / run / "batch.json").write_text(json.dumps({"items": items}))
    result = evaluate_compare(tmp_path / "a", tmp_path / "b")
    assert set(result.results) == {"recall"}
    assert result.results["recall"] == {
        "clips": 5,
        "a": 0.52,
        "b": 0.62,
        "difference": 0.1,
        "low": 0.1,
        "high": 0.1,
        "significant": True,
        "better": "b",
    }
    assert result.notes == ["left out, because only one run has them: clip5"]


def test_the_only_clips_belong_together(tmp_path: Path) -> None:
    """`posemo run walk.mp4 --out a` and `--out b`: evaluated later, each is named as its folder is."""
    one, other = ({name: {"mpjpe_mm": value}} for name, value in (("a", 80.0), ("b", 78.0)))
    result = evaluate_compare(report(tmp_path / "a.json", one), report(tmp_path / "b.json", other))
    assert result.results["mpjpe_mm"]["difference"] == -2
    assert result.notes == ["a is compared with b, the only clips there are"]


def test_what_cannot_be_compared(tmp_path: Path) -> None:
    a = report(tmp_path / "a", clips(2, recall=[0, 1]))
    with pytest.raises(InputError, match="no clip in common"):
        evaluate_compare(a, report(tmp_path / "b", {"other": {"recall": 1.0}}))
    with pytest.raises(InputError, match="no figure in common"):
        evaluate_compare(a, report(tmp_path / "c", clips(2, HOTA=[0, 1])))
    (tmp_path / "d").write_text("[]")
    with pytest.raises(InputError, match="expected a JSON object"):
        evaluate_compare(a, tmp_path / "d")
    with pytest.raises(InputError, match="neither batch.json nor results.mcap"):
        evaluate_compare(a, tmp_path)


def test_what_only_one_run_found_is_said(tmp_path: Path) -> None:
    """A run that finds nobody in the hard clips has no error there."""
    before = clips(6, mpjpe_mm=[50, 50, 50, 50, 200, 200], recall=[1] * 6)
    after = clips(6, mpjpe_mm=[50] * 6, recall=[1, 1, 1, 1, 0, 0])
    for hard in ("clip 4", "clip 5"):
        del after[hard]["mpjpe_mm"]
    got = evaluate_compare(report(tmp_path / "a", before), report(tmp_path / "b", after))
    assert got.results["mpjpe_mm"]["clips"] == 4
    assert any("mpjpe_mm: 2 clips are left out, in which only one run has it" in note for note in got.notes)


def test_runs_that_saw_other_parts_of_a_clip_are_said(tmp_path: Path) -> None:
    """Half a clip may be the easy half."""
    before = clips(6, mpjpe_mm=[50] * 6, coverage=[1] * 6)
    after = clips(6, mpjpe_mm=[40] * 6, coverage=[1, 1, 1, 1, 0.6, 0.5])
    got = evaluate_compare(report(tmp_path / "a", before), report(tmp_path / "b", after))
    assert "coverage" not in got.results
    assert any("2 of 6 clips have results for more" in n and "clip 4: 100% and 60%" in n for n in got.notes)
    assert not evaluate_compare(tmp_path / "a", tmp_path / "a").notes
