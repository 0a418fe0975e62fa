"""The training commands of the starter lifter and emotion model, for a few steps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from train.starter import emotion, lifter

LIFTER = Path(__file__).resolve().parents[3] / "models" / "lifter.onnx"
pytestmark = [pytest.mark.slow, pytest.mark.shared]


def test_lifter(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setattr(lifter, "evaluate", lambda data, out: [{"file": out.name}])
    out = tmp_path / "lifter.onnx"
    options = ["--data", str(shared_data), "--out", str(out), "--run", str(tmp_path), "--batch", "16"]
    lifter.main([*options, "--steps", "3", "--width", "16"])
    assert out.exists()
    assert (tmp_path / "last.pt").exists()
    assert '{"file": "lifter.onnx"}' in capsys.readouterr().out


def test_emotion(shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setattr(emotion.evaluate, "__kwdefaults__", {"count": 200})
    monkeypatch.setattr(emotion.evaluate_chain, "__kwdefaults__", {"count": 8})
    out = tmp_path / "emotion.onnx"
    options = ["--data", str(shared_data), "--out", str(out), "--run", str(tmp_path), "--batch", "16"]
    emotion.main([*options, "--steps", "3", "--lifter", str(LIFTER)])
    report, chain = map(json.loads, capsys.readouterr().out.splitlines()[-2:])
    assert 0 <= report["accuracy"] <= 1
    assert 1 / 6 <= report["min_confidence"] <= 1
    assert report["samples"] + report["neutral_samples"] == 200
    assert chain["expressive"] + chain["neutral"] <= 8
    assert chain["model"] == "lifter.onnx -> emotion.onnx"
