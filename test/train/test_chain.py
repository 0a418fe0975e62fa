"""From a user's checkpoints to a preset that runs, with one command."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from posemo_ros.inference.manifest import EmotionSpec, LiftSpec
from posemo_ros.inference.store import ModelStore
from posemo_ros.pipeline import Pipeline
from posemo_ros.presets import load_preset
from posemo_ros.types import Frame
from train.chain import _behind_the_lifter, setting
from train.cli import main
from train.models.zoo import build
from train.tasks.cli import read_run

from .tasks.runs import command, lifter_config, write_motion

HRNET = {"width": 8, "blocks": 1, "crop_width": 32, "crop_height": 64}
MOEMO = {"fusion": "cross", "frames": 4, "width": 8, "depth": 1, "heads": 2, "context_frames": 2}


def _zoo(folder: Path, network: str, **options: object) -> str:
    """A word of the command line for released weights of a small network."""
    torch.manual_seed(0)
    path = folder / f"{network}.pth"
    torch.save(build(network, **options).network.state_dict(), path)
    words = [f"{name}={value}" for name, value in options.items()]
    return f"{','.join([network, *words])}@{path}"


def test_checkpoints_become_a_chain_that_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_motion(tmp_path / "data", frames=12)
    command(lifter_config(tmp_path / "data", tmp_path / "run"), tmp_path / "c.yaml", "--trainer.max_epochs=1")
    out = tmp_path / "mine"
    words = ["export", "--preset", "papers", "--out", str(out), "--lifter", str(tmp_path / "run")]
    assert main(words) == 0
    assert (
        "still missing: keypoints papers-keypoints, context papers-context, emotion"
        in capsys.readouterr().out
    )
    assert main([*words[:5], "--emotion", _zoo(tmp_path, "moemo_x", **MOEMO)]) == 0

    preset = load_preset(str(out / "papers.yaml"))
    store = ModelStore(preset.manifests)
    assert preset.models["lifter"] == "papers-lifter"  # of the call before
    assert preset.description == "The chain of the preset papers; own weights: lifter, emotion"
    lifter = store.spec("papers-lifter").spec
    assert isinstance(lifter, LiftSpec)
    assert (lifter.frames, lifter.input_joints, lifter.rate_hz) == (3, "h36m17", 50.0)
    emotion = store.spec("papers-emotion").spec
    assert isinstance(emotion, EmotionSpec)
    assert emotion.context_model == preset.models["context"] == "papers-context"
    file = out / "papers-lifter.onnx"
    for learned, poses in ((store.sha256("papers-lifter"), "papers-lifter"), ("0" * 64, "as it was")):
        entry = build("moemo_x", **MOEMO)
        entry.settings.update(poses="as it was", trained_behind={"lifter": learned})
        assert _behind_the_lifter(entry, file).settings["poses"] == poses
    assert preset.absent(store) == ["keypoints papers-keypoints", "context papers-context"]

    small = [*words[:5], "--keypoints", "posemo-keypoints", "--emotion", "posemo-emotion"]
    capsys.readouterr()
    assert main(small) == 0
    preset = load_preset(str(out / "papers.yaml"))
    models = preset.choose({"threads": 1, "runtime": "onnxruntime"})
    assert models.context == ""  # posemo-emotion does not look at the scene
    store = ModelStore(preset.manifests)
    preset.check(store, models)
    result = Pipeline(models, preset.set({}), store).step(Frame(np.zeros((120, 160, 3), np.uint8)))
    assert len(result.people) == 0
    assert models.lifter == "papers-lifter"


def test_random_weights_for_the_speed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = "poseformer,frames=3,width=8,depth=1,entry.input_joints=coco17,entry.rate_hz=10.0@random"
    assert main(["export", "--preset", "papers", "--out", str(tmp_path), "--lifter", source]) == 0
    store = ModelStore(load_preset(str(tmp_path / "papers.yaml")).manifests)
    assert store.spec("papers-lifter").source == "poseformer, random weights"
    assert store.path("papers-lifter").is_file()
    lifter = store.spec("papers-lifter").spec
    assert isinstance(lifter, LiftSpec)
    assert (lifter.frames, lifter.input_joints, lifter.rate_hz) == (3, "coco17", 10.0)
    wrong = source.replace("entry.input_joints=coco17", "entry.inputs=coco17")
    assert main(["export", "--preset", "papers", "--out", str(tmp_path), "--lifter", wrong]) == 1
    assert "unknown key 'inputs'" in capsys.readouterr().err


def test_what_is_no_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["export", "--preset", "papers", "--out", str(tmp_path)]
    poseformer = _zoo(tmp_path, "poseformer", frames=3, width=8, depth=1)
    for option, text, message in (
        ("--lifter", "nothing", "'nothing' is neither the folder of a run, nor a network of the zoo"),
        ("--lifter", "pstmo", "pstmo: name its weights: pstmo@FILE"),
        ("--lifter", "pstmo,frame=9@x", "pstmo: "),
        ("--lifter", "pstmo,frames@x", "'frames': expected OPTION=VALUE"),
        ("--lifter", str(tmp_path), "no checkpoints/last.ckpt; expected the folder of a run"),
        ("--keypoints", poseformer, "is for the station 'lifter'"),
    ):
        assert main([*words, option, text]) == 1
        assert message in capsys.readouterr().err
    assert main([*words, "--weights", "x"]) == 1
    assert main(["export", "hrnet", "--lifter", "x", "--out", str(tmp_path / "x.onnx")]) == 1
    assert "--lifter: stations belong to a --preset" in capsys.readouterr().err
    assert not (tmp_path / "papers.yaml").exists()


def test_settings_of_networks() -> None:
    assert [setting(t) for t in ("frames=9", "sam=after_msa")] == [("frames", 9), ("sam", "after_msa")]


def test_shipped_configurations_of_the_small_chain() -> None:
    """Every station of papers-small has a configuration, and it builds."""
    folder = Path(__file__).resolve().parents[2] / "train/configs/papers_small"
    for name in ("keypoints", "lifter", "emotion"):
        model = yaml.safe_load((folder / f"{name}.yaml").read_text())["model"]["init_args"]
        assert build(model["network"], **model["options"]).task == name


@pytest.mark.parametrize("name", ["keypoints", "lifter", "emotion"])
def test_shipped_entries_of_the_small_chain_are_what_was_trained(name: str) -> None:
    """The manifest feeds the networks as their configurations say; what a run finds out comes on top."""
    folder = Path(__file__).resolve().parents[2] / "train/configs/papers_small"
    shipped = ModelStore().spec(f"papers-small-{name}").spec
    with torch.device("meta"):
        trained = read_run(folder / f"{name}.yaml")[0].spec(type(shipped))
    found_out = {"temperature", "min_confidence"}
    for field in fields(type(shipped)):
        if field.name not in found_out:
            assert getattr(shipped, field.name) == getattr(trained, field.name), field.name
