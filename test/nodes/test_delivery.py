"""Best-effort images between two processes: with the shipped profile none gets lost on the way."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("rclpy")

TOOL = Path(__file__).parents[2] / "tools" / "transport.py"
spec = importlib.util.spec_from_file_location("transport", TOOL)
assert spec
assert spec.loader
transport = importlib.util.module_from_spec(spec)
spec.loader.exec_module(transport)


@pytest.mark.slow
@pytest.mark.parametrize("image", ["VGA", "1080p"])
def test_images_arrive(image: str, domain: int) -> None:
    """Each is sent when the one before has been taken, so that a busy machine does not count as a loss."""
    run = transport._run(image, transport.ANSWERED, transport.SHIPPED, 2.0, "message")
    assert run["arrived"] == run["sent"] == transport.ANSWERED_IMAGES
    assert len(run["delays_ms"]) == run["arrived"]
    assert min(run["delays_ms"]) > 0
