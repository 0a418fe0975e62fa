"""Session on TensorRT (placeholder until the engine code is in)."""

from __future__ import annotations


def usable() -> bool:
    """Whether TensorRT and a GPU are there."""
    return False
