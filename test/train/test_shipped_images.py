"""The shipped detector and keypoint networks are as good as the figures in their cards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posemo_ros.detect.detector import Detector
from posemo_ros.inference.manifest import DetectSpec, KeypointSpec, load_manifest
from posemo_ros.inference.sessions import open_session
from posemo_ros.keypoints.estimator import KeypointEstimator
from posemo_ros.types import Frame
from train.cards import read_figures
from train.data.demo_people import read_demo
from train.data.detect_modules import Letterboxed, Scene
from train.data.keypoint_protocol import by_group, similarities
from train.data.people import by_photo
from train.data.starter_people import read_coco, read_empty
from train.tasks.cli import read_run
from train.tasks.detector import LOWEST, figures

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = load_manifest(ROOT / "config" / "models.yaml")


def card(name: str) -> dict[str, Any]:
    return read_figures(ROOT / "config" / MANIFEST[name].card)


def test_the_manifest_describes_what_the_configuration_trains() -> None:
    entry, _ = read_run(ROOT / "train" / "configs" / "starter" / "detector.yaml")
    assert MANIFEST["posemo-detector"].spec == entry.spec(DetectSpec)


def detector_figures(scenes: dict[str, list[Scene]]) -> dict[str, float]:
    """Of the shipped file, through the station."""
    model = MANIFEST["posemo-detector"]
    assert isinstance(model.spec, DetectSpec)
    session = open_session(ROOT / "config" / model.file, runtime="onnxruntime")
    station = Detector(session, model.spec, score_threshold=LOWEST)
    photos = [scene.photo for group in scenes.values() for scene in group]
    boxes = np.zeros((len(photos), 100, 5), np.float32)
    for row, photo in zip(boxes, photos, strict=True):
        found = station.detect(Frame(photo.pixels()))
        count = min(len(row), len(found))
        row[:count] = np.column_stack([found.boxes, found.scores])[:count]
    return figures(Letterboxed(scenes, model.spec.input), boxes)


@pytest.mark.slow
def test_detector_on_the_demo_clip() -> None:
    """A person or two of 127 may fall to the other side of a threshold."""
    stated = card("posemo-detector")["test"]["metrics"]
    found = detector_figures(
        {"demo": [Scene(*row) for row in by_photo(read_demo(ROOT / "demo"))], "empty": []}
    )
    names = [name for name in stated if name.startswith("demo_recall_0")]
    assert len(names) == 5
    assert {n: found[n] for n in names} == pytest.approx({n: stated[n] for n in names}, abs=0.016)


@pytest.mark.slow
@pytest.mark.shared
def test_detector_on_photos(shared_data: Path) -> None:
    """One of 32 people, one of 39 photos."""
    people = [Scene(*row) for row in by_photo(read_coco(shared_data, "test"))]
    empty = [Scene(photo, np.zeros((0, 4), np.float32)) for photo in read_empty(shared_data, "test")]
    found, stated = (
        detector_figures({"coco": people, "empty": empty}),
        card("posemo-detector")["test"]["metrics"],
    )
    assert found == pytest.approx({n: v for n, v in stated.items() if not n.startswith("demo")}, abs=0.032)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["posemo-keypoints", "posemo-keypoints-fast"])
def test_keypoints_on_the_demo_clip(name: str) -> None:
    model, stated = MANIFEST[name], card(name)["people"]["demo_clip"]
    assert isinstance(model.spec, KeypointSpec)
    station = KeypointEstimator(open_session(ROOT / "config" / model.file, runtime="onnxruntime"), model.spec)
    people = read_demo(ROOT / "demo")
    answers = np.stack([station.estimate(Frame(p.photo.pixels()), p.box[None])[0] for p in people])
    assert len(people) == stated["persons"]
    assert np.nanmean(similarities(people, answers)) == pytest.approx(stated["oks"], abs=0.005)
    assert by_group(people, answers)["all"]["AP"] == pytest.approx(stated["AP"], abs=0.015)
