"""The shipped starter models are as good as their cards say, on a part of the test clips."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from posemo_ros import metrics
from posemo_ros.inference.manifest import load_manifest
from posemo_ros.inference.sessions import open_session
from posemo_ros.lift.lifter import Lifter
from train.data.noise import PERFECT, Noise
from train.starter import emotion, lifter

ROOT = Path(__file__).resolve().parents[3]
MANIFEST = load_manifest(ROOT / "config" / "models.yaml")
pytestmark = [pytest.mark.slow, pytest.mark.shared]


def _file(name: str) -> Path:
    return ROOT / "config" / MANIFEST[name].file


def test_the_manifest_describes_what_was_trained() -> None:
    assert MANIFEST["posemo-lifter"].spec == lifter.SPEC
    shipped = MANIFEST["posemo-emotion"].spec
    assert (shipped.frames, shipped.rate_hz, shipped.axes) == (27, 12.0, "upright")


@pytest.mark.parametrize(("noise", "most_mm"), [(PERFECT, 60), (Noise(), 90)])
def test_lifter(shared_data: Path, noise: Noise, most_mm: float) -> None:
    station = Lifter(open_session(_file("posemo-lifter"), runtime="onnxruntime"), lifter.SPEC)
    predicted, truth = [], []
    for keypoints, joints in islice(lifter.scenes(shared_data, noise), 0, None, 7):
        answers = lifter.lift_video(station, keypoints[:200])
        predicted.append(np.concatenate([a.relative for a in answers]))
        truth.append(joints[:200] - joints[:200, :1])
    assert sum(map(len, truth)) > 1000
    assert 1000 * metrics.mpjpe(np.concatenate(predicted), np.concatenate(truth)) < most_mm


def test_emotion(shared_data: Path) -> None:
    report = emotion.evaluate(shared_data, _file("posemo-emotion"), count=1500)
    spec = MANIFEST["posemo-emotion"].spec
    assert report["accuracy"] > 0.5
    assert report["neutral_refused"] > 0.7
    assert report["temperature"] == pytest.approx(spec.temperature, rel=0.2)
    assert report["min_confidence"] == pytest.approx(spec.min_confidence, abs=0.08)
