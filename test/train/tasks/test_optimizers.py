from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")

from train.tasks.optimizers import MuonAdamW  # noqa: E402
from train.tasks.schedules import WarmupCosine  # noqa: E402


def learn(stop: int | None = None) -> tuple[float, torch.Tensor]:
    """Twenty steps of a small network; at ``stop`` everything is saved and loaded anew."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.LayerNorm(7), torch.nn.Linear(7, 2))
    x, y = torch.randn(64, 5), torch.randn(64, 2)

    def make() -> tuple[MuonAdamW, WarmupCosine]:
        optimizer = MuonAdamW([{"params": list(network.parameters())}], lr=0.02)
        return optimizer, WarmupCosine(optimizer, 20, warmup=3)

    optimizer, rates = make()
    for step in range(20):
        if step == stop:
            saved = copy.deepcopy((optimizer.state_dict(), rates.state_dict()))
            optimizer, rates = make()
            optimizer.load_state_dict(saved[0])
            rates.load_state_dict(saved[1])
        loss = (network(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rates.step()
    return float(loss), torch.cat([p.detach().flatten() for p in network.parameters()])


def test_it_learns_and_goes_on_from_a_checkpoint_to_the_bit() -> None:
    loss, weights = learn()
    assert torch.equal(weights, learn(9)[1])
    torch.manual_seed(0)
    first = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.LayerNorm(7), torch.nn.Linear(7, 2))
    x, y = torch.randn(64, 5), torch.randn(64, 2)
    assert loss < 0.95 * float((first(x) - y).square().mean())


def test_matrices_go_to_muon_and_all_else_to_adamw() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Conv1d(7, 3, 5))
    optimizer = MuonAdamW(network.parameters(), lr=0.1, weight_decay=0.0)
    before = network[0].weight.detach().clone()
    for parameter in network.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    moved = before - network[0].weight.detach()  # nearly orthogonal: all singular values alike
    singular = torch.linalg.svdvals(moved)
    assert singular.max() < 2 * singular.min()
    assert optimizer.param_groups[0]["lr"] == optimizer.param_groups[1]["lr"] == 0.1


def test_a_group_keeps_its_own_rate() -> None:
    old, new = torch.nn.Linear(5, 7), torch.nn.Linear(7, 2)
    groups = [{"params": old.parameters()}, {"params": new.parameters(), "lr": 0.3}]
    optimizer = MuonAdamW(groups, lr=0.1, weight_decay=0.0)
    before = [p.detach().clone() for p in (*old.parameters(), *new.parameters())]
    for parameter in (*old.parameters(), *new.parameters()):
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    moved = [a - p.detach() for a, p in zip(before, (*old.parameters(), *new.parameters()), strict=True)]
    for bias, rate in ((moved[1], 0.1), (moved[3], 0.3)):  # AdamW's first step is the rate
        torch.testing.assert_close(bias.abs(), torch.full_like(bias, rate))
    sizes = [
        float(torch.linalg.svdvals(matrix)[0]) / (0.2 * max(matrix.shape) ** 0.5)
        for matrix in (moved[0], moved[2])
    ]
    assert sizes[0] == pytest.approx(0.1, rel=0.3)  # Muon's step has singular values of about one, scaled
    assert sizes[1] == pytest.approx(0.3, rel=0.3)
