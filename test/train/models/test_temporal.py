from __future__ import annotations

import pytest
import torch

from train.models.temporal import TemporalLifter, TemporalNet, with_channels


def test_frames_must_be_a_power_of_three() -> None:
    with pytest.raises(ValueError, match="25 is not a power of three"):
        TemporalNet(25, 10, 3)


def test_every_frame_counts() -> None:
    net = TemporalNet(27, 6, 2, width=8).eval()
    frames = torch.randn(1, 27, 2, 3, requires_grad=True)
    net(frames).sum().backward()
    assert (frames.grad.abs().sum((0, 2, 3)) > 0).all()


def test_more_channels_change_nothing_at_first() -> None:
    torch.manual_seed(0)
    net = TemporalLifter(9, 3, width=8, scores=True).eval()
    x = torch.randn(2, 9, 17, 6)
    before = net(x[..., :3])
    more = with_channels(net, 6).eval()
    torch.testing.assert_close(more(x), before)
    more(x)[:, :, 1:].sum().backward()
    assert (
        more.expand[0].weight.grad.unflatten(1, (17, 6))[:, :, 3:].abs().sum() > 0
    )  # but they can be learned
