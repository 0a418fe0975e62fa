"""Tiny networks, and rclpy, for the tests of the nodes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .bench import Bench

ROOT = Path(__file__).resolve().parent.parent.parent
# Before anything opens a DDS participant in this process.
os.environ.setdefault("FASTRTPS_DEFAULT_PROFILES_FILE", str(ROOT / "config" / "fastdds.xml"))
os.environ.setdefault("FASTDDS_DEFAULT_PROFILES_FILE", str(ROOT / "config" / "fastdds.xml"))
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def tiny_manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manifest of a chain of tiny networks, see ``tiny_models``."""
    pytest.importorskip("onnx", reason="onnx makes the networks of these tests")
    from .tiny_models import write_chain

    return write_chain(tmp_path_factory.mktemp("models"))


@pytest.fixture
def bench(ros: None) -> Iterator[Bench]:
    """Nodes in this process, see ``bench``."""
    from .bench import Bench

    made = Bench()
    yield made
    made.close()


@pytest.fixture
def ros(domain: int) -> Iterator[None]:
    """rclpy in this process."""
    rclpy = pytest.importorskip("rclpy", reason="needs ROS 2 (make test brings it)")
    rclpy.init(domain_id=domain)
    yield
    rclpy.try_shutdown()
