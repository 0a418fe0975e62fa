"""An exported lifter becomes a checkpoint again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from posemo_ros.errors import ModelError
from train.export import Deployed, to_onnx
from train.models.temporal import TemporalLifter
from train.models.unfold import channels_of, load_exported
from train.models.zoo import build

pytest.importorskip("onnx")


def exported(path: Path, channels: int) -> tuple[torch.nn.Module, torch.Tensor]:
    """A network whose batch normalisation does something, and what it is shown."""
    torch.manual_seed(1)
    entry = build("temporal_lifter", frames=9, channels=channels, width=8, scores=True)
    x = torch.randn(64, 9, 17, channels)
    for _ in range(20):
        entry.network.train()(x)
    to_onnx(Deployed(entry), {"keypoints": x[:2]}, ("poses",), path)
    return entry.network.eval(), x


@pytest.mark.parametrize("channels", [3, 6])
def test_it_computes_what_the_file_computes(tmp_path: Path, channels: int) -> None:
    network, x = exported(tmp_path / "a.onnx", channels)
    assert channels_of(tmp_path / "a.onnx") == channels
    again = TemporalLifter(9, channels, width=8, scores=True)
    load_exported(again, tmp_path / "a.onnx", x)
    with torch.no_grad():
        torch.testing.assert_close(again.eval()(x), network(x), atol=1e-4, rtol=1e-4)


def test_files_of_other_networks_are_refused(tmp_path: Path) -> None:
    _, x = exported(tmp_path / "a.onnx", 3)
    with pytest.raises(ModelError, match="has no expand.0.weight of shape"):
        load_exported(TemporalLifter(9, 3, width=16), tmp_path / "a.onnx", x)
    other = build("descriptor_emotion")
    to_onnx(other.network, other.inputs, ("logits",), tmp_path / "b.onnx")
    with pytest.raises(ModelError, match="expected a lifter"):
        channels_of(tmp_path / "b.onnx")
