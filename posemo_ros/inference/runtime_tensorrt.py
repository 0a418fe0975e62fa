"""Session on TensorRT. Needs the extra ``tensorrt`` and an NVIDIA GPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelError
from . import cuda
from .session import Feeds, Outputs, TensorSpec, check_feeds, widen
from .tensorrt_engine import BATCHES, import_tensorrt, installed, load_engine


def usable() -> bool:
    """Whether TensorRT, its helper and a GPU are there; whether it works, a trial finds out."""
    return installed() and bool(cuda.gpu_name())


class TensorRtSession:
    """See ``Session``."""

    runtime = "tensorrt"

    def __init__(
        self, path: Path, *, precision: str, cache_dir: Path, shapes: Sequence[tuple[int, ...]] | None = None
    ) -> None:
        self._trt = import_tensorrt()
        self._name = path.name
        self._engine = load_engine(path, precision=precision, cache_dir=cache_dir, shapes=shapes)
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise ModelError(f"{path.name}: TensorRT got no memory on the GPU for it")
        self.precision = precision
        specs = [_spec(self._trt, self._engine, i) for i in range(self._engine.num_io_tensors)]
        self.inputs = tuple(spec for spec in specs if self._is_input(spec.name))
        self.outputs = tuple(spec for spec in specs if not self._is_input(spec.name))
        self._stream = cuda.Stream()
        self._feeds = {spec.name: cuda.Buffer() for spec in self.inputs}
        self._results = {spec.name: _output_allocator(self._trt, cuda.Buffer()) for spec in self.outputs}

    def run(self, feeds: Feeds) -> Outputs:
        """See ``Session.run``. More people than the engine takes at once are run in several goes."""
        arrays = check_feeds(self.inputs, feeds, self._name)
        free = [spec.name for spec in self.inputs if spec.shape[:1] == (-1,)]
        count = max((len(arrays[name]) for name in free), default=0)
        if count <= BATCHES[-1]:
            return self._run(arrays)
        parts = []
        for start in range(0, count, BATCHES[-1]):
            part = slice(start, start + BATCHES[-1])
            parts.append(self._run({k: v[part] if k in free else v for k, v in arrays.items()}))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _run(self, arrays: Feeds) -> Outputs:
        for name, array in arrays.items():
            if not self._context.set_input_shape(name, tuple(array.shape)):
                raise ModelError(f"{self._name}: TensorRT refuses the shape {array.shape} for {name!r}")
            self._feeds[name].upload(array, self._stream)
            self._context.set_tensor_address(name, self._feeds[name].address)
        for name, allocator in self._results.items():
            self._context.set_output_allocator(name, allocator)
        if not self._context.execute_async_v3(self._stream.handle):
            raise ModelError(f"{self._name}: TensorRT failed; see the log above")
        # Output shapes can depend on the data and are known only once all work is done.
        self._stream.wait()
        results = {spec.name: np.empty(self._results[spec.name].shape, spec.dtype) for spec in self.outputs}
        for name, array in results.items():
            self._results[name].buffer.download(array, self._stream)
        self._stream.wait()
        return {name: widen(array) for name, array in results.items()}

    def _is_input(self, name: str) -> bool:
        return bool(self._engine.get_tensor_mode(name) == self._trt.TensorIOMode.INPUT)


def _spec(trt: Any, engine: Any, index: int) -> TensorSpec:
    name = engine.get_tensor_name(index)
    dtype = np.dtype(trt.nptype(engine.get_tensor_dtype(name))).name
    return TensorSpec(name, tuple(engine.get_tensor_shape(name)), dtype)


def _output_allocator(trt: Any, buffer: cuda.Buffer) -> Any:
    """Gives TensorRT the memory of one output and learns the output's shape."""

    class OutputAllocator(trt.IOutputAllocator):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.buffer = buffer
            self.shape: tuple[int, ...] = ()

        def reallocate_output(self, name: str, memory: int, size: int, alignment: int) -> int:
            return self.buffer.reserve(size)

        def reallocate_output_async(
            self, name: str, memory: int, size: int, alignment: int, stream: int
        ) -> int:
            return self.buffer.reserve(size)

        def notify_shape(self, name: str, shape: Any) -> None:
            self.shape = tuple(shape)

    return OutputAllocator()
