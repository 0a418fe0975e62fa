"""The starter 2D keypoint network: a CSPNeXt-nano pyramid and a heatmap head with scores.

Symbols: B batch, J joints, H x W input pixels, h x w = H/4 x W/4 heatmap cells.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .cspnext import WIDTHS, Backbone, ConvAct, CspLayer, RtmDet, upsample_to

JOINTS = 17
FUSED = 48


class ChannelAttention(nn.Module):
    """Attention module of the 2D paper: three pointwise convolutions on the channel means.

    C -> C/4 -> C/4 -> C without bias, ReLU between, then a gate of 2 sigmoid; the last weights
    start at zero, so that the module starts as the identity.
    """

    def __init__(self, channels: int, squeeze: int = 4):
        super().__init__()
        small = channels // squeeze
        self.gate = nn.Sequential(
            nn.Conv2d(channels, small, 1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(small, small, 1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(small, channels, 1, bias=False),
        )
        nn.init.zeros_(self.gate[-1].weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        return x * (2 * torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True))))


class TopDown(nn.Module):
    """The coarse-to-fine half of RTMDet's neck, carried on to stride 4."""

    def __init__(self) -> None:
        super().__init__()
        c2, c3, c4, c5 = WIDTHS[1:]
        self.reduce5 = ConvAct(c5, c4)
        self.top4 = CspLayer(2 * c4, c4, 1, identity=False, scaled=False)
        self.reduce4 = ConvAct(c4, c3)
        self.top3 = CspLayer(2 * c3, c3, 1, identity=False, scaled=False)
        self.reduce3 = ConvAct(c3, FUSED)
        self.lateral2 = ConvAct(c2, FUSED)
        self.attention = ChannelAttention(2 * FUSED)
        self.top2 = CspLayer(2 * FUSED, FUSED, 1, identity=False, scaled=False)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Backbone features at strides 4 to 32 -> (B, FUSED, h, w)."""
        f2, f3, f4, f5 = features
        x = self.top4(torch.cat((upsample_to(self.reduce5(f5), f4), f4), 1))
        x = self.top3(torch.cat((upsample_to(self.reduce4(x), f3), f3), 1))
        x = torch.cat((upsample_to(self.reduce3(x), f2), self.lateral2(f2)), 1)
        return self.top2(self.attention(x))  # type: ignore[no-any-return]


class KeypointNet(nn.Module):
    """Heatmaps as logits over the cells, and a score per joint.

    The score of a joint reads the features under its own heatmap; it learns how right the
    heatmap's answer is, so it is low where the joint is not in the picture.
    """

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.neck = TopDown()
        self.heatmaps = nn.Conv2d(FUSED, JOINTS, 1)
        self.pooled = nn.Linear(WIDTHS[4], FUSED)
        self.score1 = nn.Linear(2 * FUSED, FUSED)
        self.score2 = nn.Parameter(torch.zeros(JOINTS, FUSED))
        self.score_bias = nn.Parameter(torch.zeros(JOINTS))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) -> heatmap logits (B, 17, h, w), score logits (B, 17)."""
        features = self.backbone(image)
        fused = self.neck(features)
        maps = self.heatmaps(fused)
        under = maps.flatten(2).softmax(2) @ fused.flatten(2).transpose(1, 2)  # (B, 17, FUSED)
        whole = self.pooled(features[-1].mean((2, 3)))[:, None].expand_as(under)
        hidden = torch.relu(self.score1(torch.cat((under, whole), 2)))
        return maps, (hidden * self.score2).sum(2) + self.score_bias


def start_from_detector(net: KeypointNet, detector: RtmDet) -> KeypointNet:
    """Backbone and coarse-to-fine neck of a detector; the rest keeps its random start."""
    net.backbone.load_state_dict(detector.backbone.state_dict())
    shared = {k: v for k, v in detector.neck.state_dict().items() if k in net.neck.state_dict()}
    net.neck.load_state_dict(shared, strict=False)
    return net


class KeypointExport(nn.Module):
    """What is shipped: (B, 3, H, W) -> heatmaps (B, 17, h, w) whose peak is the score.

    exp(logit - highest logit) has the shape of the learned distribution and the peak 1.
    """

    def __init__(self, net: KeypointNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Tensor:
        """Heatmaps in [0, 1]."""
        maps, scores = self.net(image)
        return torch.exp(maps - maps.amax((2, 3), keepdim=True)) * torch.sigmoid(scores)[..., None, None]
