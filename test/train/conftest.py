"""Every test of the training code starts from the same random state."""

import pytest


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
