"""Every configuration names things that exist, and every row of a table a configuration."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from train.models.zoo import build
from train.tables.command import CONFIGS, load_config, parameters
from train.tables.papers import TABLES

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


@pytest.mark.parametrize("path", ALL, ids=_name)
def test_configuration(path: Path) -> None:
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
