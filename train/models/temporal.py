"""The small networks of the starter lifter and the starter emotion model.

One convolution that shrinks time threefold, then residual blocks of the same kind: the strided
form of VideoPose3D (Pavllo et al., CVPR 2019). On a CPU it trains twenty to fifty times as many
samples a second as PoseFormer or MoEmoX of similar size; those are for a GPU.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn


class TemporalNet(nn.Module):
    """(B, F, J, C) of any sequence to K numbers.

    Args:
        frames: F, a power of three.
        inputs: J * C numbers per frame.
        outputs: K.
        width: Channels.
        dropout: After every activation.
    """

    def __init__(
        self, frames: int, inputs: int, outputs: int, *, width: int = 256, dropout: float = 0.0
    ) -> None:
        super().__init__()
        blocks = round(math.log(frames, 3)) - 1
        if 3 ** (blocks + 1) != frames:
            raise ValueError(f"frames: {frames} is not a power of three")
        self.expand = _unit(inputs, width, 3, dropout)
        self.wide = nn.ModuleList([_unit(width, width, 3, dropout) for _ in range(blocks)])
        self.narrow = nn.ModuleList([_unit(width, width, 1, dropout) for _ in range(blocks)])
        self.head = nn.Conv1d(width, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, J, C) -> (B, K)."""
        return cast(Tensor, self.head(self.features(x)))[:, :, 0]

    def features(self, x: Tensor) -> Tensor:
        """(B, F, J, C) -> (B, width, 1)."""
        x = self.expand(x.flatten(2).transpose(1, 2))  # (B, width, F/3)
        for wide, narrow in zip(self.wide, self.narrow, strict=True):
            x = x[:, :, 1::3] + narrow(wide(x))  # a third of the frames
        return x


def _unit(inputs: int, outputs: int, size: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(inputs, outputs, size, stride=size, bias=False),
        nn.BatchNorm1d(outputs),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
    )


class TemporalLifter(TemporalNet):
    """(B, 27, 17, C) -> (B, 1, 17, 3 or 4) metres relative to the pelvis, and how sure.

    Args:
        frames, channels, width: See ``TemporalNet``.
        scores: Whether a fourth number says how likely the joint is less than 0.1 m off.
    """

    def __init__(
        self, frames: int = 27, channels: int = 3, *, width: int = 256, scores: bool = False
    ) -> None:
        super().__init__(frames, 17 * channels, 17 * 3, width=width)
        self.channels = channels
        self.scores = nn.Conv1d(width, 17, 1) if scores else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, 17, C) -> (B, 1, 17, 3 or 4)."""
        features = self.features(x)
        joints = self.head(features)[:, :, 0].unflatten(1, (1, 17, 3))
        joints = joints - joints[:, :, :1]
        if self.scores is None:
            return joints
        sure = torch.sigmoid(self.scores(features)[:, None, :, :1])
        return torch.cat((joints, sure), 3)


def with_channels(network: TemporalLifter, channels: int) -> TemporalLifter:
    """The same network with more channels, which change nothing until it is trained further."""
    more = channels - network.channels
    expand = cast(nn.Conv1d, network.expand[0])
    old = expand.weight.detach().unflatten(1, (17, network.channels))  # (width, 17, C, 3)
    wide = nn.Conv1d(17 * channels, expand.out_channels, 3, stride=3, bias=False)
    wide.weight.data = nn.functional.pad(old, (0, 0, 0, more)).flatten(1, 2)
    network.expand[0], network.channels = wide, channels
    return network


class DescriptorEmotion(nn.Module):
    """(B, D) descriptors of a movement (``posemo_ros.emotion.descriptors``) to (B, 7) logits:
    ``EMOTIONS``, then neutral.

    Outside the range that training covered a descriptor says no more than at its edge.
    """

    def __init__(self, descriptors: int, *, width: int = 96, dropout: float = 0.2) -> None:
        super().__init__()
        self.normalise = nn.BatchNorm1d(descriptors, affine=False, momentum=0.01)
        layers: list[nn.Module] = []
        for inputs in (descriptors, width):
            layers += [nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(width, 7))

    def forward(self, descriptors: Tensor) -> Tensor:
        """(B, D) -> (B, 7)."""
        logits: Tensor = self.layers(self.normalise(descriptors).clamp(-4, 4))
        return logits
