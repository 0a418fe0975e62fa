"""The reader of ONNX files against files made by the onnx package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from posemo_ros.inference.onnxfile import precision_of

from .conftest import affine_model, quantised_model


def test_type_of_the_weights(tmp_path: Path) -> None:
    assert precision_of(affine_model(tmp_path / "single.onnx")) == "fp32"
    assert precision_of(affine_model(tmp_path / "half.onnx", dtype=np.float16)) == "fp16"
    assert precision_of(quantised_model(tmp_path / "int8.onnx")) == "int8"


@pytest.mark.parametrize(("half", "single", "expected"), [(100, 10, "fp16"), (10, 100, "fp32")])
def test_most_weights_decide(tmp_path: Path, half: int, single: int, expected: str) -> None:
    """Elements count, not tensors; also those in Constant nodes; integers (indices) do not."""
    inside = numpy_helper.from_array(np.zeros((half // 10, 10), np.float16), "h")
    nodes = [
        helper.make_node("Constant", [], ["h"], value=inside),
        helper.make_node("Identity", ["h"], ["y"]),
    ]
    weights = [numpy_helper.from_array(np.zeros(single // 2, np.float32), f"s{i}") for i in range(2)]
    weights.append(numpy_helper.from_array(np.zeros(1000, np.int64), "indices"))
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT16, None)
    path = tmp_path / "mixed.onnx"
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", [], [output], weights)), path)
    assert precision_of(path) == expected
