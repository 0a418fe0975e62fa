"""From a camera's message to the message with the emotions, between two processes."""

from __future__ import annotations

import pytest

from ..loading import load_tool

pytest.importorskip("rclpy")

latency = load_tool("latency")


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
