"""Every test of the training code starts from the same random state, and keeps to one core."""

import pytest


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)  # tests run side by side, and threads that wait for a core spin
    torch.manual_seed(0)
