"""The starter networks learn on the same road as the papers', step by step what a plain loop learns."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor, nn

from posemo_ros.emotion.descriptors import NAMES, describe
from posemo_ros.inference.manifest import EmotionSpec, LiftSpec, load_manifest
from posemo_ros.skeleton import H36M17
from posemo_ros.types import EMOTIONS, NEUTRAL
from train.cards import read_figures
from train.cli import main
from train.data import cmu
from train.data.corruption import Corruption
from train.data.emotion import as_lifted, movements, soft_labels
from train.data.lifting import training_batch
from train.models.temporal import DescriptorEmotion, TemporalLifter
from train.tasks.callbacks import read_logs
from train.tasks.fusion import calibration, softmax

from .runs import command, write_cmu

CONFIGS = Path(__file__).resolve().parents[3] / "train" / "configs" / "starter"
STEPS = 12


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_cmu(folder / "cmu_mocap")
    return folder


def small(name: str, data: Path, out: Path, **options: Any) -> dict[str, Any]:
    """A shipped configuration on made-up clips, with few small steps."""
    config: dict[str, Any] = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
    arguments = config["model"]["init_args"]
    arguments["options"] |= options
    arguments["scheduler"]["init_args"] |= {"steps": STEPS, "warmup": 3}
    config["data"]["init_args"] |= {"folder": str(data), "batch": 8, "steps": STEPS // 2, "workers": 0}
    if name == "lifter":  # from the start, with invented errors
        del arguments["weights"], config["data"]["init_args"]["sightings"]
    if name == "emotion":
        config["data"]["init_args"] |= {"held_out": 200, "eval_batch": 100}
    quiet = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}
    config["trainer"] |= {**quiet, "max_epochs": 2, "log_every_n_steps": 1}
    return {**config, "out": str(out)}


def plain_loop(
    net: nn.Module, draw: Callable[[np.random.Generator], tuple[Tensor, Any]], loss: Any, rate: float
) -> Iterator[float]:
    """Losses of AdamW with a warm-up, a cosine and clipped gradients, written out."""
    optimizer = torch.optim.AdamW(net.parameters(), rate, weight_decay=0.01)
    for step in range(STEPS):
        warm = min(1.0, (step + 1) / 3)
        optimizer.param_groups[0]["lr"] = rate * warm * 0.5 * (1 + np.cos(np.pi * step / STEPS))
        inputs, target = draw(np.random.default_rng((0, step)))
        optimizer.zero_grad()
        value = loss(net(inputs), target)
        value.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        yield value.item()


def test_lifter_learns_what_a_plain_loop_learns(data: Path, tmp_path: Path) -> None:
    config = small("lifter", data, tmp_path / "run", width=16)
    command(config, tmp_path / "c.yaml")
    motion = cmu.load(data, "train").only(lambda clip: clip != "00_01")  # that one validates
    spec = LiftSpec(27, channels=6, rate_hz=30.0)

    def draw(rng: np.random.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        rows = training_batch(motion, spec, Corruption(), rng, 8)
        return torch.from_numpy(rows["keypoints"]), {k: torch.from_numpy(v) for k, v in rows.items()}

    torch.manual_seed(0)
    net = TemporalLifter(channels=6, width=16, scores=True)
    expected = list(plain_loop(net, draw, lifter_loss, 1e-3))
    found = [value for _, value in read_logs(tmp_path / "run")["train/loss_step"]]
    np.testing.assert_allclose(found, expected, rtol=1e-5)  # processors add in different orders


def lifter_loss(answer: Tensor, rows: dict[str, Tensor]) -> Tensor:
    """Places, movement between neighbouring windows, bones, standing ankles, certainty."""
    pose, truth = answer[:, 0, :, :3], rows["joints"]
    away = (pose - truth).norm(dim=-1)
    turned, really = pose @ rows["rotation"], truth @ rows["rotation"]
    moved = (turned[8:] - turned[:8]) - (really[8:] - really[:8])
    a, b = np.array(H36M17.bones).T
    bones = (pose[:, a] - pose[:, b]).norm(dim=-1) - (truth[:, a] - truth[:, b]).norm(dim=-1)
    right = (away < 0.1).float()
    sure = answer[:, 0, :, 3]
    certainty = -(right * sure.log() + (1 - right) * (1 - sure).log()).mean()
    standing = (away * rows["stands"]).sum() / rows["stands"].sum()
    loss = away.mean() + 2 * moved.norm(dim=-1).mean() + 0.5 * bones.abs().mean() + 0.2 * standing
    return loss + 0.02 * certainty


def test_emotion_learns_what_a_plain_loop_learns(data: Path, tmp_path: Path) -> None:
    config = small("emotion", data, tmp_path / "run", width=16, dropout=0.0)
    command(config, tmp_path / "c.yaml")
    motion, spec = cmu.load(data, "train"), EmotionSpec(27, 12.0, "upright")

    def draw(rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        samples = movements(motion, spec.frames, spec.rate_hz, rng, 8)
        movement = describe(as_lifted(samples.bodies, spec, rng), spec.rate_hz)
        return torch.from_numpy(movement), torch.from_numpy(soft_labels(samples, neutral=True))

    def loss(logits: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(logits, target, label_smoothing=0.02)

    torch.manual_seed(0)
    expected = list(plain_loop(DescriptorEmotion(len(NAMES), width=16, dropout=0.0), draw, loss, 2e-3))
    found = [value for _, value in read_logs(tmp_path / "run")["train/loss_step"]]
    np.testing.assert_allclose(found, expected, rtol=1e-5)  # processors add in different orders


def test_emotion_is_calibrated_and_says_so(data: Path, tmp_path: Path) -> None:
    """The test and the manifest entry use what the validation found."""
    config, path = small("emotion", data, tmp_path / "run", width=16), tmp_path / "c.yaml"
    learned = command(config, path).model.learned
    assert 0 < learned["min_confidence"] < 1
    assert len(learned["neutral"]) == len(NAMES)
    last = tmp_path / "run/checkpoints/last.ckpt"
    tested = command(config, path, f"--ckpt_path={last}", name="test")
    assert tested.model.learned == learned
    figures = json.loads((tmp_path / "run/test.json").read_text())["metrics"]
    assert 0.8 < figures["neutral_refused"] <= 1
    assert 0 <= figures["expressive_answered"] < 0.3  # nothing is learned yet
    out = tmp_path / "emotion.onnx"
    assert main(["export", "--config", str(path), "--weights", str(last), "--out", str(out)]) == 0
    spec = load_manifest(tmp_path / "emotion.yaml")["emotion"].spec
    learned["neutral"] = tuple(learned["neutral"])
    labels = (*EMOTIONS, NEUTRAL)
    assert spec == EmotionSpec(27, 12.0, "upright", labels=labels, reads="descriptors", **learned)


def test_calibration() -> None:
    """Logits three times too large get the temperature that takes it back."""
    rng = np.random.default_rng(0)
    honest = rng.normal(0, 1.5, (20000, 6))
    label = np.array([rng.choice(6, p=row) for row in softmax(honest)])
    assert calibration(3 * honest, label)["temperature"] == pytest.approx(3, rel=0.05)
    assert "min_confidence" not in calibration(honest, label)
    label[:4000] = -1
    target = np.eye(6)[label]
    target[:4000] = 1 / 6
    found = calibration(honest, label, target)
    confidence = softmax(honest[:4000] / found["temperature"]).max(1)
    assert (confidence < found["min_confidence"]).mean() == pytest.approx(0.95, abs=0.005)


def test_a_stopped_run_goes_on_from_its_last_checkpoint(data: Path, tmp_path: Path) -> None:
    whole = command(small("lifter", data, tmp_path / "whole", width=16), tmp_path / "w.yaml")
    parts = small("lifter", data, tmp_path / "parts", width=16)
    command(parts, tmp_path / "p.yaml", "--trainer.max_epochs=1")
    resumed = command(parts, tmp_path / "p.yaml", "--ckpt_path=last")
    for name, value in whole.model.network.state_dict().items():
        assert torch.equal(value, resumed.model.network.state_dict()[name]), name
    assert [s for s, _ in read_logs(tmp_path / "parts")["train/loss_step"]] == list(range(STEPS))


def test_a_run_stopped_in_the_middle_of_an_epoch_goes_on(data: Path, tmp_path: Path) -> None:
    """As a preempted job is: its checkpoint holds the place in the epoch."""
    often = {"monitor": None, "save_top_k": 1, "every_n_train_steps": 4, "save_last": True}
    whole = small("lifter", data, tmp_path / "whole", width=16) | {"checkpoint": often}
    expected = command(whole, tmp_path / "w.yaml").model.network.state_dict()
    parts = small("lifter", data, tmp_path / "parts", width=16) | {"checkpoint": often}
    command(parts, tmp_path / "p.yaml", "--trainer.max_steps=8")  # two steps into the second epoch
    found = command(parts, tmp_path / "p.yaml", "--ckpt_path=last").model.network.state_dict()
    logs = [read_logs(tmp_path / name)["train/loss_step"] for name in ("whole", "parts")]
    assert logs[0] == logs[1]
    assert all(torch.equal(value, found[name]) for name, value in expected.items())


def test_a_run_is_tested_and_exported(data: Path, tmp_path: Path) -> None:
    """Manifest entry and card say what the run was."""
    config, path = small("lifter", data, tmp_path / "run", width=16), tmp_path / "c.yaml"
    command(config, path)
    last = tmp_path / "run/checkpoints/last.ckpt"
    command(config, path, f"--ckpt_path={last}", name="test")
    out = tmp_path / "lifter.onnx"
    assert main(["export", "--config", str(path), "--weights", str(last), "--out", str(out)]) == 0
    spec = load_manifest(tmp_path / "lifter.yaml")["lifter"].spec
    assert spec == LiftSpec(27, "coco17", "person", channels=6, rate_hz=30.0)
    figures = read_figures(tmp_path / "lifter.md")["test"]
    assert figures == json.loads((tmp_path / "run/test.json").read_text())
    assert figures["metrics"]["mpjpe_mm"] > 0
