from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
import torch

from posemo_ros.errors import InputError
from train.models.zoo import build
from train.tables import cmu, command
from train.tables.papers import TABLES

_spec = importlib.util.spec_from_file_location(
    "published", Path(__file__).resolve().parents[1] / "data" / "published.py"
)
assert _spec is not None
assert _spec.loader is not None
published = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(published)


def _lines(text: str, label: str) -> list[list[str]]:
    """Cells of the row and of the lines below that belong to it."""
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    start = next(i for i, r in enumerate(rows) if r[0] == label)
    end = next((i for i in range(start + 1, len(rows)) if rows[i][0]), len(rows))
    return rows[start:end]


def test_rows_say_what_they_need(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command.run(["IX"], tmp_path)
    text = capsys.readouterr().out
    paper, ours = _lines(text, "Ours, f = 27")
    assert paper[1:4] == ["paper", "9.86", "43.6"]
    assert ours[1:4] == ["ours", "9.86", ""]
    assert ours[4] == "needs data in data/h36m; training (table_9/ours_27)"
    assert len(_lines(text, "Pavllo, f = 243")) == 1


def test_measured_rows_show_gap_and_conditions(tmp_path: Path) -> None:
    folder = tmp_path / "runs/table_9/ours_27"
    folder.mkdir(parents=True)
    measured = {
        "metrics": {},
        "samples": 543344,
        "device": "cuda:0",
        "data": "Human36M",
        "precision": "32-true",
        "per_action": {"average": {"mpjpe_mm": 44.44}},
    }
    (folder / "test.json").write_text(json.dumps(measured))
    _, ours, gap = _lines(command.render(TABLES["IX"], tmp_path), "Ours, f = 27")
    assert ours[3] == "44.4"
    assert gap[3] == "+0.8"
    assert ours[4] == "measured here: 543,344 samples, Human36M, cuda:0, 32-true"


def test_seeds_give_mean_and_spread(tmp_path: Path) -> None:
    for folder, error in (("ours_27", 44.0), ("ours_27-seed1", 45.0), ("ours_27-seed2", 46.0)):
        measured = {"metrics": {}, "samples": 5, "device": "cpu", "data": "Human36M", "precision": "32-true"}
        measured["per_action"] = {"average": {"mpjpe_mm": error}}
        (tmp_path / "runs/table_9" / folder).mkdir(parents=True)
        (tmp_path / "runs/table_9" / folder / "test.json").write_text(json.dumps(measured))
    _, ours, gap = _lines(command.render(TABLES["IX"], tmp_path), "Ours, f = 27")
    assert ours[2:5] == ["9.86", "45.0 ± 1.0", "measured here: 5 samples, Human36M, cpu, 32-true, 3 seeds"]
    assert gap[3] == "+1.4"


def test_unknown_table() -> None:
    with pytest.raises(InputError, match=r"no table XI \(known: I, II, II-P2, III"):
        command.run(["XI"], Path())


def test_released_weights_and_data_in_place_are_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table's own way from a checkpoint in PoseFormer's form and VideoPose3D's files to a number."""
    name, small = "table_3/poseformer", {"frames": 3, "width": 8, "depth": 1, "heads": 2}
    config = command.load_config(name)
    config["model"]["init_args"]["options"] = small
    config["data"]["init_args"] |= {"workers": 0}
    config["trainer"] |= {"accelerator": "cpu", "enable_progress_bar": False}
    path = tmp_path / "configs" / f"{name}.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(config))
    monkeypatch.setattr(command, "CONFIGS", tmp_path / "configs")

    assert command.state(name, tmp_path).conditions.startswith("needs data in data/h36m; weights")
    published.write_h36m(tmp_path / "data/h36m", frames=4)
    assert command.state(name, tmp_path).conditions == "needs weights weights/gt81f.bin"
    assert not command.evaluate_row(name, tmp_path)
    network = build("poseformer", **small).network
    (tmp_path / "weights").mkdir()
    state = {f"module.{k}": v for k, v in network.state_dict().items()}
    torch.save({"epoch": 1, "model_pos": state}, tmp_path / "weights/gt81f.bin")
    assert command.state(name, tmp_path).conditions == "not run yet: --evaluate"
    assert command.evaluate_row(name, tmp_path)
    known = command.state(name, tmp_path)
    assert known.measured
    assert known.results[0]["samples"] == 2 * 2 * 4 * 4
    assert known.results[0]["per_action"]["Walking"]["mpjpe_mm"] > 0
    assert not command.evaluate_row(name, tmp_path)  # once is enough


def test_all_seeds_of_a_row_are_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published.write_h36m(tmp_path / "data/h36m", frames=4, kinds=("gt", "cpn_ft_h36m_dbb"))
    runs = tmp_path / "runs/table_9"
    for name in ("ours_27", "ours_27-seed1", "ours_27-seed2"):
        (runs / name / "checkpoints").mkdir(parents=True)
        torch.save({}, runs / name / "checkpoints/last.ckpt")
    (runs / "ours_27-seed1/test.json").write_text("{}")
    asked: list[list[str]] = []
    monkeypatch.setattr("train.tasks.cli.run", asked.append)
    assert command.evaluate_row("table_9/ours_27", tmp_path)
    assert [words[-2:] for words in asked] == [
        [f"--out=runs/table_9/{name}", f"--ckpt_path={runs / name}/checkpoints/last.ckpt"]
        for name in ("ours_27", "ours_27-seed2")
    ]


def test_exports_that_a_row_reads_are_named(tmp_path: Path) -> None:
    assert (
        "exports my/clip-vit-b32.yaml, my/pstmo.yaml; training"
        in command.state("moemo/official_pstmo", tmp_path).conditions
    )
    assert "exports" not in command.state("moemo/x_pose", tmp_path).conditions
    for name in ("test", "actors.csv"):
        (tmp_path / "data/emotion" / name).mkdir(parents=True)
    assert not command.evaluate_row("moemo/official", tmp_path)  # rather than stop the whole table


def test_page_has_every_table(tmp_path: Path) -> None:
    text = command.page(tmp_path)
    for table in TABLES.values():
        assert f"### Table {table.name}: " in text
    assert "CMU motion" in text


def test_the_page_in_docs_is_up_to_date() -> None:
    """`python -m train table --write` after a change of tables or results."""
    text = command.PAGE.read_text(encoding="utf-8")
    for table in TABLES.values():
        assert f"### Table {table.name}: {table.title}" in text
        assert all(row.label in text for row in table.rows)
    assert cmu.section() in text
