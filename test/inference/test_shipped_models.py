"""The models that come with the package run here and can be built for a GPU."""

from __future__ import annotations

import numpy as np
import pytest

from posemo_ros.errors import MissingExtraError
from posemo_ros.inference.manifest import input_shapes
from posemo_ros.inference.onnxfile import precision_of
from posemo_ros.inference.sessions import open_session
from posemo_ros.inference.store import ModelStore
from posemo_ros.inference.tensorrt_engine import build_engine, import_tensorrt

STORE = ModelStore()
SHIPPED = [name for name, spec in STORE.specs().items() if spec.file]


def test_one_for_every_stage() -> None:
    assert {STORE.spec(name).task for name in SHIPPED} >= {"detector", "keypoints", "lifter", "emotion"}
    assert sum(STORE.path(name).stat().st_size for name in SHIPPED) < 40e6


@pytest.mark.parametrize("name", SHIPPED)
def test_runs_with_finite_answers(name: str) -> None:
    shapes = input_shapes(STORE.spec(name).spec)
    session = open_session(STORE.path(name), runtime="onnxruntime", threads=1, shapes=shapes)
    rng = np.random.default_rng(0)
    feeds = {
        tensor.name: rng.normal(size=[1 if n < 0 else n for n in shape]).astype(np.float32)
        for tensor, shape in zip(session.inputs, shapes or (), strict=True)
    }
    assert all(np.isfinite(value).all() for value in session.run(feeds).values())


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_builds_in_tensorrt(name: str) -> None:
    try:
        trt = import_tensorrt()
    except MissingExtraError as error:
        pytest.skip(f"not built in TensorRT: {error}")
    path = STORE.path(name)
    engine = build_engine(trt, path, precision=precision_of(path), shapes=input_shapes(STORE.spec(name).spec))
    assert len(bytes(engine)) > 0
