"""Every configuration names things that exist, and every row of a table a configuration."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from posemo_ros.inference.manifest import DetectSpec, EmotionSpec, KeypointSpec, LiftSpec, parse_entry
from train.export import manifest_entry
from train.models.zoo import build
from train.tables.command import CONFIGS, load_config, parameters
from train.tables.papers import TABLES
from train.tasks.cli import read_run

ALL = sorted(CONFIGS.rglob("*.yaml"))


def _name(path: Path) -> str:
    return str(path.relative_to(CONFIGS).with_suffix(""))


def _class(path: str) -> type:
    module, name = path.rsplit(".", 1)
    found: type = getattr(importlib.import_module(module), name)
    return found


def _arguments(cls: type) -> set[str]:
    names: set[str] = set()
    for base in cls.__mro__:
        if "__init__" in vars(base):
            names |= set(inspect.signature(base.__init__).parameters)
    return names


def _check(entry: dict[str, Any]) -> None:
    cls = _class(entry["class_path"])
    unknown = set(entry.get("init_args", {})) - _arguments(cls)
    assert not unknown, f"{cls.__name__} has no {unknown}"


def _needs(path: Path) -> None:
    """Skip a configuration whose network comes from a library that is not here."""
    if path.parent.name == "moemo_baselines":
        pytest.importorskip("torchvision", reason="needs the extra 'vision'")


@pytest.mark.parametrize("path", ALL, ids=_name)
def test_configuration(path: Path) -> None:
    _needs(path)
    config = yaml.safe_load(path.read_text())
    assert config["out"] == f"runs/{_name(path)}"
    arguments = config["model"]["init_args"]
    for entry in (config["model"], config["data"], arguments["optimizer"]):
        _check(entry)
    if "scheduler" in arguments:
        _check(arguments["scheduler"])
    with torch.device("meta"):
        entry = build(arguments.get("network", "pstmo"), **arguments.get("options", {}))
    if entry.task == "keypoints":
        assert all(entry.settings["input"][side] % 32 == 0 for side in ("width", "height"))
    assert f"train/configs/{_name(path)}.yaml" in path.read_text()  # the command in its first lines
    assert not Path(config["out"]).is_absolute()


def test_no_two_configurations_train_the_same() -> None:
    trained: dict[str, str] = {}
    for path in ALL:
        config = yaml.safe_load(path.read_text())
        config.pop("out")
        other = trained.setdefault(yaml.safe_dump(config), _name(path))
        assert other == _name(path)


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda t: t.name)
def test_rows(table: Any) -> None:
    for row in table.rows:
        assert not row.paper or len(row.paper) == len(table.columns), row.label
        if row.config:
            load_config(row.config)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("table_1/hrnet_w32", 28_536_113),  # measured on the reference implementations
        ("table_1/ours_w32_all", 29_476_145),
        ("table_1/ours_w48_all", 66_208_993),
        ("table_9/ours_9", 9_848_317),
        ("table_9/ours_27", 9_858_127),
        ("table_9/ours_81", 9_887_557),
        ("table_9/poseformer_81", 9_602_885),
    ],
)
def test_parameters(name: str, count: int) -> None:
    assert parameters(load_config(name)) == count


@pytest.mark.parametrize("name", ["table_2/ours", "table_1/ours_w32_six", "moemo_occlusion/hidden_030"])
def test_the_command_line_takes_it(name: str, tmp_path: Path) -> None:
    """The whole configuration through LightningCLI, without starting."""
    from train.tasks.cli import run

    cli = run(
        ["--config", str(CONFIGS / f"{name}.yaml"), "--trainer.accelerator=cpu", "--trainer.precision=32"],
        start=False,
    )
    assert type(cli.model).__module__.startswith("train.tasks")
    assert cli.trainer.max_epochs == load_config(name)["trainer"]["max_epochs"]


def _pretraining(path: Path) -> bool:
    return "LifterPretraining" in path.read_text()


# Data module -> joint order, normalisation and rate of what it feeds to the network.
LIFTING = {
    "Human36M": ("h36m17", "screen", 50.0),  # VideoPose3D's files
    "Mpi3dhp": ("h36m17", "screen", 0.0),  # its cameras run at 25 or 50 Hz
    "Cmu": ("coco17", "screen", 30.0),
    "CmuBodies": ("coco17", "person", 30.0),
}


@pytest.mark.parametrize("path", [p for p in ALL if not _pretraining(p)], ids=_name)
def test_an_export_says_what_the_run_was(path: Path) -> None:
    """Joints, rate, frames, normalisation, axes and flip test come from the run, not from the network."""
    _needs(path)
    config = yaml.safe_load(path.read_text())
    data = config["data"]["init_args"]
    with torch.device("meta"):
        entry, _ = read_run(path)
    if entry.settings.get("joints", 17) != 17:
        pytest.skip("the station cannot run it, and the export says so")
    spec = parse_entry("x", {**manifest_entry(entry, Path("x"), licence="x", source="x")}, path).spec
    if isinstance(spec, LiftSpec):
        kind = config["data"]["class_path"].rsplit(".", 1)[1]
        joints, normalisation, rate_hz = LIFTING[kind]
        joints = "coco17" if "coco" in data.get("keypoints", "") else joints
        assert (spec.input_joints, spec.normalisation) == (joints, normalisation)
        assert spec.rate_hz == rate_hz / data.get("step", 1)
        assert (spec.frames, spec.channels) == next(iter(entry.inputs.values())).shape[1::2]
        assert spec.flip_test == config["model"]["init_args"].get("flip_test", True)
    elif isinstance(spec, KeypointSpec):
        # The starter networks are run once a crop; none of the papers' configurations turns it off.
        assert spec.flip_test == (config["model"]["class_path"] != "train.tasks.pose.Pose")
    elif isinstance(spec, DetectSpec):
        assert (spec.input.height, spec.input.width) == next(iter(entry.inputs.values())).shape[2:]
        assert spec.codec == "rtmdet"
    else:
        assert isinstance(spec, EmotionSpec)
        # Files of features do not say which encoder made them; the network's entry does.
        assert spec.context_model == data.get("context", spec.context_model)
        assert "poses" not in entry.inputs or spec.frames == entry.inputs["poses"].shape[1]
        settings = config["model"]["init_args"].get("settings", {})
        assert all(getattr(spec, key) == value for key, value in settings.items())
