"""The starter detector learns on the same road as all, step by step what a plain loop learns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from posemo_ros.detect.detector import Detector
from posemo_ros.inference.manifest import DetectSpec, ImageInput, load_manifest
from posemo_ros.inference.sessions import open_session
from posemo_ros.types import Frame
from train.cards import read_figures
from train.cli import main
from train.data.detect_modules import SHARES, Letterboxed, Scene, StarterScenes, Views
from train.data.people import Photo
from train.data.sampling import Draws
from train.models.cspnext import RtmDet
from train.models.rtmdet_loss import loss_of
from train.tasks.callbacks import read_logs
from train.tasks.detector import figures

from .runs import command, killed_and_whole

CONFIG = Path(__file__).resolve().parents[3] / "train" / "configs" / "starter" / "detector.yaml"
STEPS = 3
_MEAN, _STD = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)


def scenes() -> dict[str, list[Scene]]:
    """Photos with a blue rectangle, which is their only person, and one without."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 90, (3, 240, 400, 3)).astype(np.uint8)
    boxes = np.array([[[150, 60, 230, 200]], [[40, 20, 120, 220]]], np.float32)
    for image, [(left, top, right, bottom)] in zip(pixels, boxes.astype(int).tolist(), strict=False):
        image[top:bottom, left:right] += np.array([160, 0, 0], np.uint8)
    people = [Scene(Photo("p", b"", image), own) for image, own in zip(pixels, boxes, strict=False)]
    return {"coco": people, "lspet": people[:1], "empty": [Scene(Photo("e", b"", pixels[2]), boxes[0][:0])]}


def to_judge(self: StarterScenes, part: str) -> Any:
    """In place of ``make``: the same photos to train and to judge on."""
    spec = self.spec(DetectSpec).input
    if part == "train":
        return Draws(Views(scenes(), self.shares, spec).draw, self.batch, self.steps, self.seed)
    return Letterboxed({name: scenes()[name] for name in ("coco", "empty")}, spec)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The shipped configuration on these photos, with few small steps."""
    monkeypatch.setattr(StarterScenes, "make", to_judge)
    torch.manual_seed(3)
    torch.save(RtmDet().state_dict(), tmp_path / "start.pt")
    content: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
    content["model"]["init_args"] |= {"options": {"side": 64}, "weights": str(tmp_path / "start.pt")}
    content["data"]["init_args"] |= {"batch": 4, "steps": STEPS, "workers": 0}
    quiet = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}
    content["trainer"] |= {**quiet, "max_epochs": 1, "log_every_n_steps": 1}
    return {**content, "out": str(tmp_path / "run")}


def test_it_learns_what_a_plain_loop_learns(config: dict[str, Any], tmp_path: Path) -> None:
    command(config, tmp_path / "c.yaml")
    net, spec = RtmDet(), ImageInput(64, 64, mean=_MEAN, std=_STD)
    net.load_state_dict(torch.load(tmp_path / "start.pt", weights_only=True))
    optimizer = torch.optim.AdamW(net.parameters(), 3e-5, weight_decay=0.02)
    expected = []
    for step in range(STEPS):
        down = 0.02 + 0.98 * (1 + np.cos(np.pi * step / 280)) / 2
        optimizer.param_groups[0]["lr"] = 3e-5 * (step + 1) / 30 * down
        batch = Views(scenes(), SHARES, spec).draw(np.random.default_rng([0, step]), 4)
        images = (batch["images"].astype(np.float32) - np.array(_MEAN, np.float32)) / np.array(
            _STD, np.float32
        )
        people = [torch.from_numpy(b[np.isfinite(b).all(1)]) for b in batch["boxes"]]
        scores, sides = loss_of(net, torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), people)
        optimizer.zero_grad()
        (scores + sides).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        optimizer.step()
        expected.append((scores + sides).item())
    found = [value for _, value in read_logs(tmp_path / "run")["train/loss_step"]]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_run_killed_in_the_middle_of_an_epoch_goes_on(config: dict[str, Any], tmp_path: Path) -> None:
    config["trainer"]["max_epochs"] = 2
    one, two = killed_and_whole(config, tmp_path, steps=4)
    assert one["global_step"] == two["global_step"] == 2 * STEPS


def test_a_run_is_tested_and_exported(config: dict[str, Any], tmp_path: Path) -> None:
    """The station finds with the file what the task finds with the network."""
    command(config, tmp_path / "c.yaml")
    last, out = tmp_path / "run/checkpoints/last.ckpt", tmp_path / "detector.onnx"
    tested = command(config, tmp_path / "c.yaml", f"--ckpt_path={last}", name="test")
    assert (
        main(["export", "--config", str(tmp_path / "c.yaml"), "--weights", str(last), "--out", str(out)]) == 0
    )
    spec = load_manifest(tmp_path / "detector.yaml")["detector"].spec
    assert isinstance(spec, DetectSpec)
    assert (spec.codec, spec.score_threshold, spec.weak_threshold) == ("rtmdet", 0.5, 0.2)
    written = json.loads((tmp_path / "run/test.json").read_text())
    assert read_figures(tmp_path / "detector.md")["test"] == written
    station = Detector(open_session(out, runtime="onnxruntime"), spec, score_threshold=0.0)
    batch = {k: torch.from_numpy(np.asarray(v)) for k, v in tested.datamodule.datasets["test"][[0]].items()}
    with torch.no_grad():
        kept = tested.model.eval().predict_step(batch, 0)["boxes"][0].numpy()
    found = station.detect(Frame(scenes()["coco"][0].photo.pixels()))
    count = int((kept[:, 4] > 0).sum())
    np.testing.assert_allclose(kept[:count, 4], found.scores[:count], atol=1e-4)
    np.testing.assert_allclose(kept[:count, :4], found.boxes[:count], atol=0.05)


def test_figures() -> None:
    """Three people, one of them small, one found well, one found in half; two photos of nobody."""
    photo = Photo("x", b"")
    boxes = np.array([[0, 0, 50, 100], [100, 0, 150, 100], [0, 0, 20, 30]], np.float32)
    nobody = Scene(photo, boxes[:0])
    data = Letterboxed({"coco": [Scene(photo, boxes)], "empty": [nobody, nobody]}, ImageInput(64, 64))
    found = np.zeros((3, 2, 5), np.float32)
    found[0] = [[0, 0, 50, 90, 0.55], [100, 0, 150, 49, 0.9]]
    found[1, 0] = [0, 0, 9, 9, 0.42]
    result = figures(data, found)
    assert (result["recall_0.5"], result["recall_0.6"], result["recall_clean"]) == (0.5, 0.0, 0.5)
    assert (result["clean_0.4"], result["clean_0.45"]) == (0.5, 1.0)
