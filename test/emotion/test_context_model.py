"""An emotion network gets the encodings of the scene it was trained with, or nothing starts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from posemo_ros.cli import main
from posemo_ros.emotion.estimator import EmotionEstimator
from posemo_ros.errors import ModelError
from posemo_ros.inference.manifest import EmotionSpec
from posemo_ros.inference.store import ModelStore
from posemo_ros.pipeline import Models, Settings, build_emotion, context_rate
from posemo_ros.trained_behind import unlike_training
from posemo_ros.types import Context, View

from .test_estimator import Echo

IMAGE = {"width": 224, "height": 224}
EMOTION = {
    "frames": 16,
    "rate_hz": 7.5,
    "context_frames": 16,
    "context_model": "clip-vit-b32",
    "context_rate_hz": 7.5,
}


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    rest = {"licence": "MIT", "source": "test"}
    entries = {
        "moemo": {"emotion": EMOTION, "file": "moemo.onnx", **rest},
        "clip-vit-b32": {"context": {"input": IMAGE}, "file": "clip.onnx", **rest},
        "clip-vit-l14": {"context": {"input": IMAGE}, "file": "large.onnx", **rest},
    }
    path = tmp_path / "models.yaml"
    path.write_text(yaml.safe_dump({"models": entries}))
    return path


@pytest.mark.parametrize(
    ("context", "rate", "message"),
    [
        ("", 0.0, r"looks at the scene through the encoder 'clip-vit-b32', but no context is named: name it"),
        ("clip-vit-l14", 0.0, r"but the context 'clip-vit-l14' is another"),
        ("clip-vit-b32", 2.0, r"trained with 7\.5 encodings of the scene per second, context_rate_hz is 2"),
        ("clip-vit-b32", 7.5, r"the file of model 'moemo' is missing"),  # everything else is right
        ("clip-vit-b32-fp16", 6.0, r"the file of model 'moemo' is missing"),
    ],
)
def test_refused_before_anything_is_loaded(manifest: Path, context: str, rate: float, message: str) -> None:
    models = Models(emotion="moemo", context=context)
    with pytest.raises(ModelError, match=message):
        build_emotion(models, ModelStore([manifest]), Settings(context_rate_hz=rate))


def test_the_rate_is_the_networks_own_unless_it_is_given(manifest: Path) -> None:
    store, models = ModelStore([manifest]), Models(emotion="moemo", context="clip-vit-b32")
    assert context_rate(models, store, Settings()) == 7.5
    assert context_rate(models, store, Settings(context_rate_hz=6.0)) == 6.0
    assert context_rate(Models(), store, Settings()) == 2.0


def test_posemo_run_says_so_at_the_start(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import cv2

    monkeypatch.setenv("POSEMO_MODELS", str(manifest))
    cv2.imwrite(str(tmp_path / "photo.png"), np.zeros((48, 64, 3), np.uint8))
    out = tmp_path / "out"
    assert main(["run", str(tmp_path / "photo.png"), "--emotion", "moemo", "--out", str(out)]) == 1
    assert "name it (option --context clip-vit-b32" in capsys.readouterr().err
    assert not out.exists()


def test_encodings_that_come_at_another_rate_are_told() -> None:
    spec = EmotionSpec(5, 10.0, context_frames=3, context_model="clip", context_rate_hz=7.5)
    for rate, wrong in ((2.0, True), (6.0, False), (7.5, False), (30.0, True)):
        estimator = EmotionEstimator(Echo(), spec)
        for i in range(6):
            assert i > 4 or not estimator.context_problem
            view = View(round(i / rate * 1e9))
            estimator.remember(Context(np.zeros((2, 4), np.float32), "clip", view=view))
        assert bool(estimator.context_problem) == wrong
    assert "30.0 times a second, the network was trained with 7.5" in estimator.context_problem


def test_shape_of_the_encodings(manifest: Path) -> None:
    from posemo_ros.pipeline import _check_tokens

    spec = EmotionSpec(5, 10.0, context_frames=3, context_model="clip-vit-b32")
    models = Models(emotion="moemo", context="clip-vit-b32")
    with pytest.raises(ModelError, match="takes encodings of 2 x 4 numbers, 'clip-vit-b32' gives 50 x 768"):
        _check_tokens(models, ModelStore([manifest]), Echo(), spec)


def digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


@pytest.fixture
def raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Adds to a manifest what MoEmo learned from, and lifters and encoders whose files hold their names."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def write(**settings: object) -> Path:
        rest = {"licence": "MIT", "source": "test"}
        entries = {"moemo": {"emotion": {**EMOTION, **settings}, "file": "moemo.onnx", **rest}}
        for name in ("pstmo", "pstmo-fp16", "other"):
            entries[name] = {"lifter": {"frames": 243}, "file": f"{name}.onnx", **rest}
            (tmp_path / f"{name}.onnx").write_text(name)
        for name, task in (("finder", "detector"), ("eyes", "keypoints")):
            entries[name] = {task: {"input": IMAGE, "codec": CODECS[task]}, "file": "eyes.onnx", **rest}
        (tmp_path / "eyes.onnx").write_text("eyes")
        entries["clip-vit-b32"] = {"context": {"input": IMAGE}, "file": "clip.onnx", **rest}
        (tmp_path / "clip.onnx").write_text("clip")
        path = tmp_path / "raised.yaml"
        path.write_text(yaml.safe_dump({"models": entries}))
        return path

    return write


CODECS = {"detector": "rtmdet", "keypoints": "dark"}
MINE = {"poses": "pstmo", "trained_behind": {"lifter": digest("pstmo"), "context": digest("clip")}}
OLD = {"poses": "pstmo", "trained_behind": {"lifter": digest("old")}}
OTHER_CLIP = {"poses": "pstmo", "trained_behind": {"context": digest("old")}}
SEEN = {"poses": "pstmo", "trained_behind": {"detector": digest("eyes"), "keypoints": digest("eyes")}}
BLIND = {"poses": "pstmo", "trained_behind": {"detector": digest("old"), "keypoints": digest("eyes")}}
OTHER_EYES = {"poses": "pstmo", "trained_behind": {"keypoints": digest("old")}}


@pytest.mark.parametrize(
    ("settings", "lifter", "message"),
    [
        ({}, "other", ""),  # it does not say
        (MINE, "pstmo", ""),
        (MINE, "pstmo-fp16", ""),
        ({**MINE, "poses": "its name then"}, "pstmo", ""),  # the same file
        (MINE, "", ""),  # 2D alone
        (
            MINE,
            "other",
            f"the poses of 'pstmo' (SHA-256 {digest('pstmo')[:12]}…), here they come from 'other' (",
        ),
        (MINE, "of another machine", "here they come from 'of another machine': its answers"),
        (
            OLD,
            "pstmo",
            f"(SHA-256 {digest('old')[:12]}…), here they come from 'pstmo' (SHA-256 {digest('pstmo')[:12]}",
        ),
        (
            {"poses": "motion capture"},
            "pstmo",
            "come from 'pstmo': its answers may be others than in its test; train it",
        ),
        (OTHER_CLIP, "pstmo", "behind another file of the encoder than 'clip-vit-b32' (SHA-256"),
        (SEEN, "pstmo", ""),
        (BLIND, "pstmo", "behind another detector than 'finder' (SHA-256"),
        (OTHER_EYES, "pstmo", "behind another keypoint network than 'eyes' (SHA-256"),
    ],
)
def test_what_it_was_trained_behind(
    raised: Callable[..., Path], settings: dict[str, object], lifter: str, message: str
) -> None:
    models = Models("finder", "eyes", lifter, emotion="moemo", context="clip-vit-b32")
    said = unlike_training(models, ModelStore([raised(**settings)]))
    assert len(said) == bool(message)
    assert message in "".join(said)


def test_posemo_run_says_whose_poses_they_were(
    raised: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("POSEMO_MODELS", str(raised(**MINE)))
    words = ["run", str(tmp_path / "none.mp4"), "--emotion", "moemo", "--context", "clip-vit-b32"]
    for lifter, told in (("other", True), ("pstmo", False)):
        assert main([*words, "--lifter", lifter]) == 1
        assert ("here they come from 'other'" in capsys.readouterr().err) == told
