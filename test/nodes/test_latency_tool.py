"""From a camera's message to the message with the emotions, between two processes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("rclpy")

TOOL = Path(__file__).parents[2] / "tools" / "latency.py"
spec = importlib.util.spec_from_file_location("latency", TOOL)
assert spec
assert spec.loader
latency = importlib.util.module_from_spec(spec)
spec.loader.exec_module(latency)


@pytest.mark.slow
def test_every_image_is_answered(domain: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One by one, so that a busy machine drops none."""
    monkeypatch.setattr(latency, "WARM_S", 0.3)
    run = latency.measure(
        "VGA", latency.ANSWERED, 5, ["keypoints=posemo-keypoints-fast", "runtime=onnxruntime"]
    )
    assert (run["sent"], run["answered"]) == (5, 5)
    assert run["people"] >= 1
    assert 0 < run["ms_median"] <= run["ms_p95"] <= run["ms_max"]


@pytest.mark.slow
def test_a_pipeline_that_cannot_start_is_said(domain: int) -> None:
    with pytest.raises(RuntimeError, match="the pipeline ended"):
        latency.measure("VGA", latency.ANSWERED, 5, ["keypoints=unknown"])
