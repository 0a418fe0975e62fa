"""OpenVINO: large networks answer for one person per request, as many at once as there are cores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from posemo_ros.errors import ModelError
from posemo_ros.inference import runtime_openvino
from posemo_ros.inference.runtime_openvino import OpenVinoSession
from posemo_ros.inference.runtimes import computes_bfloat16

from .conftest import affine_model

pytest.importorskip("openvino")


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even the smallest network counts as large."""
    monkeypatch.setattr(runtime_openvino, "LARGE", 1)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("people", [0, 1, 2, 3, 4, 7])
def test_everybody_gets_his_own_answer(tmp_path: Path, threads: int, people: int) -> None:
    session = OpenVinoSession(affine_model(tmp_path / "a.onnx"), precision="fp32", threads=threads)
    assert len(session._requests) == threads
    x = np.arange(people * 3, dtype=np.float32).reshape(people, 3)
    first = session.run({"x": x})
    session.run({"x": x + 100})  # what was given out before stays as it was
    assert set(first) == {spec.name for spec in session.outputs}
    np.testing.assert_allclose(first["y"], 2 * x + 1)
    assert first["total"].shape == (people,)
    np.testing.assert_allclose(first["total"], (2 * x + 1).sum(1))


def test_what_is_called_bfloat16_is_bfloat16(tmp_path: Path) -> None:
    """Without instructions for it OpenVINO computes in float32 and says nothing."""
    path = affine_model(tmp_path / "a.onnx")
    if computes_bfloat16():
        assert OpenVinoSession(path, precision="fp32", threads=1, bf16=True).precision == "bf16"
    else:
        with pytest.raises(ModelError, match="does not compute in bfloat16 on this processor"):
            OpenVinoSession(path, precision="fp32", threads=1, bf16=True)


def test_small_networks_take_everybody_at_once(tmp_path: Path) -> None:
    session = OpenVinoSession(affine_model(tmp_path / "a.onnx"), precision="fp32", threads=2)
    assert session._requests == []
    assert session.run({"x": np.zeros((5, 3), np.float32)})["y"].shape == (5, 3)
