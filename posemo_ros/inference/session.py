"""One interface to every inference runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TensorSpec:
    """A named input or output; -1 in the shape is a free dimension."""

    name: str
    shape: tuple[int, ...]
    dtype: str


class Session(Protocol):
    """A loaded network.

    Attributes:
        runtime: ``onnxruntime``, ``openvino`` or ``tensorrt``.
        precision: ``fp32``, ``fp16`` or ``int8``: that of the model file's weights.
        inputs, outputs: In the order of the model file.
    """

    runtime: str
    precision: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def run(self, feeds: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
        """Run once; all outputs by name. The arrays belong to the caller."""
        ...
