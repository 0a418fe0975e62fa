"""Paper B's attention module (AM) of the 2D network and where it stands in HRNet.

Section II.A.2, eq. 1-2, Fig. 3, Table VII. Symbols: B samples, C channels, s shrinking ratio.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


class AttentionModule(nn.Module):
    """Channel attention: 1x1 C -> C/s, ReLU, 1x1 C/s -> C/s, ReLU, 1x1 C/s -> C, sigmoid, times x.

    The three convolutions follow from eq. 1 (2 C C/s + C/s C/s); eq. 2's numerator is a
    misprint, its value 1/32 is exact for s = 4: 9/16 C^2 parameters against the 18 C^2 of a
    basic block. No biases. Sigmoid gate: ours, the text names none.

    Args:
        channels: C.
        s: Shrinking ratio; C / s is rounded down.
        pool: Look at the mean over the image ("a tensor of size 1 x 1 x C/s"); False: at every
            place on its own, as the factors Dw Dh of eq. 1 suggest. The parameters are the same.
        identity_start: Gate 2 * sigmoid with the last convolution at zero, so that x passes
            unchanged at first: for fine-tuning released HRNet weights.
    """

    def __init__(self, channels: int, *, s: int = 4, pool: bool = True, identity_start: bool = False) -> None:
        super().__init__()
        narrow = channels // s
        self.pool = nn.AdaptiveAvgPool2d(1) if pool else nn.Identity()
        self.shrink = nn.Conv2d(channels, narrow, 1, bias=False)
        self.middle = nn.Conv2d(narrow, narrow, 1, bias=False)
        self.expand = nn.Conv2d(narrow, channels, 1, bias=False)
        self.peak = 2.0 if identity_start else 1.0
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """He initialisation; zeros in the last layer for the identity start."""
        for conv in (self.shrink, self.middle, self.expand):
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        if self.peak == 2.0:
            nn.init.zeros_(self.expand.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        g = torch.relu(self.shrink(self.pool(x)))  # (B, C/s, 1, 1) or (B, C/s, H, W)
        g = self.expand(torch.relu(self.middle(g)))  # (B, C, 1, 1) or (B, C, H, W)
        return x * (self.peak * torch.sigmoid(g))


@dataclass(frozen=True)
class Placement:
    """Which residual blocks of HRNet are followed by an attention module.

    Attributes:
        branches: Sub-networks, 0 is the one with the full resolution (the paper's number 1).
        stages: 2 to 4 (the paper's Table VII calls them 1 to 3).
        blocks: How many of a branch's blocks, counted from the last one.
        last_module: Only in a stage's last module.
        layer1: Also after the bottlenecks of ``layer1``.
    """

    branches: tuple[int, ...] = ()
    stages: tuple[int, ...] = (2, 3, 4)
    blocks: int = 2
    last_module: bool = True
    layer1: bool = False

    def covers(self, stage: int, modules_left: int, branch: int, blocks_left: int) -> bool:
        """Whether a block has a module; both "left" count what follows it, 0 for the last one."""
        return (
            stage in self.stages
            and branch in self.branches
            and blocks_left < self.blocks
            and (modules_left == 0 or not self.last_module)
        )


# The paper counts "six" modules in its network and "16 in all" in Table VII; the rule "last two
# blocks" fits both when it is read per stage. Only one in every block, 108 of them, has its 29.5 M
# parameters.
PLACEMENTS = {
    "none": Placement(),
    "six": Placement(branches=(0,)),
    "sixteen": Placement(branches=(0, 1, 2)),
    "all": Placement(branches=(0, 1, 2, 3), blocks=99, last_module=False, layer1=True),
}
