"""The command `posemo models`."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest
import yaml

from posemo_ros.cli import main
from posemo_ros.inference import tensorrt_engine

from ..inference.conftest import affine_model


def run(*arguments: str) -> int:
    return main(["models", *arguments])


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments for a manifest with one good model, a damaged one and one that is not here."""
    good = affine_model(tmp_path / "good.onnx", shape=("n", 1, 17, 3))
    (tmp_path / "damaged.onnx").write_bytes(b"not what it was")
    common = {"licence": "Apache-2.0", "source": "test", "lifter": {"frames": 1, "channels": 3}}
    digest = hashlib.sha256(good.read_bytes()).hexdigest()
    models = {
        "good": {**common, "file": "good.onnx", "sha256": digest},
        "damaged": {**common, "file": "damaged.onnx", "sha256": digest},
        "unfit": {**common, "file": "good.onnx", "lifter": {"frames": 9}},
        "remote": {**common, "url": "http://127.0.0.1:9/net.onnx"},
    }
    path = tmp_path / "models.yaml"
    path.write_text(yaml.safe_dump({"models": models}))
    monkeypatch.delenv("POSEMO_MODELS", raising=False)
    return ["--manifest", str(path), "--cache", str(tmp_path / "cache")]


def test_list(manifest: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*manifest, "list") == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert lines["NAME"].split() == ["NAME", "TASK", "STATE", "SIZE", "LICENCE"]
    assert "lifter" in lines["good"]
    assert "here" in lines["good"]
    assert "to pull" in lines["remote"]
    assert "rtmdet-nano-person" in lines
    assert "missing: keypoints papers-keypoints" in lines["papers"]


def test_check_good(manifest: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*manifest, "check", "good") == 0
    assert (
        capsys.readouterr().out == "good: ok (SHA-256 right, fp32, inputs and outputs as the manifest says)\n"
    )


def test_check_goes_on_after_a_failure(manifest: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*manifest, "check", "damaged", "unfit", "good") == 1
    out, err = capsys.readouterr()
    assert out.startswith("good: ok")
    damaged, unfit = err.splitlines()
    assert damaged.startswith("posemo models check: damaged: ")
    assert "SHA-256" in damaged
    assert "takes (?, 1, 17, 3), but its manifest entry says (?, 9, 17, 2)" in unfit


def test_mistyped_name(manifest: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*manifest, "check", "good", "godo") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "no model 'godo'" in err


def test_pull_failure(
    manifest: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert run(*manifest, "pull", "remote") == 1
    assert (
        "posemo models pull: remote: cannot download http://127.0.0.1:9/net.onnx" in capsys.readouterr().err
    )


def test_pull_needs_a_name(manifest: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(*manifest, "pull")
    assert stopped.value.code == 2


def test_build(manifest: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorrt_rtx")
    assert run(*manifest, "build", "good") == 0
    engine = Path(capsys.readouterr().out.removeprefix("good: ").strip())
    assert engine.parent == tmp_path / "cache" / "engines"
    assert engine.is_file()


def test_build_without_tensorrt(
    manifest: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("tensorrt", "tensorrt_rtx"):
        monkeypatch.setitem(sys.modules, name, None)
    assert tensorrt_engine is not None
    assert run(*manifest, "build", "good") == 1
    assert "posemo_ros[tensorrt]" in capsys.readouterr().err
