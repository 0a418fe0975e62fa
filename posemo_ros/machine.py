"""What the figures of a run depend on: processor and versions."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from . import __version__
from .inference.runtimes import processor

PACKAGES = ("numpy", "opencv-python", "onnxruntime", "openvino")


def machine() -> dict[str, Any]:
    """Processor, cores, Python, and the version of what computes (None: not installed)."""
    return {
        "cpu": processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "posemo_ros": __version__,
        **{name: _version(name) for name in PACKAGES},
    }


def machine_text() -> str:
    """The same in half a line."""
    return f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
