"""Tiny networks made on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper


def affine_model(
    path: Path,
    *,
    shape: Sequence[int | str] = ("n", 3),
    scale: float = 2.0,
    dtype: type = np.float32,
) -> Path:
    """An ONNX file that computes ``y = scale * x + 1``, and ``total``, the sum of y over axis 1."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    weights = [
        numpy_helper.from_array(np.full((3,), scale, dtype), "scale"),
        numpy_helper.from_array(np.ones((3,), dtype), "one"),
        numpy_helper.from_array(np.array([1], np.int64), "axis"),
    ]
    nodes = [
        helper.make_node("Mul", ["x", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "one"], ["y"]),
        helper.make_node("ReduceSum", ["y", "axis"], ["total"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "affine",
        [helper.make_tensor_value_info("x", kind, list(shape))],
        [
            helper.make_tensor_value_info("y", kind, list(shape)),
            helper.make_tensor_value_info("total", kind, [shape[0], *shape[2:]]),
        ],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def quantised_model(path: Path) -> Path:
    """An ONNX file with a QuantizeLinear/DequantizeLinear pair around its input."""
    parts = [
        numpy_helper.from_array(np.float32(0.1), "scale"),
        numpy_helper.from_array(np.int8(0), "zero"),
    ]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "qdq", values[:1], values[1:], parts)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def affine(tmp_path: Path) -> Path:
    return affine_model(tmp_path / "affine.onnx")
