"""The few CUDA calls that running a TensorRT engine takes, through NVIDIA's ``cuda-bindings``."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MissingExtraError, ModelError, reason


def _runtime() -> Any:
    try:
        from cuda.bindings import runtime
    except ImportError as error:
        raise MissingExtraError("cuda-bindings", "tensorrt", "running TensorRT engines") from error
    except Exception as error:  # a library that is missing, a driver that is too old
        raise ModelError(f"cuda-bindings cannot be imported: {reason(error)}") from error
    return runtime


def call(function: str, *arguments: Any) -> Any:
    """Call a function of the CUDA runtime; its value, if it has one.

    Raises:
        ModelError: CUDA reported an error.
        MissingExtraError: cuda-bindings is not installed.
    """
    runtime = _runtime()
    error, *values = getattr(runtime, function)(*arguments)
    if error != runtime.cudaError_t.cudaSuccess:
        why = runtime.cudaGetErrorString(error)[1].decode()
        raise ModelError(f"CUDA: {function} failed: {why}")
    return values[0] if values else None


def gpu_name() -> str:
    """Name and compute capability of the GPU in use; empty without a GPU."""
    try:
        if call("cudaGetDeviceCount") < 1:
            return ""
        properties = call("cudaGetDeviceProperties", call("cudaGetDevice"))
    except (ModelError, MissingExtraError):
        return ""
    return f"{properties.name.decode()} sm_{properties.major}{properties.minor}"


class Stream:
    """A queue of work on the GPU."""

    def __init__(self) -> None:
        self.handle = int(call("cudaStreamCreate"))

    def wait(self) -> None:
        """Until all work in it is done."""
        call("cudaStreamSynchronize", self.handle)

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # CUDA may be gone already when the process ends
            call("cudaStreamDestroy", self.handle)


class Buffer:
    """GPU memory that grows when needed."""

    def __init__(self) -> None:
        self.address = 0
        self._size = 0

    def reserve(self, size: int) -> int:
        """Address of at least ``size`` bytes; what was in it is lost when it has to grow."""
        if size > self._size or not self.address:
            self._free()
            self.address = int(call("cudaMalloc", max(size, 1)))
            self._size = size
        return self.address

    def upload(self, array: NDArray[np.generic], stream: Stream) -> None:
        """Queue a copy of a C-contiguous array, which must live until the stream was waited for."""
        kind = _runtime().cudaMemcpyKind.cudaMemcpyHostToDevice
        self.reserve(array.nbytes)
        call("cudaMemcpyAsync", self.address, array.ctypes.data, array.nbytes, kind, stream.handle)

    def download(self, array: NDArray[np.generic], stream: Stream) -> None:
        """Queue a copy into an array; valid once the stream was waited for."""
        kind = _runtime().cudaMemcpyKind.cudaMemcpyDeviceToHost
        call("cudaMemcpyAsync", array.ctypes.data, self.address, array.nbytes, kind, stream.handle)

    def _free(self) -> None:
        if self.address:
            call("cudaFree", self.address)
            self.address = 0

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # as above
            self._free()
