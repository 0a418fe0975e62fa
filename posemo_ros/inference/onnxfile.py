"""What an ONNX file says about itself, read without the onnx package.

An ONNX file is one protobuf message. Only the few fields needed here are visited, weights are
skipped over, so a file of hundreds of megabytes takes milliseconds. Field numbers are those of
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Iterator
from math import prod
from pathlib import Path

from ..errors import ModelError

_GRAPH = 7  # ModelProto
_NODE, _INITIALIZER = 1, 5  # GraphProto
_INPUT, _OP_TYPE, _ATTRIBUTE = 1, 4, 5  # NodeProto
_ATTRIBUTE_TENSOR = 5  # AttributeProto
_DIMS, _DATA_TYPE, _NAME = 1, 2, 8  # TensorProto
_FLOAT, _FLOAT16, _DOUBLE, _BFLOAT16 = 1, 10, 11, 16  # TensorProto.DataType
_OTHERS = (
    (b"version https://git-lfs", "a Git LFS pointer; `git lfs pull` fetches the model"),
    (b"<!doctype html", "a web page: what was downloaded was an error or a login page"),
    (b"<html", "a web page: what was downloaded was an error or a login page"),
    (b"pk\3\4", "a ZIP archive, as PyTorch's checkpoints are; unpack it, or export the network to ONNX"),
)
_QUANTISED_OPS = {b"QuantizeLinear", b"DequantizeLinear", b"QLinearConv", b"QLinearMatMul", b"ConvInteger"}


def precision_of(path: Path) -> str:
    """``int8`` when the network is quantised, else the type of most of its floats: ``fp16`` or ``fp32``.

    Weights that are only stored in half precision, and cast when the file is loaded, are ``fp32``.

    Raises:
        ModelError: The file is missing, unreadable or not an ONNX model.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _precision(data)
    except FileNotFoundError as error:
        raise ModelError(f"there is no model file {path}") from error
    except OSError as error:
        raise ModelError(f"the model file {path} cannot be read ({error.strerror or error})") from error
    except (ValueError, IndexError) as error:
        other = _other(path)
        why = f" but {other}" if other else f", or it is damaged ({error})"
        raise ModelError(f"{path} is not an ONNX model{why}") from error


def _other(path: Path) -> str:
    """What a file that is no ONNX model is; "" when nothing is known about it."""
    with path.open("rb") as file:
        head = file.read(64).lstrip().lower()
    return next((words for beginning, words in _OTHERS if head.startswith(beginning)), "")


def _precision(data: mmap.mmap) -> str:
    graphs = [span for number, span in _fields(data, 0, len(data)) if number == _GRAPH]
    if len(graphs) != 1 or not isinstance(graphs[0], tuple):
        raise ValueError("no graph in it")
    weights: Counter[int] = Counter()
    stored: dict[bytes, dict[int, int]] = {}
    cast: set[bytes] = set()
    for number, span in _fields(data, *graphs[0]):
        if not isinstance(span, tuple):
            continue
        if number == _INITIALIZER:
            stored[_named(data, span)] = _tensor(data, span)
        elif number == _NODE:
            op_type, inputs, tensors = _node(data, span)
            cast.update(inputs if op_type == b"Cast" else ())
            if op_type in _QUANTISED_OPS:
                return "int8"
            for tensor in tensors:
                weights.update(_tensor(data, tensor))
    for name, size in stored.items():
        weights.update({_FLOAT: sum(size.values())} if name in cast else size)
    half = weights[_FLOAT16] + weights[_BFLOAT16]
    return "fp16" if half > weights[_FLOAT] + weights[_DOUBLE] else "fp32"


def _node(data: mmap.mmap, span: tuple[int, int]) -> tuple[bytes, list[bytes], list[tuple[int, int]]]:
    """Operator of a node, its inputs, and the tensors among its attributes (``Constant`` holds weights)."""
    op_type, inputs, tensors = b"", [], []
    for number, value in _fields(data, *span):
        if not isinstance(value, tuple):
            continue
        if number == _OP_TYPE:
            op_type = data[value[0] : value[1]]
        elif number == _INPUT:
            inputs.append(data[value[0] : value[1]])
        elif number == _ATTRIBUTE:
            tensors += [
                v for n, v in _fields(data, *value) if n == _ATTRIBUTE_TENSOR and isinstance(v, tuple)
            ]
    return op_type, inputs, tensors


def _named(data: mmap.mmap, span: tuple[int, int]) -> bytes:
    """Name of a tensor."""
    spans = (v for n, v in _fields(data, *span) if n == _NAME and isinstance(v, tuple))
    start, end = next(spans, (0, 0))
    return data[start:end]


def _tensor(data: mmap.mmap, span: tuple[int, int]) -> dict[int, int]:
    """{data type: number of elements} of one tensor."""
    dims, kind = [], 0
    for number, value in _fields(data, *span):
        if number == _DIMS:
            dims += [value] if isinstance(value, int) else list(_varints(data, *value))
        elif number == _DATA_TYPE and isinstance(value, int):
            kind = value
    return {kind: prod(dims)}


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int | tuple[int, int]]]:
    """(field number, integer value or (start, end) of the bytes) of a message."""
    while start < end:
        key, start = _varint(data, start)
        number, wire_type = key >> 3, key & 7
        if wire_type == 0:
            value, start = _varint(data, start)
            yield number, value
            continue
        if wire_type == 2:
            size, start = _varint(data, start)
        elif wire_type in (1, 5):
            size = 8 if wire_type == 1 else 4
        else:
            raise ValueError(f"unknown wire type {wire_type}")
        if start + size > end:
            raise ValueError("it ends too early")
        yield number, (start, start + size)
        start += size


def _varints(data: mmap.mmap, start: int, end: int) -> Iterator[int]:
    while start < end:
        value, start = _varint(data, start)
        yield value


def _varint(data: mmap.mmap, start: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[start]
        start += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, start
    raise ValueError("a number has more than ten bytes")
