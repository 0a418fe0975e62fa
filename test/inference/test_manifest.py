"""The model manifest: what is read, what is refused, and the entries of the package."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from posemo_ros.errors import ModelError
from posemo_ros.inference.checksum import sha256_of
from posemo_ros.inference.manifest import (
    ContextSpec,
    DetectSpec,
    EmotionSpec,
    ImageInput,
    KeypointSpec,
    LiftSpec,
    input_shapes,
    load_manifest,
)
from posemo_ros.inference.resources import share_dir
from posemo_ros.inference.sessions import open_session
from posemo_ros.types import EMOTIONS, NEUTRAL, PixelOrder

COMMON = {"licence": "MIT", "source": "test", "file": "net.onnx"}
INPUT = {"width": 192, "height": 256}


def load(tmp_path: Path, entry: Any) -> Any:
    path = tmp_path / "models.yaml"
    path.write_text(yaml.safe_dump({"models": {"net": entry}}))
    return load_manifest(path)["net"]


def test_defaults_and_conversions(tmp_path: Path) -> None:
    entry = {"keypoints": {"input": {**INPUT, "order": "bgr", "std": [1, 2, 3]}, "codec": "udp"}, **COMMON}
    model = load(tmp_path, entry)
    assert (model.name, model.task) == ("net", "keypoints")
    assert model.spec == KeypointSpec(
        ImageInput(192, 256, PixelOrder.BGR, std=(1.0, 2.0, 3.0)), "udp", box_scale=1.25
    )
    assert all(isinstance(value, float) for value in model.spec.input.std)


KEYPOINTS = {"input": INPUT, "codec": "simcc"}
DETECTOR = {"input": INPUT, "codec": "yolox"}
EMOTION = {"frames": 16, "rate_hz": 10}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("net.onnx", r"models\.net: expected a mapping, got str"),
        (
            {**COMMON},
            "expected exactly one of the keys detector, keypoints, lifter, context, emotion; got none",
        ),
        ({**COMMON, "lifter": {"frames": 9}, "emotion": EMOTION}, r"got \['lifter', 'emotion'\]"),
        (
            {**COMMON, "lifter": {"frames": 9, "frame": 1}},
            r"net\.lifter: unknown key 'frame' \(known: frames,",
        ),
        ({**COMMON, "lifter": {}}, r"net\.lifter: missing key 'frames'"),
        ({**COMMON, "lifter": {"frames": "9"}}, r"net\.lifter\.frames: expected int, got '9'"),
        ({**COMMON, "lifter": {"frames": True}}, r"net\.lifter\.frames: expected int, got True"),
        ({**COMMON, "lifter": {"frames": 8}}, "expected an odd number, got 8"),
        ({**COMMON, "lifter": {"frames": 9, "rate_hz": -1}}, r"rate_hz: expected 0 \(any\) or more, got -1"),
        ({**COMMON, "emotion": {**EMOTION, "rate_hz": 0}}, r"net\.emotion\.rate_hz: expected more than 0"),
        ({**COMMON, "emotion": {**EMOTION, "temperature": 0}}, r"emotion\.temperature: expected more than 0"),
        ({**COMMON, "lifter": {"frames": 9, "channels": 4}}, "channels: 4 is not one of 2, 3, 6"),
        (
            {**COMMON, "lifter": {"frames": 9, "channels": 6, "normalisation": "screen"}},
            "'channels: 6' needs 'normalisation: person'",
        ),
        (
            {**COMMON, "keypoints": {**KEYPOINTS, "codec": "dsnt"}},
            "'dsnt' is not one of quarter, dark, udp, simcc",
        ),
        (
            {**COMMON, "keypoints": {**KEYPOINTS, "input": {**INPUT, "order": "gray"}}},
            "'gray' is not one of bgr, rgb",
        ),
        (
            {**COMMON, "keypoints": {**KEYPOINTS, "input": {**INPUT, "mean": [1, 2]}}},
            r"input\.mean: expected a list of 3, got \[1, 2\]",
        ),
        ({**COMMON, "emotion": {**EMOTION, "labels": ["joy"]}}, "expected a permutation of .*; got"),
        ({**COMMON, "emotion": {**EMOTION, "context_frames": 2}}, "need each other"),
        ({**COMMON, "emotion": {**EMOTION, "context_model": "clip"}}, "need each other"),
        ({"licence": "MIT", "source": "x", "lifter": {"frames": 9}}, "needs 'file' .* or 'url'"),
        ({"source": "x", "file": "f", "lifter": {"frames": 9}}, r"models\.net: missing key 'licence'"),
        ({**COMMON, "lifter": {"frames": 9}, "sha256": "ABC"}, "expected 64 lower-case hexadecimal digits"),
        (
            {**COMMON, "lifter": {"frames": 9}, "precision_loss": {"bf61": 0.1}},
            r"'bf61' \(known: bf16, int8\)",
        ),
        *(
            ({**COMMON, "keypoints": {**KEYPOINTS, "input": {**INPUT, **wrong}}}, says)
            for wrong, says in (
                ({"width": -192}, r"keypoints\.input\.width: expected 1 or more, got -192"),
                ({"std": [1, 0, 1]}, r"input\.std: expected more than 0, got \[1\.0, 0\.0, 1\.0\]"),
                ({"mean": [0, float("nan"), 0]}, r"input\.mean: expected a finite number"),
                ({"pad_value": 256}, r"input\.pad_value: expected 0 to 255, got 256"),
            )
        ),
        *(
            ({**COMMON, "keypoints": {**KEYPOINTS, **wrong}}, says)
            for wrong, says in (
                ({"box_scale": 0}, r"net\.keypoints\.box_scale: expected more than 0, got 0\.0"),
                ({"box_scale": float("nan")}, r"box_scale: expected more than 0, got nan"),
                ({"simcc_split": 0}, r"simcc_split: expected more than 0"),
                ({"blur_kernel": 4}, r"blur_kernel: expected an odd number, got 4"),
            )
        ),
        ({**COMMON, "detector": {**DETECTOR, "strides": [8, 0]}}, r"strides: expected 1 or more"),
        ({**COMMON, "detector": {**DETECTOR, "score_threshold": 50}}, r"score_threshold: expected 0 to 1"),
        ({**COMMON, "emotion": {**EMOTION, "min_confidence": -1}}, r"min_confidence: expected 0 to 1"),
        ({**COMMON, "emotion": {**EMOTION, "thresholds": {"fear": 7}}}, r"thresholds: expected 0 to 1"),
        *(
            ({**COMMON, "lifter": {"frames": 9}, "precision_loss": {"bf16": loss}}, "expected a share, 0.004")
            for loss in (float("nan"), float("inf"), float("-inf"), -5)
        ),
    ],
)
def test_wrong_entries(tmp_path: Path, entry: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load(tmp_path, entry)


@pytest.mark.parametrize("text", ["", "models: [a]", "- a", "models:"])
def test_no_models(tmp_path: Path, text: str) -> None:
    (tmp_path / "models.yaml").write_text(text)
    with pytest.raises(ModelError, match="expected a mapping 'models: {name: entry}'"):
        load_manifest(tmp_path / "models.yaml")


def test_not_yaml(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text("models: {a")
    with pytest.raises(ModelError, match=r"cannot read the model manifest .*models\.yaml"):
        load_manifest(tmp_path / "models.yaml")


@pytest.mark.parametrize(
    ("spec", "shapes"),
    [
        (DetectSpec(ImageInput(640, 480), "yolox"), ((1, 3, 480, 640),)),
        (KeypointSpec(ImageInput(192, 256), "simcc"), ((-1, 3, 256, 192),)),
        (LiftSpec(27, channels=3), ((-1, 27, 17, 3),)),
        (ContextSpec(ImageInput(224, 224)), ((1, 3, 224, 224),)),
        (EmotionSpec(16, 10.0), ((-1, 16, 17, 3),)),
        (
            EmotionSpec(16, 10.0, context_frames=4, context_model="clip"),
            ((-1, 16, 17, 3), (-1, 4, -1, -1)),
        ),
    ],
)
def test_input_shapes(spec: Any, shapes: Any) -> None:
    assert input_shapes(spec) == shapes


class TestPackageManifest:
    """config/models.yaml"""

    models = load_manifest(share_dir("config") / "models.yaml")

    @pytest.mark.parametrize("name", models)
    def test_entry(self, name: str) -> None:
        model = self.models[name]
        folder = share_dir("config")
        assert model.licence
        assert model.source
        if model.file:
            assert sha256_of(folder / model.file) == model.sha256
            assert (folder / model.card).is_file()
        else:
            assert model.url.startswith("https://")
            assert bool(model.member) == model.url.endswith(".zip")
            assert re.fullmatch("[0-9a-f]{64}", model.sha256)
        if isinstance(model.spec, EmotionSpec):
            assert sorted(set(model.spec.labels) - {NEUTRAL}) == sorted(EMOTIONS)

    @pytest.mark.parametrize("name", [name for name, model in models.items() if model.file])
    def test_shipped_file_is_what_its_entry_says(self, name: str) -> None:
        model = self.models[name]
        open_session(
            share_dir("config") / model.file,
            runtime="onnxruntime",
            threads=1,
            shapes=input_shapes(model.spec),
        )

    @pytest.mark.shared
    def test_peer_is_the_published_detector(self, shared_data: Path) -> None:
        peer = shared_data / "peers" / "rtmdet_nano_person.onnx"
        model = self.models["rtmdet-nano-person"]
        assert sha256_of(peer) == model.sha256
        session = open_session(peer, runtime="onnxruntime", threads=1, shapes=input_shapes(model.spec))
        assert [spec.name for spec in session.outputs] == ["dets", "labels"]
