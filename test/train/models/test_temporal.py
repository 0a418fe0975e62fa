from __future__ import annotations

import pytest
import torch

from train.models.temporal import TemporalNet


def test_frames_must_be_a_power_of_three() -> None:
    with pytest.raises(ValueError, match="25 is not a power of three"):
        TemporalNet(25, 10, 3)


def test_every_frame_counts() -> None:
    net = TemporalNet(27, 6, 2, width=8).eval()
    frames = torch.randn(1, 27, 2, 3, requires_grad=True)
    net(frames).sum().backward()
    assert (frames.grad.abs().sum((0, 2, 3)) > 0).all()
