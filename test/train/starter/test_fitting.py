from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from posemo_ros.inference.sessions import open_session
from train.models.temporal import TemporalEmotion, TemporalLifter, TemporalNet
from train.starter.fitting import Plan, export, fit


def _slope(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    x = rng.normal(size=(64, 1)).astype(np.float32)
    return x, 3 * x


def _loss(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a - b).square().mean()


def _fit(run: Path, steps: int, plan_steps: int = 300) -> torch.nn.Module:
    torch.manual_seed(0)
    plan = Plan(plan_steps, rate=0.1, warmup=10, average=0.9, decay=0.0, log_every=50, save_every=50)
    if steps == plan_steps:
        return fit(torch.nn.Linear(1, 1), _slope, _loss, plan, run)
    seen = [0]

    def stop_half_way(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        seen[0] += 1
        if seen[0] > steps:
            raise KeyboardInterrupt
        return _slope(rng)

    with pytest.raises(KeyboardInterrupt):
        fit(torch.nn.Linear(1, 1), stop_half_way, _loss, plan, run)
    return torch.nn.Linear(1, 1)


def test_learns_logs_and_stops_by_itself(tmp_path: Path) -> None:
    net = _fit(tmp_path, 300)
    assert net.weight.item() == pytest.approx(3, abs=0.02)
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    assert [int(r["step"]) for r in rows] == [50, 100, 150, 200, 250, 300]
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    whole = _fit(tmp_path / "whole", 300)
    _fit(tmp_path / "parts", 120)
    resumed = _fit(tmp_path / "parts", 300)
    assert resumed.weight.item() == pytest.approx(whole.weight.item(), abs=1e-6)


def test_the_rate_warms_up_and_goes_to_zero() -> None:
    plan = Plan(1000, rate=1.0, warmup=100)
    assert plan.rate_at(0) == pytest.approx(0.01, rel=0.01)
    assert plan.rate_at(500) == pytest.approx(0.5, rel=0.01)
    assert plan.rate_at(999) < 1e-4


def test_frames_must_be_a_power_of_three() -> None:
    with pytest.raises(ValueError, match="25 is not a power of three"):
        TemporalNet(25, 10, 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("net", "shape", "answer"),
    [(TemporalLifter(width=16), (27, 17, 3), (1, 17, 3)), (TemporalEmotion(width=16), (27, 17, 3), (6,))],
)
def test_exported_models_take_any_batch_and_agree_with_torch(net, shape, answer, tmp_path: Path) -> None:
    net = net.eval()
    path = tmp_path / "model.onnx"
    assert export(net, torch.zeros(2, *shape), path, input_name="in", output_name="out") < 1e-4
    session = open_session(path, runtime="onnxruntime")
    for batch in (1, 5):
        x = torch.randn(batch, *shape)
        out = session.run({"in": x.numpy()})["out"]
        assert out.shape == (batch, *answer)
        np.testing.assert_allclose(out, net(x).detach().numpy(), atol=1e-4)
    assert str(Path(__file__).parents[3]).encode() not in path.read_bytes()
    onnx.checker.check_model(onnx.load(str(path)), full_check=True)
