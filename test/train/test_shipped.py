"""The shipped lifter and emotion network are as good as the figures in their cards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posemo_ros.evaluate import lift
from posemo_ros.inference.manifest import EmotionSpec, LiftSpec, load_manifest
from posemo_ros.inference.sessions import open_session
from posemo_ros.inference.store import ModelStore
from posemo_ros.pipeline import Models
from train.cards import read_figures
from train.tasks.cli import read_run, run
from train.tasks.fusion import figures, softmax

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "train" / "configs" / "starter"
MANIFEST = load_manifest(ROOT / "config" / "models.yaml")


def card(name: str) -> dict[str, Any]:
    return read_figures(ROOT / "config" / MANIFEST[name].card)


def test_the_manifest_describes_what_the_configurations_train() -> None:
    lifter, _ = read_run(CONFIGS / "lifter.yaml")
    assert MANIFEST["posemo-lifter"].spec == lifter.spec(LiftSpec)
    emotion, _ = read_run(CONFIGS / "emotion.yaml")
    shipped = MANIFEST["posemo-emotion"].spec
    learned = {n: getattr(shipped, n) for n in ("temperature", "min_confidence", "thresholds", "neutral")}
    assert shipped == replace(emotion.spec(EmotionSpec), **learned)


@pytest.mark.slow
@pytest.mark.shared
def test_lifter(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command of the card, again, for noisy keypoints: other machines may round differently."""
    films = lift._films
    monkeypatch.setattr(lift, "_films", lambda *of: {lift.NOISY: films(*of)[lift.NOISY]})
    clips = shared_data / "cmu_mocap" / "cmu_h36m17.npz"
    found = lift.evaluate_lift(clips, Models(runtime="onnxruntime"), ModelStore(), views=1).results["runs"]
    runs = card("posemo-lifter")["evaluate_lift"]["results"]["runs"]
    wanted = {lift.NOISY, lift.NOISY + lift.TOLD, "none: one mean pose"}
    stated = [run for run in runs if run["keypoints"] in wanted]
    assert len(stated) == 5  # without and with delay, each without and with the way up
    for a, b in zip(found, stated, strict=True):
        assert (a["keypoints"], a["delay_frames"]) == (b["keypoints"], b["delay_frames"])
        assert a["mpjpe_mm"] == pytest.approx(b["mpjpe_mm"], rel=0.02)
        assert a["p_mpjpe_mm"] == pytest.approx(b["p_mpjpe_mm"], rel=0.02)


def emotion_figures(data: Path, count: int) -> dict[str, float]:
    """Of the shipped file on the test movements of its configuration."""
    options = [f"--data.init_args.folder={data}", f"--data.init_args.held_out={count}"]
    here = ["--trainer.accelerator=cpu", "--trainer.logger=false"]
    cli = run(["--config", str(CONFIGS / "emotion.yaml"), *options, *here], start=False)
    cli.trainer.strategy.connect(cli.model)
    cli.datamodule.trainer = cli.trainer
    rows = cli.datamodule.make("test").rows
    model = MANIFEST["posemo-emotion"]
    assert isinstance(model.spec, EmotionSpec)
    session = open_session(ROOT / "config" / model.file, runtime="onnxruntime", threads=1)
    logits = session.run({session.inputs[0].name: rows["movement"]})[session.outputs[0].name]
    probabilities = softmax(logits.astype(np.float64) / model.spec.temperature)
    return figures(probabilities, rows["label"], model.spec.min_confidence)


@pytest.mark.slow
@pytest.mark.shared
def test_emotion(shared_data: Path) -> None:
    """A third of the card's movements, so that it is quick."""
    found, stated = emotion_figures(shared_data, 2000), card("posemo-emotion")["test"]["metrics"]
    names = ("accuracy", "macro_f1", "neutral_refused", "expressive_answered", "accuracy_of_answers")
    assert {n: found[n] for n in names} == pytest.approx({n: stated[n] for n in names}, abs=0.07)
