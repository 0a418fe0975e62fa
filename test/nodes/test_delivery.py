"""Best-effort images between two processes: with the shipped profile none gets lost on the way."""

from __future__ import annotations

import pytest

from ..loading import load_tool

pytest.importorskip("rclpy")

transport = load_tool("transport")


@pytest.mark.slow
@pytest.mark.parametrize("image", ["VGA", "1080p"])
def test_images_arrive(image: str, domain: int) -> None:
    """Each is sent when the one before has been taken, so that a busy machine does not count as a loss."""
    run = transport._run(image, transport.ANSWERED, transport.SHIPPED, 2.0, "message")
    assert run["arrived"] == run["sent"] == transport.ANSWERED_IMAGES
    assert len(run["delays_ms"]) == run["arrived"]
    assert min(run["delays_ms"]) > 0
