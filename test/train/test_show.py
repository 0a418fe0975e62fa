"""The page of a run."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

from posemo_ros.errors import InputError
from train.cli import main
from train.models.zoo import build
from train.show import attention_maps, write_page

_spec = importlib.util.spec_from_file_location("runs", Path(__file__).parent / "tasks" / "runs.py")
assert _spec is not None
assert _spec.loader is not None
runs = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(runs)


def test_page_of_a_lifter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs.write_motion(tmp_path / "data")
    config = runs.lifter_config(tmp_path / "data", tmp_path / "run")
    config["model"]["init_args"]["options"] |= {"tam": "after_msa"}
    runs.command(config, tmp_path / "c.yaml", "--trainer.max_epochs=1")
    runs.command(config, tmp_path / "c.yaml", "--ckpt_path=last", name="test")
    assert main(["show", str(tmp_path / "run")]) == 0
    assert capsys.readouterr().out.strip().endswith("show.html")
    page = (tmp_path / "run" / "show.html").read_text()
    assert page.count("<img ") == 3  # curves, attention, answers
    assert "<th>Walking</th>" in page
    (tmp_path / "data" / "data_3d_h36m.npz").unlink()
    write_page(tmp_path / "run")
    page = (tmp_path / "run" / "show.html").read_text()
    assert page.count("<img ") == 1
    assert "data_3d_h36m.npz not found" in page


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected the folder of a run"):
        write_page(tmp_path)


def test_attention_of_joints_and_frames() -> None:
    network = build("poseformer", frames=9, width=8, depth=1, tam="after_msa").network.eval()
    with torch.no_grad(), attention_maps(network) as maps:
        network(torch.randn(2, 9, 17, 2))
    shapes = sorted(m.shape for m in maps.values())
    assert shapes == [(9, 9), (9, 9), (17, 17)]
    for weights in maps.values():
        assert weights.sum(1) == pytest.approx(1, abs=1e-4)


def test_gates_of_the_2d_network() -> None:
    options = {"width": 8, "blocks": 1, "modules": (1, 1, 1), "placement": "six", "crop_width": 64}
    network = build("hrnet", crop_height=96, **options).network.eval()
    with torch.no_grad(), attention_maps(network) as maps:
        network(torch.randn(1, 3, 96, 64))
    assert maps
    assert all(m.shape[0] == 1 and (m > 0).all() and (m < 1).all() for m in maps.values())
