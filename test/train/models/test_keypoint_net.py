"""The fast starter keypoint network, on top of MoveNet's layers."""

from __future__ import annotations

import pytest
import torch

from train.models.keypoint_net import SIGMA, KeypointNet, place_loss
from train.models.pose_losses import Labels


def test_the_network_starts_with_movenets_heatmaps() -> None:
    torch.manual_seed(0)
    net, image = KeypointNet().eval(), torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        maps, scores = net.maps_and_scores(image)
        torch.testing.assert_close(maps, net.movenet(image))
    assert maps.shape == (2, 17, 16, 24)
    assert scores.shape == (2, 17)


def test_the_first_layers_stay_and_all_others_learn() -> None:
    net = KeypointNet()
    net.movenet.backbone.freeze_stem()
    torch.nn.init.normal_(net.heatmaps.weight)
    torch.nn.init.normal_(net.score2)
    maps, scores = net.maps_and_scores(torch.randn(2, 3, 64, 64))
    (maps.square().sum() + scores.square().sum()).backward()
    still = {name for name, p in net.named_parameters() if p.grad is None}
    first = ("movenet.backbone.stem.", *(f"movenet.backbone.blocks.{i}." for i in range(3)))
    assert still == {name for name, _ in net.named_parameters() if name.startswith(first)}


def test_the_peak_of_a_shipped_heatmap_is_the_score() -> None:
    torch.manual_seed(0)
    net = KeypointNet().eval()
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        maps, scores = net.maps_and_scores(image)
        shipped = net(image)
    torch.testing.assert_close(shipped.amax((2, 3)), scores.sigmoid())
    assert (shipped.flatten(2).argmax(2) == maps.flatten(2).argmax(2)).all()


def test_place_loss_is_least_at_the_gaussian() -> None:
    """Cross-entropy of a distribution with itself is its entropy."""
    points = torch.tensor([[[40.0, 60.0]]])
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(36.0), indexing="ij")
    right = -((x - 10) ** 2 + (y - 15) ** 2) / (2 * SIGMA**2)
    distribution = right.flatten().softmax(0)
    entropy = -(distribution * distribution.clamp(min=1e-30).log()).sum()
    one = torch.ones(1, 1)
    labels = Labels(points, one, one, one < 0, torch.ones(1))
    loss = place_loss(right[None, None], labels)
    assert loss.item() == pytest.approx(entropy.item(), rel=1e-4)
    assert place_loss(right.roll(2, 1)[None, None], labels) > loss
    assert place_loss(right[None, None], Labels(points, 0 * one, one, one < 0, torch.ones(1))) == 0
