"""TensorRT engines: real builds where TensorRT is installed, and the flow around a run.

No test machine has a GPU, so running is tested with stand-ins for the GPU and the engine that
compute on the CPU. They show that buffers, shapes and parts of a batch go the right way, not
that a GPU gives the right numbers.
"""

from __future__ import annotations

import ctypes
import json
import logging
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from posemo_ros.errors import MissingExtraError, ModelError
from posemo_ros.inference import cuda, runtime_tensorrt, tensorrt_engine
from posemo_ros.inference.sessions import open_session
from posemo_ros.inference.tensorrt_engine import EngineKey, cached_engine

from .conftest import affine_model, quantised_model


@pytest.fixture
def trt() -> Any:
    try:
        return tensorrt_engine.import_tensorrt()
    except MissingExtraError:
        pytest.skip("neither tensorrt nor tensorrt_rtx is installed")


@pytest.fixture
def no_gpu() -> None:
    if cuda.gpu_name():
        pytest.skip("says what happens without a GPU, and there is one")


class TestBuild:
    """With the real library; no GPU needed."""

    def test_single_and_half_precision(self, trt: Any, tmp_path: Path) -> None:
        for name, dtype in (("fp32", np.float32), ("fp16", np.float16)):
            model = affine_model(tmp_path / f"{name}.onnx", dtype=dtype)
            engine = cached_engine(model, precision=name, cache_dir=tmp_path / "engines")
            assert engine.stat().st_size > 1000

    def test_quantised(self, trt: Any, tmp_path: Path) -> None:
        model = quantised_model(tmp_path / "int8.onnx")
        assert cached_engine(model, precision="int8", cache_dir=tmp_path).is_file()

    def test_kept_and_used_again(self, trt: Any, affine: Path, tmp_path: Path) -> None:
        first = cached_engine(affine, precision="fp32", cache_dir=tmp_path)
        built = first.stat().st_mtime_ns
        assert cached_engine(affine, precision="fp32", cache_dir=tmp_path) == first
        assert first.stat().st_mtime_ns == built
        key = json.loads(first.with_suffix(".json").read_text())["key"]
        assert key["tensorrt"] == f"{trt.__name__} {trt.__version__}"

    def test_broken_one_is_built_again(
        self, trt: Any, affine: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        engine = cached_engine(affine, precision="fp32", cache_dir=tmp_path)
        size = engine.stat().st_size
        engine.write_bytes(engine.read_bytes()[: size // 2])
        with caplog.at_level(logging.INFO):
            assert cached_engine(affine, precision="fp32", cache_dir=tmp_path) == engine
        assert engine.stat().st_size == size
        assert "building its TensorRT engine" in caplog.text

    def test_changed_model_is_built_again(self, trt: Any, tmp_path: Path) -> None:
        model = tmp_path / "model.onnx"
        first = cached_engine(affine_model(model, scale=2), precision="fp32", cache_dir=tmp_path)
        assert cached_engine(affine_model(model, scale=3), precision="fp32", cache_dir=tmp_path) != first

    def test_free_sizes_come_from_the_manifest(self, trt: Any, tmp_path: Path) -> None:
        model = affine_model(tmp_path / "free.onnx", shape=("n", 3, "h", "w"), scale=1)
        shapes = [(1, 3, 8, 3)]
        assert cached_engine(model, precision="fp32", cache_dir=tmp_path, shapes=shapes).is_file()
        with pytest.raises(ModelError, match=r"'x' has the shape \(\?, 3, \?, \?\).*manifest entry"):
            cached_engine(model, precision="fp32", cache_dir=tmp_path)

    def test_without_a_gpu_it_says_so(self, trt: Any, no_gpu: None, affine: Path, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="is built .*there is no GPU to run it"):
            open_session(affine, runtime="tensorrt", cache_dir=tmp_path)

    def test_reports_while_it_builds(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(tensorrt_engine, "_PROGRESS_PERIOD_S", 0.01)
        end = time.monotonic() + 180
        with caplog.at_level(logging.INFO), tensorrt_engine._progress("net.onnx"):
            while "still" not in caplog.text and time.monotonic() < end:
                time.sleep(0.01)
        assert "net.onnx: still building the TensorRT engine" in caplog.text

    def test_calls_exist(self, trt: Any) -> None:
        """What the stand-ins below pretend is there."""
        for name in ("set_input_shape", "set_tensor_address", "set_output_allocator", "execute_async_v3"):
            assert hasattr(trt.IExecutionContext, name)
        for name in ("num_io_tensors", "get_tensor_name", "get_tensor_mode", "get_tensor_dtype"):
            assert hasattr(trt.ICudaEngine, name)
        assert np.dtype(trt.nptype(trt.DataType.HALF)) == np.float16


def test_missing_extra(affine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(tensorrt_engine.importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"posemo_ros\[tensorrt\]"):
        open_session(affine, runtime="tensorrt", cache_dir=tmp_path)


def test_every_part_of_the_key_counts() -> None:
    base = EngineKey("hash", "fp32", "tensorrt 10.3", "Orin sm_87", ((-1, 3),))
    others = [
        EngineKey("other", "fp32", "tensorrt 10.3", "Orin sm_87", ((-1, 3),)),
        EngineKey("hash", "fp16", "tensorrt 10.3", "Orin sm_87", ((-1, 3),)),
        EngineKey("hash", "fp32", "tensorrt 10.4", "Orin sm_87", ((-1, 3),)),
        EngineKey("hash", "fp32", "tensorrt 10.3", "RTX 4070 sm_89", ((-1, 3),)),
        EngineKey("hash", "fp32", "tensorrt 10.3", "Orin sm_87", ((-1, 4),)),
    ]
    names = {key.file_name("net") for key in (base, *others)}
    assert len(names) == 6


# --- stand-ins -------------------------------------------------------------------------------


class FakeContext:
    """Computes y = 2 x + 1 on "device" addresses, as an execution context would."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.shape = shape
        return shape[0] <= tensorrt_engine.BATCHES[-1]

    def set_tensor_address(self, name: str, address: int) -> None:
        self.address = address

    def set_output_allocator(self, name: str, allocator: Any) -> None:
        self.allocator = allocator

    def execute_async_v3(self, stream: int) -> bool:
        size = int(np.prod(self.shape)) * 4
        x = np.frombuffer(ctypes.string_at(self.address, size), np.float32)
        y = (2 * x + 1).astype(np.float32)
        target = self.allocator.reallocate_output_async("y", 0, size, 256, stream)
        ctypes.memmove(target, y.ctypes.data, size)
        self.allocator.notify_shape("y", self.shape)
        self.batches.append(self.shape[0])
        return True


class FakeEngine:
    num_io_tensors = 2

    def __init__(self) -> None:
        self.context = FakeContext()

    def create_execution_context(self) -> FakeContext:
        return self.context

    def get_tensor_name(self, index: int) -> str:
        return "xy"[index]

    def get_tensor_mode(self, name: str) -> str:
        return "in" if name == "x" else "out"

    def get_tensor_dtype(self, name: str) -> type:
        return np.float32

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (-1, 3)


@pytest.fixture
def fake_gpu(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A CUDA runtime whose device memory is host memory."""
    blocks: dict[int, Any] = {}

    def malloc(size: int) -> tuple[int, int]:
        block = ctypes.create_string_buffer(size)
        blocks[ctypes.addressof(block)] = block
        return 0, ctypes.addressof(block)

    def copy(target: int, source: int, size: int, kind: str, stream: int) -> tuple[int]:
        ctypes.memmove(target, source, size)
        return (0,)

    runtime = SimpleNamespace(
        cudaError_t=SimpleNamespace(cudaSuccess=0),
        cudaMemcpyKind=SimpleNamespace(cudaMemcpyHostToDevice="up", cudaMemcpyDeviceToHost="down"),
        cudaGetErrorString=lambda error: (0, b"out of memory"),
        cudaStreamCreate=lambda: (0, 7),
        cudaStreamSynchronize=lambda stream: (0,),
        cudaStreamDestroy=lambda stream: (0,),
        cudaMalloc=malloc,
        cudaMemcpyAsync=copy,
        cudaFree=lambda address: (0 if blocks.pop(address) else 1,),
        blocks=blocks,
    )
    monkeypatch.setattr(cuda, "_runtime", lambda: runtime)
    return runtime


@pytest.fixture
def fake_session(
    fake_gpu: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> runtime_tensorrt.TensorRtSession:
    module = SimpleNamespace(
        IOutputAllocator=object, TensorIOMode=SimpleNamespace(INPUT="in"), nptype=lambda kind: kind
    )
    monkeypatch.setattr(runtime_tensorrt, "import_tensorrt", lambda: module)
    monkeypatch.setattr(runtime_tensorrt, "load_engine", lambda *args, **kwargs: FakeEngine())
    return runtime_tensorrt.TensorRtSession(tmp_path / "net.onnx", precision="fp32", cache_dir=tmp_path)


@pytest.mark.parametrize(("people", "parts"), [(1, [1]), (16, [16]), (37, [16, 16, 5])])
def test_run(fake_session: runtime_tensorrt.TensorRtSession, people: int, parts: list[int]) -> None:
    x = np.random.default_rng(0).random((people, 3), np.float32)
    result = fake_session.run({"x": x})
    np.testing.assert_allclose(result["y"], 2 * x + 1, rtol=1e-6)
    assert fake_session._context.batches == parts


def test_memory_grows_and_is_given_back(
    fake_session: runtime_tensorrt.TensorRtSession, fake_gpu: SimpleNamespace
) -> None:
    for people in (1, 8, 2):
        fake_session.run({"x": np.zeros((people, 3), np.float32)})
    sizes = sorted(len(block) for block in fake_gpu.blocks.values())
    assert sizes == [8 * 3 * 4, 8 * 3 * 4]


def test_results_stay_when_it_runs_again(fake_session: runtime_tensorrt.TensorRtSession) -> None:
    first = fake_session.run({"x": np.zeros((1, 3), np.float32)})["y"]
    fake_session.run({"x": np.ones((1, 3), np.float32)})
    np.testing.assert_array_equal(first, np.ones((1, 3)))


def test_wrong_feed(fake_session: runtime_tensorrt.TensorRtSession) -> None:
    with pytest.raises(ModelError, match=r"net\.onnx: input 'x' has shape \(1, 4\)"):
        fake_session.run({"x": np.zeros((1, 4), np.float32)})


def test_cuda_error_is_named(fake_gpu: SimpleNamespace) -> None:
    fake_gpu.cudaMalloc = lambda size: (2, 0)
    with pytest.raises(ModelError, match="cudaMalloc failed: out of memory"):
        cuda.Buffer().reserve(10)


@pytest.mark.usefixtures("fake_gpu")
def test_engine_that_does_not_load_is_built_again_once(
    monkeypatch: pytest.MonkeyPatch, affine: Path, tmp_path: Path
) -> None:
    """A sound file that this machine's TensorRT cannot load (None instead of an engine)."""
    answers, rebuilds = [None, "engine"], []
    monkeypatch.setattr(cuda, "gpu_name", lambda: "Orin sm_87")
    monkeypatch.setattr(tensorrt_engine, "_logger", lambda trt: None)
    runtime = SimpleNamespace(deserialize_cuda_engine=lambda data: answers.pop(0))
    monkeypatch.setattr(
        tensorrt_engine, "import_tensorrt", lambda: SimpleNamespace(Runtime=lambda logger: runtime)
    )

    def build(path: Path, *, rebuild: bool, **options: object) -> Path:
        rebuilds.append(rebuild)
        return path

    monkeypatch.setattr(tensorrt_engine, "cached_engine", build)
    engine = tensorrt_engine.load_engine(affine, precision="fp32", cache_dir=tmp_path, shapes=None)
    assert engine == "engine"
    assert rebuilds == [False, True]
