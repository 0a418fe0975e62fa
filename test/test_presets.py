"""One word for a whole chain; what is named singly goes before it."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest
import yaml

from posemo_ros.cli import main
from posemo_ros.cli.options import add_model_options, models_from, settings_from, store_for
from posemo_ros.errors import InputError, ModelError
from posemo_ros.inference.store import ModelStore
from posemo_ros.nodes.models import store_of
from posemo_ros.nodes.parameters import NODES, LifterParameters, PipelineParameters, models_of, settings_of
from posemo_ros.presets import load_preset, preset_files
from posemo_ros.settings import Models, Settings


def _options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_model_options(parser)
    return parser.parse_args(words)


def _write(path: Path, **content: object) -> str:
    path.write_text(yaml.safe_dump(content))
    return str(path)


def test_shipped_presets_are_whole_and_say_what_is_missing() -> None:
    assert set(preset_files()) == {"fast", "accurate", "papers", "papers-small"}
    store = ModelStore()
    for name in preset_files():
        preset = load_preset(name)
        assert preset.description
        assert set(preset.models) == {"detector", "keypoints", "lifter", "emotion", "context"}
        assert preset.missing or not preset.absent(store), name
    for name in ("fast", "accurate"):
        assert not load_preset(name).absent(store)


def test_options_go_before_the_preset_and_the_preset_before_defaults() -> None:
    assert models_from(_options()) == Models()
    assert settings_from(_options()) == Settings()
    options = _options("--preset", "fast")
    assert models_from(options) == Models(keypoints="posemo-keypoints-fast")
    assert settings_from(options) == Settings(detect_every=10)
    options = _options("--preset", "fast", "--keypoints", "posemo-keypoints", "--emotion", "")
    assert models_from(options) == Models(emotion="")
    options = _options("--preset", "accurate", "--delay-frames", "3", "--detect-every", "5", "--hfov", "70")
    assert models_from(options).delay_frames == 3
    assert settings_from(options) == Settings(detect_every=5, hfov_deg=70.0)


def test_what_is_not_on_this_machine_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"preset 'papers': not on this machine: keypoints .*train"):
        models_from(_options("--preset", "papers"))
    words = ["--preset", "papers"]
    for station in ("keypoints", "lifter", "emotion"):
        words += [f"--{station}", getattr(Models, station)]
    assert models_from(_options(*words, "--context", "")) == Models()  # nothing is left of it
    preset = _write(tmp_path / "mine.yaml", models={"lifter": "mine"}, missing="ask Joe")
    with pytest.raises(ModelError, match="preset 'mine': not on this machine: lifter mine; ask Joe"):
        models_from(_options("--preset", preset))


def test_a_preset_brings_its_manifests(tmp_path: Path) -> None:
    (tmp_path / "mine.onnx").write_bytes(b"x")
    spec = {"lifter": {"frames": 9}, "file": "mine.onnx", "licence": "MIT", "source": "me"}
    _write(tmp_path / "models.yaml", models={"mine": spec})
    preset = _write(tmp_path / "own.yaml", models={"lifter": "mine"}, manifests=["models.yaml"])
    options = _options("--preset", preset)
    assert models_from(options) == Models(lifter="mine")
    assert store_for(options).present("mine")
    params = PipelineParameters(preset=preset)
    assert models_of(params) == Models(lifter="mine")
    assert store_of(params).present("mine")


def test_nodes_take_presets_too() -> None:
    params = PipelineParameters(preset="accurate")
    assert models_of(params) == Models(delay_frames=13)
    assert settings_of(params) == Settings(detect_every=2)
    params = PipelineParameters(preset="accurate", delay_frames=2, lifter="other")
    assert models_of(params) == Models(delay_frames=2, lifter="other")
    assert settings_of(PipelineParameters()) == Settings()
    with pytest.raises(ModelError, match="not on this machine: lifter papers-lifter; export"):
        store_of(LifterParameters(preset="papers"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("models: {lift: x}", r"models: unknown 'lift' \(known: detector"),
        ("settings: {speed: 3}", "settings: unknown 'speed'"),
        ("settings: {detect_every: fast}", "detect_every is 'fast', of the wrong type"),
        ("models: {lifter: 3}", "lifter is 3, of the wrong type"),
        ("models: posemo", "models: expected a mapping, got 'posemo'"),
        ("manifests: models.yaml", "manifests: expected a list of files"),
        ("- a", "expected a preset, a mapping with description, models"),
        ("models: {", "cannot read the preset"),
        ("\xff", "expected a preset"),
    ],
)
def test_malformed(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(str(path)) + ".*" + message + "|" + message):
        load_preset(str(path))


def test_commands(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["models", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if line.startswith("papers "))
    assert "missing: keypoints papers-keypoints" in row
    assert next(line for line in lines if line.startswith("fast ")).split()[1] == "here"
    for command in (["run", "nothing.mp4"], ["evaluate", "lift", "--clips", "x"], ["bench"]):
        assert main([*command, "--preset", "papers"]) == 1
        assert "not on this machine" in capsys.readouterr().err or command[0] == "run"
        assert main([*command, "--preset", "slow"]) == 1
    assert "there is no preset 'slow': neither a file nor one of accurate, fast" in capsys.readouterr().err


def test_a_note_is_said_at_the_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preset = _write(tmp_path / "mine.yaml", models={"lifter": "posemo-lifter"}, note="not for robots")
    models_from(_options("--preset", preset))
    assert capsys.readouterr().err == "preset mine: not for robots\n"
    models_from(_options("--preset", "fast"))
    assert capsys.readouterr().err == ""


def test_the_launch_file_gives_nodes_what_they_know() -> None:
    known = {parameter.name for parameter in NODES["keypoints"]}
    preset = load_preset("accurate")
    assert {"detector", "keypoints", "detect_every", "preset"} <= known
    assert not {"lifter", "delay_frames"} & known
    assert preset.settings["delay_frames"] == 13
