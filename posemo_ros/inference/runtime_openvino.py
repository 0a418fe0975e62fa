"""Session on OpenVINO, CPU. Needs the extra ``openvino``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MissingExtraError, ModelError
from .session import Feeds, Outputs, TensorSpec, check_feeds, widen


class OpenVinoSession:
    """See ``Session``."""

    runtime = "openvino"

    def __init__(self, path: Path, *, precision: str, threads: int, bf16: bool = False) -> None:
        try:
            import openvino
        except ImportError as error:
            raise MissingExtraError("openvino", "openvino", "runtime 'openvino'") from error
        self._name = path.name
        try:
            self._model = openvino.Core().compile_model(str(path), "CPU", _properties(threads, bf16=bf16))
        except RuntimeError as error:
            raise ModelError(f"OpenVINO {openvino.__version__} cannot load {path}: {error}") from error
        self._request = self._model.create_infer_request()
        self.precision = "bf16" if bf16 and precision == "fp32" else precision
        self.inputs = tuple(map(_spec, self._model.inputs))
        self.outputs = tuple(map(_spec, self._model.outputs))

    def run(self, feeds: Feeds) -> Outputs:
        """See ``Session.run``."""
        arrays = check_feeds(self.inputs, feeds, self._name)
        try:
            # By default the results are copies, so the next run does not change them.
            results = self._request.infer(list(arrays.values()), share_inputs=True)
        except RuntimeError as error:
            raise ModelError(f"{self._name}: OpenVINO failed: {error}") from error
        return {spec.name: widen(np.asarray(results[i])) for i, spec in enumerate(self.outputs)}


def _properties(threads: int, *, bf16: bool) -> dict[str, Any]:
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": threads,
        # Left alone, OpenVINO takes bfloat16 wherever the processor has it.
        "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
    }


def _spec(port: Any) -> TensorSpec:
    shape = tuple(size.get_length() if size.is_static else -1 for size in port.get_partial_shape())
    return TensorSpec(port.get_any_name(), shape, np.dtype(port.get_element_type().to_dtype()).name)
