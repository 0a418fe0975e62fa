"""Session on ONNX Runtime: the CPU, or one of its execution providers."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from ..errors import ModelError
from .alone import at_once, streams_for, takes_people, threads_each
from .session import Feeds, Outputs, TensorSpec, check_feeds, widen

_SUFFIX = "ExecutionProvider"
# Providers that keep what they compiled, and where.
_CACHED = {
    "TensorrtExecutionProvider": {
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": "DIR",
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": "DIR",
    },
    "OpenVINOExecutionProvider": {"device_type": "CPU", "precision": "FP32", "cache_dir": "DIR"},
}
_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(bool)": "bool",
}


class OnnxRuntimeSession:
    """See ``Session``. On the CPU a large network answers for one person per request, see ``alone``."""

    def __init__(
        self,
        path: Path,
        *,
        precision: str,
        threads: int,
        provider: str = "",
        cache_dir: Path | None = None,
        shapes: Sequence[tuple[int, ...]] | None = None,
    ) -> None:
        self._name = path.name
        self.runtime = "onnxruntime" + (f"-{provider.removesuffix(_SUFFIX).lower()}" if provider else "")
        try:
            self._session = ort.InferenceSession(
                str(path), sess_options=_options(threads), providers=_providers(provider, cache_dir)
            )
        except Exception as error:  # ONNX Runtime's own exceptions share no public base
            raise ModelError(f"ONNX Runtime {ort.__version__} cannot load {path}: {error}") from error
        if provider and self._session.get_providers()[0] != provider:
            raise ModelError(f"ONNX Runtime fell back from {provider} to the CPU; see its messages above")
        self.precision = precision
        self.inputs = tuple(map(_spec, self._session.get_inputs()))
        self.outputs = tuple(map(_spec, self._session.get_outputs()))
        self._by_person = not provider and takes_people(self.inputs, self.outputs)
        self._streams = streams_for(threads, shapes) if self._by_person else 1
        if self._streams > 1:
            options = _options(threads_each(threads, self._streams))
            self._alone = ort.InferenceSession(
                str(path), sess_options=options, providers=_providers("", None)
            )
            self._pool = ThreadPoolExecutor(self._streams, thread_name_prefix=f"posemo {path.stem}")

    def run(self, feeds: Feeds) -> Outputs:
        """See ``Session.run``."""
        arrays = check_feeds(self.inputs, feeds, self._name)
        try:
            results = self._answers(arrays)
        except Exception as error:
            raise ModelError(f"{self._name}: ONNX Runtime failed: {error}") from error
        return {
            spec.name: widen(np.asarray(value)) for spec, value in zip(self.outputs, results, strict=True)
        }

    def _answers(self, arrays: Outputs) -> list[Any]:
        count = len(next(iter(arrays.values())))
        if not self._by_person or not count:
            return list(self._session.run(None, arrays))
        parallel = at_once(count, self._streams)
        people = [{name: array[i : i + 1] for name, array in arrays.items()} for i in range(count)]
        answers: list[Any] = []
        if parallel:
            answers += self._pool.map(lambda one: self._alone.run(None, one), people[:parallel])
        answers += [self._session.run(None, one) for one in people[parallel:]]
        return [np.concatenate(parts) for parts in zip(*answers, strict=True)]


def _providers(name: str, cache_dir: Path | None) -> list[str | tuple[str, dict[str, str]]]:
    """The provider with its options, and the CPU for what it cannot run.

    Raises:
        ModelError: This build of ONNX Runtime does not have it.
    """
    there = ort.get_available_providers()
    if name and name not in there:
        raise ModelError(f"this ONNX Runtime has no {name} (it has {', '.join(there)}); see docs/runtimes.md")
    options = _CACHED.get(name, {})
    if options and cache_dir:
        cache_dir.mkdir(parents=True, exist_ok=True)
        options = {key: str(cache_dir) if value == "DIR" else value for key, value in options.items()}
    return [*([(name, options)] if name else []), "CPUExecutionProvider"]


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # Threads of one network that wait actively would take the cores from the next network.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors; exporters leave many harmless warnings
    return options


def _spec(node: ort.NodeArg) -> TensorSpec:
    shape = tuple(size if isinstance(size, int) else -1 for size in node.shape)
    dtype = _DTYPES.get(node.type, node.type.removeprefix("tensor(").removesuffix(")"))
    return TensorSpec(node.name, shape, dtype)
