"""A whole chain of networks of a few kilobytes that follow a bright blob on a black image.

python test/nodes/tiny_models.py FOLDER writes them with their manifest.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx makes the networks of these tests")

import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper

SIZE = 64  # of the detector's and the context encoder's input
FRAMES = 3
WINDOW = 4


def write_chain(folder: Path, prefix: str = "tiny", frames: int = FRAMES) -> Path:
    """All networks and ``models.yaml``, which names them PREFIX-detector, PREFIX-keypoints and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = {"width": SIZE, "height": SIZE, "mean": [0, 0, 0], "std": [1, 1, 1], "pad_value": 0}
    entries = {
        "detector": (_detector(), "detector", {"input": plain, "codec": "nms"}),
        "keypoints": (
            _keypoints(),
            "keypoints",
            {"input": {**plain, "width": 48, "height": 64}, "codec": "quarter"},
        ),
        "lifter": (_lifter(frames), "lifter", {"frames": frames, "normalisation": "person"}),
        "emotion": (
            _emotion(),
            "emotion",
            {"frames": WINDOW, "rate_hz": 10.0, "context_frames": 1, "context_model": "tiny-context"},
        ),
        "context": (_context(), "context", {"input": plain, "tokens": 1, "width": 3}),
    }
    manifest = {}
    for name, (graph, task, spec) in entries.items():
        onnx.save(_model(graph), folder / f"{name}.onnx")
        manifest[f"{prefix}-{name}"] = {
            task: spec,
            "file": f"{name}.onnx",
            "licence": "Apache-2.0",
            "source": "test/nodes/tiny_models.py",
        }
    path = folder / "models.yaml"
    path.write_text(yaml.safe_dump({"models": manifest}), encoding="utf-8")
    return path


