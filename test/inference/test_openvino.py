"""OpenVINO: its precision, and small networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from posemo_ros.errors import ModelError
from posemo_ros.inference.runtime_openvino import OpenVinoSession
from posemo_ros.inference.runtimes import computes_bfloat16

from .conftest import affine_model

pytest.importorskip("openvino")


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
