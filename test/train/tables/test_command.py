from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import ModuleType

import pytest
import torch

from posemo_ros.errors import InputError, ModelError
from train.cli import main
from train.models.zoo import build
from train.tables import cmu_section, command
from train.tables.errors import tables
from train.tables.papers import TABLES
from train.tasks.checkpoint import best_checkpoint, configuration, identity
from train.tasks.cli import run as train


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
    published: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    assert command.evaluate_row(name, tmp_path) == command.Evaluated()
    network = build("poseformer", **small).network
    (tmp_path / "weights").mkdir()
    state = {f"module.{k}": v for k, v in network.state_dict().items()}
    torch.save({"epoch": 1, "model_pos": state}, tmp_path / "weights/gt81f.bin")
    assert command.state(name, tmp_path).conditions == "not run yet: --evaluate"
    assert command.evaluate_row(name, tmp_path).tested
    known = command.state(name, tmp_path)
    assert known.measured
    assert known.results[0]["samples"] == 2 * 2 * 4 * 4
    assert known.results[0]["per_action"]["Walking"]["mpjpe_mm"] > 0
    assert not command.evaluate_row(name, tmp_path).tested  # once is enough


def test_all_seeds_of_a_row_are_evaluated(
    published: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.write_h36m(tmp_path / "data/h36m", frames=4, kinds=("gt", "cpn_ft_h36m_dbb"))
    runs = tmp_path / "runs/table_9"
    for name in ("ours_27", "ours_27-seed1", "ours_27-seed2"):
        (runs / name / "checkpoints").mkdir(parents=True)
        torch.save({}, runs / name / "checkpoints/last.ckpt")
    whole = {"metrics": {}, "samples": 5, "device": "cpu", "data": "Human36M", "precision": "32-true"}
    (runs / "ours_27-seed1/test.json").write_text(json.dumps(whole))
    asked: list[list[str]] = []
    monkeypatch.setattr("train.tasks.cli.run", asked.append)
    assert command.evaluate_row("table_9/ours_27", tmp_path).tested == (
        runs / "ours_27",
        runs / "ours_27-seed2",
    )
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
    assert (
        command.evaluate_row("moemo/official", tmp_path) == command.Evaluated()
    )  # rather than stop the whole table


@pytest.mark.parametrize("test", ["test_tensor", "tensor/test"])
def test_moemos_own_files_are_found_in_both_places(tmp_path: Path, test: str) -> None:
    assert "needs data in data/moemo" in command.state("moemo/official_files", tmp_path).conditions
    for name in (test, "joints"):
        (tmp_path / "data/moemo" / name).mkdir(parents=True)
    assert (
        command.state("moemo/official_files", tmp_path).conditions == "needs training (moemo/official_files)"
    )


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
    assert cmu_section.section() in text


@pytest.fixture(scope="module")
def small_row(published: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root folder in which table_9/ours_27, made small, was trained for two of two epochs."""
    root = tmp_path_factory.mktemp("root")
    config = command.load_config("table_9/ours_27")
    config["model"]["init_args"]["options"] = {"frames": 3, "width": 8, "depth": 1, "heads": 2}
    config["data"]["init_args"] |= {"keypoints": "gt", "workers": 0}
    config["trainer"] |= {"accelerator": "cpu", "enable_progress_bar": False, "max_epochs": 2}
    published.write_h36m(root / "data/h36m", frames=4)
    shutil.copytree(command.CONFIGS / "table_9", root / "configs/table_9")
    (root / "configs/table_9/ours_27.yaml").write_text(json.dumps(config))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(root)
        train(["fit", "--config", "configs/table_9/ours_27.yaml"])
    return root


@pytest.fixture
def trained(small_row: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy, for a test of its own."""
    shutil.copytree(small_row, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(command, "CONFIGS", tmp_path / "configs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stop_early(run: Path) -> None:
    """As if the run had been killed: its plan was longer."""
    config = run / "csv/version_0/config.yaml"
    config.write_text(config.read_text().replace("max_epochs: 2", "max_epochs: 5"))


def test_evaluation_says_what_it_tests_and_leaves_out(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = trained / "runs/table_9"
    with_seed = ["--out=runs/table_9/ours_27-seed1", "--seed_everything=1", "--data.init_args.seed=1"]
    train(["fit", "--config", "configs/table_9/ours_27.yaml", *with_seed])
    stop_early(runs / "ours_27-seed1")
    (runs / "ours_27-seed2/checkpoints").mkdir(parents=True)  # begun a moment ago
    capsys.readouterr()
    assert main(["table", "IX", "--evaluate", "--root", str(trained)]) == 0
    said = capsys.readouterr().out
    best = [best_checkpoint(runs / name) for name in ("ours_27", "ours_27-seed1")]
    for checkpoint in best:
        assert f"testing {checkpoint}" in said
    assert f"{runs}/ours_27-seed2: no checkpoint yet, left out" in said

    _, ours, gap = _lines(said, "Ours, f = 27")
    errors = [
        json.loads((c.parents[1] / "test.json").read_text())["per_action"]["average"]["mpjpe_mm"]
        for c in best
    ]
    mean, spread = sum(errors) / 2, abs(errors[0] - errors[1]) / 2**0.5
    assert ours[3] == f"{mean:.1f} ± {spread:.1f}"
    assert gap[3] == f"{mean - 43.6:+.1f}"
    names = " and ".join(dict.fromkeys(c.name for c in best))
    assert f"32-true, {names}, 2 seeds, without ours_27-seed2, not tested" in ours[4]
    assert "ours_27-seed1 has had 2 of 5 epochs" in ours[4]
    assert "ours_27 has had" not in ours[4]
    assert command.evaluate_row("table_9/ours_27", trained) == command.Evaluated()  # once is enough


def test_a_run_that_has_learned_since_is_tested_again(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = trained / "configs/table_9/ours_27.yaml", trained / "runs/table_9/ours_27"
    assert command.evaluate_row("table_9/ours_27", trained).tested
    before = json.loads((out / "test.json").read_text())
    assert before["checkpoint"]["weights"] == best_checkpoint(out).name
    assert before["checkpoint"]["steps"] == identity(out)["steps"]
    before["checkpoint"]["steps"] -= 1  # of an earlier best
    (out / "test.json").write_text(json.dumps(before))
    assert "ours_27 has learned since, test again" in command.state("table_9/ours_27", trained).conditions

    card = trained / "x.md"  # nor do the figures go into the card of other weights
    words = ["--config", str(path), "--weights", str(out), "--out", str(trained / "x.onnx")]
    assert main(["export", *words]) == 0
    assert "test these weights" in capsys.readouterr().out
    assert not card.exists()
    assert command.evaluate_row("table_9/ours_27", trained).tested == (out,)
    assert main(["export", *words]) == 0
    assert card.exists()


def test_a_run_with_other_options_is_tested_as_it_was_trained_and_says_so(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = trained / "configs/table_9/ours_27.yaml", trained / "runs/table_9/ours_27"
    config = json.loads(path.read_text())
    config["model"]["init_args"]["options"] |= {"width": 16, "tam": "after_msa"}
    path.write_text(json.dumps(config))
    assert main(["table", "IX", "--evaluate", "--root", str(trained)]) == 0
    known = _lines(capsys.readouterr().out, "Ours, f = 27")[1][4]
    assert "ours_27 was trained with width 8 (row: 16), tam by default (row: after_msa)" in known
    assert json.loads((out / "test.json").read_text())["samples"] > 0


def test_a_run_with_another_recipe_says_so(trained: Path) -> None:
    """Length, data (also what the row leaves at its default) and optimiser, not what a machine changes."""
    out = trained / "runs/table_9/ours_27"
    assert command.evaluate_row("table_9/ours_27", trained).tested
    assert "was trained with" not in command.state("table_9/ours_27", trained).conditions
    path = trained / "configs/table_9/ours_27.yaml"
    config = json.loads(path.read_text())
    config["trainer"]["max_epochs"] = 200
    config["data"]["init_args"] |= {"batch": 64, "step": 2, "workers": 8, "folder": "elsewhere"}
    config["model"]["init_args"]["optimizer"]["init_args"]["lr"] = 0.5
    path.write_text(json.dumps(config))
    assert command.other_options(config, out) == (
        "ours_27 was trained with max_epochs 2 (row: 200), step 1 (row: 2), batch 1024 (row: 64), "
        "optimizer.lr 0.001 (row: 0.5)"
    )
    saved = out / "csv/version_0/config.yaml"
    text = saved.read_text().replace("flip: true", "flip: false")
    saved.write_text(text.replace("max_steps: -1", "max_steps: 9"))
    said = command.other_options(config, out)
    assert "flip False (row: True)" in said
    for devices, batch in (("4", 4096), ("auto", 1024)):
        saved.write_text(saved.read_text().replace("devices: auto", f"devices: {devices}"))
        assert f"batch {batch} (row: 64)" in command.other_options(config, out)
        saved.write_text(saved.read_text().replace("devices: 4", "devices: auto"))
    assert "max_steps 9 (row: by default)" in said


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"metrics": {}, "samples": "a"}', "\udcff"])
def test_a_damaged_result_is_none(trained: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    """As a full disk leaves it; the table says so, and tests again."""
    out = trained / "runs/table_9/ours_27"
    (out / "test.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert command.state("table_9/ours_27", trained).conditions == "not run yet: --evaluate"
    assert "test.json: expected the results of `python -m train test`" in caplog.text
    with pytest.raises(InputError, match=r"test.json: expected the results of `python -m train test`"):
        tables(out, ["actions"])
    assert command.evaluate_row("table_9/ours_27", trained).tested
    assert command.state("table_9/ours_27", trained).measured


@pytest.mark.parametrize("text", ["model: [", "model: 3", "- 3", "\udcff"])
def test_a_damaged_configuration_of_a_run_is_named(trained: Path, text: str) -> None:
    out = trained / "runs/table_9/ours_27"
    path = out / "csv/version_0/config.yaml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ModelError, match=r"csv/version_0/config.yaml: expected the configuration of a run"):
        configuration(out)


def test_what_cannot_be_tested_does_not_stop_the_others(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = trained / "runs/table_9"
    (runs / "ours_27-seed1/checkpoints").mkdir(parents=True)
    (runs / "ours_27-seed1/checkpoints/last.ckpt").write_bytes(b"half a file")
    assert main(["table", "IX", "--evaluate", "--root", str(trained)]) == 1
    said = capsys.readouterr()
    assert "ours_27-seed1: cannot read the checkpoint" in said.err
    assert "without ours_27-seed1, not tested" in _lines(said.out, "Ours, f = 27")[1][4]


def test_the_configuration_of_a_run_is_that_of_its_training(trained: Path) -> None:
    """A test leaves its own beside its log, and may ask for other things."""
    out = trained / "runs/table_9/ours_27"
    assert command.evaluate_row("table_9/ours_27", trained).tested
    assert len(list(out.glob("csv/version_*/config.yaml"))) == 2
    assert configuration(out) == out / "csv/version_0/config.yaml"
