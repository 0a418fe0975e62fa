"""One interface to every inference runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError

Feeds = Mapping[str, NDArray[np.generic]]
Outputs = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class TensorSpec:
    """A named input or output; -1 in the shape is a free dimension, ``dtype`` is NumPy's name."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    def accepts(self, shape: tuple[int, ...]) -> bool:
        """Whether an array of this shape fits."""
        return len(shape) == len(self.shape) and all(
            want in (-1, have) for want, have in zip(self.shape, shape, strict=True)
        )


class Session(Protocol):
    """A loaded network. One thread at a time may run it.

    Attributes:
        runtime: ``onnxruntime``, ``openvino`` or ``tensorrt``.
        precision: ``fp32``, ``fp16`` or ``int8``: that of the model file's weights.
        inputs, outputs: In the order of the model file.
    """

    runtime: str
    precision: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def run(self, feeds: Feeds) -> Outputs:
        """Run once; all outputs by name. The arrays belong to the caller.

        Floating-point feeds are cast to the network's type; float16 outputs come back as float32.

        Raises:
            ModelError: A feed is missing, unknown, or of the wrong shape or type.
        """
        ...


class SessionLike:
    """What a session looks like from outside: the base of those that stand in the place of another one."""

    def __init__(self, session: Session) -> None:
        self.runtime, self.precision = session.runtime, session.precision
        self.inputs: tuple[TensorSpec, ...] = session.inputs
        self.outputs: tuple[TensorSpec, ...] = session.outputs


def one_by_one(session: Session, feeds: Feeds) -> Outputs:
    """What a session answers to every person of a batch (at least one) alone, put together.

    Args:
        session: Runs once for each of N persons.
        feeds: (N, …) each.
    """
    count = max(len(array) for array in feeds.values())
    answers = [session.run({name: a[i : i + 1] for name, a in feeds.items()}) for i in range(count)]
    return {name: np.concatenate([a[name] for a in answers]) for name in answers[0]}


def check_feeds(inputs: tuple[TensorSpec, ...], feeds: Feeds, model: str) -> Outputs:
    """Feeds as C-contiguous arrays of the network's types, in the order of its inputs.

    Raises:
        ModelError: See ``Session.run``.
    """
    names = [spec.name for spec in inputs]
    if set(feeds) != set(names):
        raise ModelError(f"{model}: expected the inputs {', '.join(names)}, got {', '.join(feeds) or 'none'}")
    return {spec.name: _check_feed(spec, feeds[spec.name], model) for spec in inputs}


def _check_feed(spec: TensorSpec, array: NDArray[np.generic], model: str) -> NDArray[np.generic]:
    if not spec.accepts(array.shape):
        raise ModelError(
            f"{model}: input {spec.name!r} has shape {array.shape}; expected {shape_text(spec.shape)}"
        )
    wanted = np.dtype(spec.dtype)
    if array.dtype != wanted and not (array.dtype.kind == "f" and wanted.kind == "f"):
        raise ModelError(f"{model}: input {spec.name!r} has type {array.dtype}; expected {wanted}")
    return np.ascontiguousarray(array, wanted)


def widen(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """Float16 as float32; everything else unchanged."""
    return array.astype(np.float32) if array.dtype == np.float16 else array


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape for people: free dimensions as ``?``."""
    return f"({', '.join('?' if size < 0 else str(size) for size in shape)})"
