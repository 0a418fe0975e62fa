"""Fixtures for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Which runtime is fastest depends on the machine and its mood; the tests want the same numbers each time.
os.environ.setdefault("POSEMO_RUNTIME", "onnxruntime")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the development data; skips where it is missing (it is not public)."""
    folder = Path(os.environ.get("POSEMO_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "README.md").exists():
        pytest.skip(f"development data not found at {folder} (set POSEMO_DATA)")
    return folder
