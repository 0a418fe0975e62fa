"""Sessions give the numbers of a network worked out by hand, whichever runtime runs it."""

from __future__ import annotations

import builtins
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from posemo_ros.errors import MissingExtraError, ModelError
from posemo_ros.inference import cuda, runtime_onnx, runtimes, tensorrt_engine
from posemo_ros.inference.session import Session
from posemo_ros.inference.sessions import open_session, usable_cores

from .conftest import affine_model

RUNTIMES = ["onnxruntime", "openvino"]


def _open(path: Path, runtime: str, **options: object) -> Session:
    if runtime == "openvino":
        pytest.importorskip("openvino")
    return open_session(path, runtime=runtime, threads=1, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_runs_any_batch(affine: Path, runtime: str) -> None:
    session = _open(affine, runtime)
    for n in (1, 5, 2):
        x = np.arange(3 * n, dtype=np.float32).reshape(n, 3)
        result = session.run({"x": x})
        assert list(result) == ["y", "total"]
        np.testing.assert_allclose(result["y"], 2 * x + 1)
        np.testing.assert_allclose(result["total"], (2 * x + 1).sum(1))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_describes_itself(affine: Path, runtime: str) -> None:
    session = _open(affine, runtime)
    assert (session.runtime, session.precision) == (runtime, "fp32")
    assert [(s.name, s.shape, s.dtype) for s in session.inputs] == [("x", (-1, 3), "float32")]
    assert [(s.name, s.shape) for s in session.outputs] == [("y", (-1, 3)), ("total", (-1,))]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_results_belong_to_the_caller(affine: Path, runtime: str) -> None:
    session = _open(affine, runtime)
    first = session.run({"x": np.zeros((1, 3), np.float32)})
    session.run({"x": np.ones((1, 3), np.float32)})
    np.testing.assert_array_equal(first["y"], np.ones((1, 3)))
    assert first["y"].flags.writeable


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_half_precision_takes_and_gives_float32(tmp_path: Path, runtime: str) -> None:
    session = _open(affine_model(tmp_path / "half.onnx", dtype=np.float16), runtime)
    result = session.run({"x": np.full((2, 3), 0.5, np.float32)})["y"]
    assert session.precision == "fp16"
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, np.full((2, 3), 2.0))


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(
    ("feeds", "message"),
    [
        ({"z": np.zeros((1, 3), np.float32)}, "expected the inputs x, got z"),
        ({}, "expected the inputs x, got none"),
        ({"x": np.zeros((1, 4), np.float32)}, r"shape \(1, 4\); expected \(\?, 3\)"),
        ({"x": np.zeros(3, np.float32)}, r"shape \(3,\); expected \(\?, 3\)"),
        ({"x": np.zeros((1, 3), np.int32)}, "type int32; expected float32"),
    ],
)
def test_wrong_feeds(affine: Path, runtime: str, feeds: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        _open(affine, runtime).run(feeds)


def test_unknown_runtime_lists_the_known(affine: Path) -> None:
    with pytest.raises(ModelError, match="'tflite' is unknown.*onnxruntime.*openvino.*tensorrt"):
        open_session(affine, runtime="tflite")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no model file .*nothing\.onnx"):
        open_session(tmp_path / "nothing.onnx")


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"PK\x03\x04zip", bytes(200)])
def test_not_an_onnx_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "page.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="is not an ONNX model"):
        open_session(path)


def test_cut_off_file(affine: Path) -> None:
    affine.write_bytes(affine.read_bytes()[:-20])
    with pytest.raises(ModelError, match="not an ONNX model, or it is damaged"):
        open_session(affine)


def test_openvino_missing(affine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: object, **kwargs: object) -> object:
        if name.split(".")[0] == "openvino":
            raise ModuleNotFoundError(name)
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"posemo_ros\[openvino\]"):
        open_session(affine, runtime="openvino")


@pytest.mark.parametrize("error", [r'OSError("too\nold")', 'ImportError("too old")', "Exception('too old')"])
@pytest.mark.parametrize(
    ("module", "there_is_a_gpu"), [("openvino", False), ("tensorrt", False), ("tensorrt", True)]
)
def test_a_runtime_that_is_broken(
    affine: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: str,
    module: str,
    there_is_a_gpu: bool,
) -> None:
    """One clear line where it is named; among the candidates of `auto` it ends nothing."""
    (tmp_path / module).mkdir()
    (tmp_path / module / "__init__.py").write_text(f"raise {error}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(tensorrt_engine, "MODULES", ("tensorrt",))  # there may be another one
    monkeypatch.setattr(cuda, "gpu_name", lambda: "A GPU" if there_is_a_gpu else "")
    with pytest.raises(ModelError, match=f"{module} is installed, but cannot be imported: too old"):
        open_session(affine, runtime=module)
    assert ("tensorrt" in runtimes.available()) is (module == "tensorrt" and there_is_a_gpu)


def test_shapes_must_fit_the_file(affine: Path) -> None:
    open_session(affine, runtime="onnxruntime", shapes=[(-1, 3)])
    with pytest.raises(ModelError, match=r"takes \(\?, 3\), but its manifest entry says \(\?, 4\)"):
        open_session(affine, runtime="onnxruntime", shapes=[(-1, 4)])


def test_networks_share_the_cores_without_spinning() -> None:
    options = runtime_onnx._options(3)
    assert options.intra_op_num_threads == 3
    assert options.inter_op_num_threads == 1
    assert options.execution_mode == ort.ExecutionMode.ORT_SEQUENTIAL
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert usable_cores() >= 1
