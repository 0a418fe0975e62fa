"""The shipped detector and keypoint network do on the demo clip what their cards say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from posemo_ros.detect.detector import Detector
from posemo_ros.inference.manifest import load_manifest
from posemo_ros.inference.sessions import open_session
from posemo_ros.keypoints.estimator import KeypointEstimator
from posemo_ros.types import Frame
from train.data.demo_people import read_demo
from train.data.keypoint_protocol import similarities
from train.starter import detector
from train.starter.detector_report import best_score

ROOT = Path(__file__).resolve().parents[3]
MANIFEST = load_manifest(ROOT / "config" / "models.yaml")
pytestmark = pytest.mark.slow


def _file(name: str) -> Path:
    return ROOT / "config" / MANIFEST[name].file


def test_the_manifest_describes_what_was_trained() -> None:
    assert MANIFEST["posemo-detector"].spec == detector.SPEC


def test_detector() -> None:
    station = Detector(open_session(_file("posemo-detector"), runtime="onnxruntime"), detector.SPEC)
    people = read_demo(ROOT / "demo")[::3]
    found = [best_score(station.detect(Frame(p.photo.pixels())), p.box) > 0 for p in people]
    assert len(found) > 30
    assert np.mean(found) > 0.93


def test_keypoints() -> None:
    session = open_session(_file("posemo-keypoints"), runtime="onnxruntime")
    station = KeypointEstimator(session, MANIFEST["posemo-keypoints"].spec)
    people = read_demo(ROOT / "demo")[::3]
    answers = [station.estimate(Frame(p.photo.pixels()), p.box[None])[0] for p in people]
    assert similarities(people, np.stack(answers)).mean() > 0.9
