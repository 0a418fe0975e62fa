"""What the figures of a run depend on: processor and versions."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from . import __version__

PACKAGES = ("numpy", "opencv-python", "onnxruntime")


def machine() -> dict[str, Any]:
    """Processor, cores, Python, and the version of what computes (None: not installed)."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "posemo_ros": __version__,
        **{name: _version(name) for name in PACKAGES},
    }


def machine_text() -> str:
    """The same in half a line."""
    return f"{_cpu()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
