"""Every test of the training code starts from the same random state, and keeps to one core."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)  # tests run side by side, and threads that wait for a core spin
    torch.manual_seed(0)


@pytest.fixture
def pictures() -> None:
    """For tests of what a training draws; elsewhere it draws nothing, see ``undrawn``."""


@pytest.fixture(autouse=True)
def undrawn(request: pytest.FixtureRequest, seeded: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No curves and pictures at the end of a training: they take longer than the few steps of a test."""
    if "pictures" not in request.fixturenames:
        from train.tasks.callbacks import Curves
        from train.tasks.pictures import Show

        monkeypatch.setattr(Curves, "_draw", lambda self: None)
        monkeypatch.setattr(Show, "_show", lambda self, trainer, module: None)


@pytest.fixture(scope="session")
def published() -> ModuleType:
    """The module that writes files of the data sets' published forms."""
    from ..loading import load

    return load(Path(__file__).parent / "data" / "published.py")
