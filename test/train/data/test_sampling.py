from __future__ import annotations

from train.data.sampling import EpochSampler


def _epoch(sampler: EpochSampler, epoch: int) -> list:
    sampler.set_epoch(epoch)
    return list(sampler)


def test_order_depends_on_seed_and_epoch_alone() -> None:
    first, again = (EpochSampler(100, 10, shuffle=True, seed=3) for _ in range(2))
    assert _epoch(first, 0) != _epoch(first, 1)
    _epoch(again, 5)
    assert _epoch(first, 1) == _epoch(again, 1)
    assert _epoch(first, 1) != _epoch(EpochSampler(100, 10, shuffle=True, seed=4), 1)


def test_every_sample_comes_once() -> None:
    batches = _epoch(EpochSampler(103, 10, shuffle=True), 0)
    assert len(batches) == 10
    assert all(len(b) == 10 for b in batches)
    assert len({i for b in batches for i in b}) == 100
    ordered = _epoch(EpochSampler(103, 10, shuffle=False), 0)
    assert [i for b in ordered for i in b] == list(range(103))


def test_two_processes_share_the_batches_of_one() -> None:
    one = _epoch(EpochSampler(64, 8, shuffle=True), 2)
    two = [_epoch(EpochSampler(64, 4, shuffle=True, rank=r, world=2), 2) for r in range(2)]
    assert [a + b for a, b in zip(*two, strict=True)] == one


def test_evaluation_leaves_nothing_out_with_more_processes() -> None:
    parts = [_epoch(EpochSampler(10, 4, shuffle=False, rank=r, world=3), 0) for r in range(3)]
    assert {i for p in parts for b in p for i in b} == set(range(10))
    assert len({len(p) for p in parts}) == 1  # as many steps in each process, or they wait for ever
    assert all(b for p in parts for b in p)


def test_epochs_travel_with_the_indices() -> None:
    assert _epoch(EpochSampler(2, 2, shuffle=False, with_epoch=True), 7) == [[(7, 0), (7, 1)]]
