from __future__ import annotations

import pytest
import torch

from train.tasks.schedules import WarmupCosine


def test_the_rate_warms_up_and_goes_down_to_the_floor() -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([{"params": [weight], "lr": 1.0}])
    scheduler = WarmupCosine(optimizer, 1000, warmup=100, floor=0.1)
    rates = []
    for _ in range(1000):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates[0] == pytest.approx(0.01, rel=0.01)
    assert rates[500] == pytest.approx(0.55, rel=0.01)
    assert rates[999] == pytest.approx(0.1, rel=0.01)
