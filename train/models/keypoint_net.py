"""The fast starter keypoint network: MoveNet Lightning's features, a wider pyramid with attention, scores.

Symbols: B batch, J joints, H x W input pixels, h x w = H/4 x W/4 heatmap cells.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .cspnext import Separable
from .movenet import CELL, PYRAMID, TOP, MoveNetMaps, double
from .pose_losses import Labels, score_loss

JOINTS = 17
FUSED = 64  # channels at stride 4
WIDE = (128, 96, 64)  # at strides 32, 16, 8
SIGMA = 1.5  # of the target, cells


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


class Fuse(nn.Module):
    """A coarse map, doubled, and a fine one become one map: attention, then a wide separable mix."""

    def __init__(self, coarse: int, fine: int, outputs: int):
        super().__init__()
        self.lateral, self.coarse = nn.Conv2d(fine, outputs, 1), nn.Conv2d(coarse, outputs, 1)
        self.attention = ChannelAttention(outputs)
        self.mix = Separable(outputs, outputs, 5)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """(B, coarse, h / 2, w / 2) and (B, fine, h, w) -> (B, outputs, h, w)."""
        x = double(self.coarse(coarse)) + self.lateral(fine)
        return x + self.mix(self.attention(x))  # type: ignore[no-any-return]


class TopDown(nn.Module):
    """From the backbone's coarsest features to stride 4, beside MoveNet's own, thinner pyramid."""

    def __init__(self) -> None:
        super().__init__()
        self.coarse = nn.Sequential(
            nn.Conv2d(TOP, WIDE[0], 1), ChannelAttention(WIDE[0]), Separable(WIDE[0], WIDE[0], 5)
        )
        self.fuse16 = Fuse(WIDE[0], 64 + 96, WIDE[1])
        self.fuse8 = Fuse(WIDE[1], 32, WIDE[2])
        self.fuse4 = Fuse(WIDE[2], 24 + PYRAMID[-1], FUSED)

    def forward(self, features: list[Tensor], pyramid: Tensor) -> Tensor:
        """MobileNetV2's features and MoveNet's pyramid (B, 24, h, w) -> (B, FUSED, h, w)."""
        f4, f8, f16, g16, f32 = features
        x = self.fuse16(self.coarse(f32), torch.cat((f16, g16), 1))
        return self.fuse4(self.fuse8(x, f8), torch.cat((f4, pyramid), 1))  # type: ignore[no-any-return]


class KeypointNet(nn.Module):
    """Heatmaps of one person as logits over the cells, and a score per joint.

    The heatmaps begin as MoveNet's, which show the joints of everybody in view; what the new layers
    add to them begins at zero. The score of a joint reads the features under its own heatmap; it
    learns how right the heatmap's answer is, so it is low where the joint is not in the picture.
    """

    def __init__(self) -> None:
        super().__init__()
        self.movenet = MoveNetMaps()
        self.neck = TopDown()
        self.drop = nn.Dropout2d(0.1)
        self.heatmaps = nn.Conv2d(FUSED, JOINTS, 1)
        nn.init.zeros_(self.heatmaps.weight)
        nn.init.zeros_(self.heatmaps.bias)  # type: ignore[arg-type]
        self.pooled = nn.Linear(TOP, FUSED)
        self.score1 = nn.Linear(2 * FUSED, FUSED)
        self.score2 = nn.Parameter(torch.zeros(JOINTS, FUSED))
        self.score_bias = nn.Parameter(torch.zeros(JOINTS))

    def maps_and_scores(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) -> heatmap logits (B, 17, h, w), score logits (B, 17)."""
        features = self.movenet.backbone(image)
        pyramid = self.movenet.pyramid(features)
        fused = self.drop(self.neck(features, pyramid))
        maps = self.movenet.head(pyramid) + self.heatmaps(fused)
        under = maps.flatten(2).softmax(2) @ fused.flatten(2).transpose(1, 2)  # (B, 17, FUSED)
        whole = self.pooled(features[-1].mean((2, 3)))[:, None].expand_as(under)
        hidden = torch.relu(self.score1(torch.cat((under, whole), 2)))
        # The bias inside the sum: OpenVINO 2026.4 adds it wrongly after one, for more than one person.
        bias = self.score_bias[:, None] / FUSED
        return maps, (hidden * self.score2 + bias).sum(2)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> heatmaps (B, 17, h, w) in [0, 1] whose peak is the score.

        exp(logit - highest logit) has the shape of the learned distribution and the peak 1.
        """
        maps, scores = self.maps_and_scores(image)
        return torch.exp(maps - maps.amax((2, 3), keepdim=True)) * torch.sigmoid(scores)[..., None, None]

    def losses(self, image: Tensor, labels: Labels) -> tuple[Tensor, Tensor]:
        """Of the places and of the scores, which judge the highest cells."""
        maps, scores = self.maps_and_scores(image)
        maps, w = maps.float(), maps.shape[-1]
        best = maps.flatten(2).argmax(2)
        places = torch.stack((best % w, best // w), -1) * CELL
        return place_loss(maps, labels), score_loss(scores.float(), places, labels)


def place_loss(maps: Tensor, labels: Labels) -> Tensor:
    """Cross-entropy between the map as a distribution over the cells and a Gaussian of ``SIGMA`` cells.

    Args:
        maps: (B, 17, h, w) logits.
        labels: Rough ones have half the weight.
    """
    h, w = maps.shape[-2:]
    cells = labels.points / CELL
    across = -((torch.arange(w) - cells[..., :1]) ** 2) / (2 * SIGMA**2)  # (B, 17, w)
    down = -((torch.arange(h) - cells[..., 1:]) ** 2) / (2 * SIGMA**2)
    target = (down.softmax(-1)[..., :, None] * across.softmax(-1)[..., None, :]).flatten(2)
    entropy = -(target * maps.flatten(2).log_softmax(2)).sum(2)
    weight = torch.where(labels.rough, 0.5 * labels.place, labels.place)
    return (entropy * weight).sum() / weight.sum().clamp(min=1)