def write_mover(manifest: Path) -> None:
    """Add tiny-mover to a manifest: an emotion network that looks at movement alone."""
    weights = np.zeros((3, 6), np.float32)
    weights[2, 0] = 4  # joy for people whose mean joint is above the pelvis
    nodes = [
        helper.make_node("ReduceMean", ["movement"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["mean", "w"], ["out"]),
    ]
    graph = _graph(nodes, {"w": weights}, {"movement": ("n", WINDOW, 17, 3)}, {"out": ("n", 6)})
    onnx.save(_model(graph), manifest.parent / "mover.onnx")
    content = yaml.safe_load(manifest.read_text(encoding="utf-8"))
    content["models"]["tiny-mover"] = {
        "emotion": {"frames": WINDOW, "rate_hz": 10.0, "axes": "upright"},
        "file": "mover.onnx",
        "licence": "Apache-2.0",
        "source": "test/nodes/tiny_models.py",
    }
    manifest.write_text(yaml.safe_dump(content), encoding="utf-8")


def write_stand_ins(folder: Path) -> Path:
    """Manifest with tiny networks, none of which needs the scene, under the names of the starter models."""
    path = write_chain(folder)
    write_mover(path)
    models = yaml.safe_load(path.read_text(encoding="utf-8"))["models"]
    names = {"detector": "detector", "keypoints": "keypoints", "lifter": "lifter", "emotion": "mover"}
    stand_ins = path.with_name("stand_ins.yaml")
    content = {"models": {f"posemo-{s}": models[f"tiny-{n}"] for s, n in names.items()}}
    stand_ins.write_text(yaml.safe_dump(content), encoding="utf-8")
    return stand_ins


def parameters(manifest: Path, node: str) -> dict[str, object]:
    """The parameters that make a node use the tiny networks."""
    chosen = {
        "pipeline": ("detector", "keypoints", "lifter", "emotion", "context"),
        "keypoints": ("detector", "keypoints"),
        "lifter": ("lifter",),
        "context": ("context", "emotion"),
        "emotion": ("emotion", "context"),
    }[node]
    return {"manifests": [str(manifest)], "threads": 1} | {name: f"tiny-{name}" for name in chosen}


def _detector() -> onnx.GraphProto:
    """Box of 24 x 48 input pixels around the centre of brightness; nobody (score 0) in a black image."""
    columns = np.arange(SIZE, dtype=np.float32).reshape(1, 1, 1, SIZE)
    rows = np.arange(SIZE, dtype=np.float32).reshape(1, 1, SIZE, 1)
    nodes = [
        helper.make_node("ReduceSum", ["image"], ["brightness"], keepdims=0),
        helper.make_node("Max", ["brightness", "least"], ["sum"]),
        helper.make_node("Div", ["brightness", "sum"], ["lit"]),  # 0 or 1
        helper.make_node("Mul", ["sure", "lit"], ["score"]),
        *_weighted_mean("x", "columns"),
        *_weighted_mean("y", "rows"),
        helper.make_node("Sub", ["x", "half_w"], ["x0"]),
        helper.make_node("Sub", ["y", "half_h"], ["y0"]),
        helper.make_node("Add", ["x", "half_w"], ["x1"]),
        helper.make_node("Add", ["y", "half_h"], ["y1"]),
        helper.make_node("Concat", ["x0", "y0", "x1", "y1", "score"], ["flat"], axis=0),
        helper.make_node("Reshape", ["flat", "dets_shape"], ["dets"]),
    ]
    constants = {
        "columns": columns,
        "rows": rows,
        "one": np.array([1], np.int64),
        "half_w": np.array([12], np.float32),
        "half_h": np.array([24], np.float32),
        "sure": np.array([0.9], np.float32),
        "least": np.array([1e-6], np.float32),
        "dets_shape": np.array([1, 1, 5], np.int64),
        "labels": np.array([[0]], np.int64),
    }
    nodes.append(helper.make_node("Identity", ["labels"], ["classes"]))
    return _graph(
        nodes,
        constants,
        {"image": (1, 3, SIZE, SIZE)},
        {"dets": (1, 1, 5), "classes": (1, 1)},
        integer=("classes",),
    )


def _weighted_mean(name: str, weights: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Mul", ["image", weights], [f"{name}_weighted"]),
        helper.make_node("ReduceSum", [f"{name}_weighted"], [f"{name}_sum"], keepdims=0),
        helper.make_node("Div", [f"{name}_sum", "sum"], [f"{name}_scalar"]),
        helper.make_node("Reshape", [f"{name}_scalar", "one"], [name]),
    ]


def _keypoints() -> onnx.GraphProto:
    """One peak per joint at a fixed place of the crop; its height follows the brightness."""
    heatmaps = np.zeros((1, 17, 16, 12), np.float32)
    for joint in range(17):
        heatmaps[0, joint, 2 + joint * 11 // 16, 3 + joint % 2 * 5] = 1
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Mul", ["mean", "gain"], ["scaled"]),
        helper.make_node("Sigmoid", ["scaled"], ["level"]),
        helper.make_node("Mul", ["heatmaps", "level"], ["out"]),
    ]
    constants = {"heatmaps": heatmaps, "gain": np.array(0.05, np.float32)}
    return _graph(nodes, constants, {"image": ("n", 3, 64, 48)}, {"out": ("n", 17, 16, 12)})


def _lifter(frames: int) -> onnx.GraphProto:
    """x, y: the window's mean; z: a tenth of their sum."""
    nodes = [
        helper.make_node("ReduceMean", ["window"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("ReduceSum", ["mean", "last"], ["sum"], keepdims=1),
        helper.make_node("Mul", ["sum", "small"], ["z"]),
        helper.make_node("Concat", ["mean", "z"], ["out"], axis=3),
    ]
    constants = {"last": np.array([3], np.int64), "small": np.array(0.1, np.float32)}
    return _graph(nodes, constants, {"window": ("n", frames, 17, 2)}, {"out": ("n", 1, 17, 3)})


def _emotion() -> onnx.GraphProto:
    """Logits from the mean of movement and context."""
    rng = np.random.default_rng(1)
    nodes = [
        helper.make_node("ReduceMean", ["movement"], ["moved"], axes=[1, 2], keepdims=0),
        helper.make_node("ReduceMean", ["context"], ["seen"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["moved", "a"], ["from_movement"]),
        helper.make_node("MatMul", ["seen", "b"], ["from_context"]),
        helper.make_node("Add", ["from_movement", "from_context"], ["out"]),
    ]
    constants = {name: rng.normal(size=(3, 6)).astype(np.float32) for name in ("a", "b")}
    inputs = {"movement": ("n", WINDOW, 17, 3), "context": ("n", 1, 1, 3)}
    return _graph(nodes, constants, inputs, {"out": ("n", 6)})


def _context() -> onnx.GraphProto:
    """One token: the image's mean colour, 0..1."""
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "gain"], ["scaled"]),
        helper.make_node("Reshape", ["scaled", "shape"], ["out"]),
    ]
    constants = {"gain": np.array(1 / 255, np.float32), "shape": np.array([1, 1, 3], np.int64)}
    return _graph(nodes, constants, {"image": (1, 3, SIZE, SIZE)}, {"out": (1, 1, 3)})


def _graph(
    nodes: list[onnx.NodeProto],
    constants: dict[str, np.ndarray],
    inputs: dict[str, tuple[int | str, ...]],
    outputs: dict[str, tuple[int | str, ...]],
    integer: tuple[str, ...] = (),
) -> onnx.GraphProto:
    def info(name: str, shape: tuple[int | str, ...]) -> onnx.ValueInfoProto:
        kind = TensorProto.INT64 if name in integer else TensorProto.FLOAT
        return helper.make_tensor_value_info(name, kind, shape)

    return helper.make_graph(
        nodes,
        "tiny",
        [info(*item) for item in inputs.items()],
        [info(*item) for item in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )


def _model(graph: onnx.GraphProto) -> onnx.ModelProto:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


if __name__ == "__main__":
    write_chain(Path(sys.argv[1]))
