"""Session on ONNX Runtime, CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort

from ..errors import ModelError
from .session import Feeds, Outputs, TensorSpec, check_feeds, widen

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(bool)": "bool",
}


class OnnxRuntimeSession:
    """See ``Session``."""

    runtime = "onnxruntime"

    def __init__(self, path: Path, *, precision: str, threads: int) -> None:
        self._name = path.name
        try:
            self._session = ort.InferenceSession(
                str(path), sess_options=_options(threads), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's own exceptions share no public base
            raise ModelError(f"ONNX Runtime {ort.__version__} cannot load {path}: {error}") from error
        self.precision = precision
        self.inputs = tuple(map(_spec, self._session.get_inputs()))
        self.outputs = tuple(map(_spec, self._session.get_outputs()))

    def run(self, feeds: Feeds) -> Outputs:
        """See ``Session.run``."""
        arrays = check_feeds(self.inputs, feeds, self._name)
        try:
            results = self._session.run(None, arrays)
        except Exception as error:
            raise ModelError(f"{self._name}: ONNX Runtime failed: {error}") from error
        return {
            spec.name: widen(np.asarray(value)) for spec, value in zip(self.outputs, results, strict=True)
        }


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
