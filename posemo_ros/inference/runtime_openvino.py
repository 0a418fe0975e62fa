"""Session on OpenVINO, CPU. Needs the extra ``openvino``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MissingExtraError, ModelError, reason
from .alone import at_once, streams_for, takes_people
from .runtimes import processor
from .session import Feeds, Outputs, TensorSpec, check_feeds, widen


class OpenVinoSession:
    """See ``Session``.

    A large network answers for one person per request, see ``alone``. (So no batch is computed either, which
    OpenVINO 2026.4 does wrongly for some networks.)
    """

    runtime = "openvino"

    def __init__(
        self,
        path: Path,
        *,
        precision: str,
        threads: int,
        bf16: bool = False,
        shapes: Sequence[tuple[int, ...]] | None = None,
    ) -> None:
        try:
            import openvino
        except ModuleNotFoundError as error:
            raise MissingExtraError("openvino", "openvino", "runtime 'openvino'") from error
        except Exception as error:  # a library that is missing, a driver that is too old
            raise ModelError(f"openvino is installed, but cannot be imported: {reason(error)}") from error
        self._name, self._streams = path.name, streams_for(threads, shapes)
        core = openvino.Core()
        try:
            network = core.read_model(str(path))
            self.inputs = tuple(map(_spec, network.inputs))
            self.outputs = tuple(map(_spec, network.outputs))
            alone = takes_people(self.inputs, self.outputs)
            if alone:
                network.reshape({spec.name: [1, *spec.shape[1:]] for spec in self.inputs})
            whole = core.compile_model(network, "CPU", _properties(threads, bf16=bf16))
            if bf16 and whole.get_property("INFERENCE_PRECISION_HINT") == openvino.Type.f32:
                raise ModelError(
                    f"runtime 'openvino-bf16': OpenVINO does not compute in bfloat16 on this processor, "
                    f"{processor()}, it would take float32 without a word; use 'auto' or 'openvino'"
                )
            self._request, self._requests = whole.create_infer_request(), []
            if alone:
                options = _properties(threads, bf16=bf16, streams=self._streams)
                parallel = core.compile_model(network, "CPU", options) if self._streams > 1 else whole
                self._requests = [parallel.create_infer_request() for _ in range(self._streams)]
        except RuntimeError as error:
            raise ModelError(f"OpenVINO {openvino.__version__} cannot load {path}: {error}") from error
        self.precision = "bf16" if bf16 and precision == "fp32" else precision

    def run(self, feeds: Feeds) -> Outputs:
        """See ``Session.run``."""
        arrays = list(check_feeds(self.inputs, feeds, self._name).values())
        try:
            if not self._requests:
                return self._named([self._infer(arrays)])
            count = len(arrays[0])
            parallel = at_once(count, self._streams)
            rest = [self._infer([a[i : i + 1] for a in arrays]) for i in range(parallel, count)]
            return self._named(self._in_parallel(arrays, parallel) + rest)
        except RuntimeError as error:
            raise ModelError(f"{self._name}: OpenVINO failed: {error}") from error

    def _named(self, answers: list[list[Any]]) -> Outputs:
        """The outputs of several requests as those of one; without any, arrays for nobody."""
        joined = [
            np.concatenate(parts) if len(parts) > 1 else parts[0] for parts in zip(*answers, strict=True)
        ]
        if not answers:
            joined = [np.zeros((0, *spec.shape[1:]), spec.dtype) for spec in self.outputs]
        return {spec.name: widen(a) for spec, a in zip(self.outputs, joined, strict=True)}

    def _infer(self, arrays: list[Any]) -> list[Any]:
        # By default the results are copies, so the next run does not change them.
        results = self._request.infer(arrays, share_inputs=True)
        return [np.asarray(results[i]) for i in range(len(self.outputs))]

    def _in_parallel(self, arrays: list[Any], count: int) -> list[list[Any]]:
        """One request per person."""
        answers: list[list[Any]] = [[] for _ in range(count)]

        def collect(person: int) -> None:
            request = self._requests[person % self._streams]
            request.wait()
            answers[person] = [request.get_output_tensor(i).data.copy() for i in range(len(self.outputs))]

        for person in range(count):
            if person >= self._streams:
                collect(person - self._streams)
            ones = {i: array[person : person + 1] for i, array in enumerate(arrays)}
            self._requests[person % self._streams].start_async(ones, share_inputs=True)
        for person in range(max(count - self._streams, 0), count):
            collect(person)
        return answers


def _properties(threads: int, *, bf16: bool, streams: int = 1) -> dict[str, Any]:
    return {
        "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT",
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": threads,
        # Left alone, OpenVINO takes bfloat16 wherever the processor has it.
        "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
    }


def _spec(port: Any) -> TensorSpec:
    shape = tuple(size.get_length() if size.is_static else -1 for size in port.get_partial_shape())
    return TensorSpec(port.get_any_name(), shape, np.dtype(port.get_element_type().to_dtype()).name)
