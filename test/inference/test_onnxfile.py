"""The reader of ONNX files against files made by the onnx package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from posemo_ros.errors import ModelError
from posemo_ros.inference.onnxfile import precision_of
from posemo_ros.inference.sessions import open_session

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


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid", "is not an ONNX model but a Git LFS pointer"),
        (b"<!DOCTYPE html><p>404", "not an ONNX model but a web page"),
        (b"PK\3\4" + bytes(200), "not an ONNX model but a ZIP archive, as PyTorch's checkpoints are"),
        (b"anything else", "is not an ONNX model, or it is damaged"),
    ],
)
def test_what_is_no_model_is_named(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=says):
        precision_of(tmp_path / "a.onnx")


def test_weights_that_are_only_stored_in_half_precision_are_single(tmp_path: Path) -> None:
    store_half = pytest.importorskip("train.export").store_half

    weights = np.random.default_rng(0).normal(size=(1, 3, 1, 64)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "w"], ["y"])],
        "scaled",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 1, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 1, 64])],
        [numpy_helper.from_array(weights, "w")],
    )
    path = tmp_path / "small.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 8
    onnx.save(model, str(path))
    before = path.stat().st_size
    store_half(path)
    assert path.stat().st_size < 0.7 * before
    assert precision_of(path) == "fp32"
    session = open_session(path, runtime="onnxruntime", threads=1)
    ones = np.ones((1, 3, 1, 64), np.float32)
    found = session.run({"x": ones})["y"]
    np.testing.assert_array_equal(found, weights.astype(np.float16).astype(np.float32))
