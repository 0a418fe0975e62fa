"""Training of the starter detector: views, one step, export, figures."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from posemo_ros.detect.detector import Detector
from posemo_ros.inference.sessions import open_session
from posemo_ros.types import Detections, Frame
from train.data.people import Photo
from train.models.cspnext import RtmDet, load_from_onnx
from train.starter import detector, detector_report


def scene() -> detector.Scene:
    """A grey photo with a blue rectangle, which is its only person."""
    pixels = np.full((240, 400, 3), 60, np.uint8)
    pixels[60:200, 150:230] = (200, 20, 20)
    return detector.Scene(Photo("grey", b"", pixels), np.array([[150, 60, 230, 200]], np.float32))


@pytest.mark.parametrize("seed", range(8))
def test_boxes_move_with_the_picture(seed: int) -> None:
    view, boxes = detector.sample(scene(), np.random.default_rng(seed))
    assert view.shape == (320, 320, 3)
    blue, _, red = np.moveaxis(view.astype(int), 2, 0)
    rows, columns = np.nonzero(blue - red > 60)
    [box] = boxes
    found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(box, found, atol=2)


def test_hardly_seen_and_tiny_people_are_left_out() -> None:
    boxes = np.array([[-90, 0, 10, 100], [300, 10, 400, 50], [5, 5, 9, 12], [0, 0, 50, 60]], np.float32)
    seen = detector.seen_boxes(boxes, np.array([[1.0, 0, 0], [0, 1, 0]]))
    np.testing.assert_array_equal(seen, [[0, 0, 50, 60]])


def test_best_score() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [30, 30, 40, 40]], np.float32)
    found = Detections(boxes, np.array([0.4, 0.7, 0.9], np.float32))
    assert detector_report.best_score(found, np.array([0, 0, 10, 10], np.float32)) == pytest.approx(0.7)
    assert detector_report.best_score(found, np.array([60, 60, 70, 70], np.float32)) == 0


@pytest.mark.shared
def test_exported_file_finds_what_the_peer_finds(shared_data: Path, tmp_path: Path) -> None:
    peer_file = shared_data / detector.PEER
    detector.export_model(load_from_onnx(RtmDet(), peer_file), tmp_path / "same.onnx")
    ours = Detector(open_session(tmp_path / "same.onnx", runtime="onnxruntime"), detector.SPEC)
    peer = Detector(open_session(peer_file, runtime="onnxruntime"), detector.PEER_SPEC)
    photo = Photo("785", shared_data / "fixtures/coco/000000000785.jpg")
    ours.score_threshold = peer.score_threshold = 0.5
    found, expected = ours.detect(Frame(photo.pixels())), peer.detect(Frame(photo.pixels()))
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.05)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)


@pytest.mark.shared
def test_training_learns_logs_and_goes_on(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector, "BATCH", 2)
    monkeypatch.setattr(detector, "WARM_UP", 1)
    monkeypatch.setattr(detector, "RATE", 1e-4)
    scenes = {name: [scene()] for name in detector.SHARES}
    monkeypatch.setattr(detector, "read_scenes", lambda data, limit: scenes)
    batch = detector.batch_of(scenes, np.random.default_rng(0))
    run = detector.Run(tmp_path / "run", shared_data / detector.PEER)
    first = sum(run.advance(*batch, 0.0))
    for _ in range(3):
        last = sum(run.advance(*batch, 0.0))
    assert last < first
    run.save()
    options = ["--data", str(shared_data), "--run", str(tmp_path / "run")]
    assert detector.main(["fit", *options, "--minutes", "0.0001"]) == 0
    with (tmp_path / "run/log.csv").open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [5]
    assert torch.load(tmp_path / "run/last.pt", weights_only=True)["step"] == 5
