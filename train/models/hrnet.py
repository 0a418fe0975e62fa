"""HRNet for keypoints (Sun et al., CVPR 2019, arXiv 1902.09212), with paper B's attention modules.

Parameter names are those of the released checkpoints (leoxiaobin/deep-high-resolution-net.pytorch:
``pose_hrnet_w32_256x192.pth``, the ImageNet ones lack ``final_layer``); attention modules add
``*.attention.*``. Symbols: B samples, w width, branch b has w * 2^b channels at 1 / 2^(b + 2) of
the image's size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor, nn

from .attention import PLACEMENTS, AttentionModule, Placement
from .blocks import choose

Gate = Callable[[int], nn.Module]  # channels -> attention module


@dataclass(frozen=True)
class AttentionOptions:
    """Attention modules of an HRNet.

    Attributes:
        placement: A key of ``attention.PLACEMENTS`` or a placement.
        s: Shrinking ratio in the branches.
        layer1_s: In ``layer1``.
        pool, identity_start: See ``AttentionModule``.
        pre_add: Gate the residual before it is added, instead of the block's result.
    """

    placement: str | Placement = "none"
    s: int = 4
    layer1_s: int = 4
    pool: bool = True
    identity_start: bool = False
    pre_add: bool = False

    def resolved(self) -> Placement:
        """The placement itself."""
        if isinstance(self.placement, Placement):
            return self.placement
        return PLACEMENTS[choose("placement", self.placement, tuple(PLACEMENTS))]

    def module(self, channels: int, s: int) -> AttentionModule:
        """A module for that many channels."""
        return AttentionModule(channels, s=s, pool=self.pool, identity_start=self.identity_start)


def conv_bn(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, relu: bool = True) -> nn.Sequential:
    """Convolution without bias, batch norm, and ReLU where wanted."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    layers: list[nn.Module] = [conv, nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if relu else nn.Sequential(*layers)


class ResidualBlock(nn.Module):
    """Residual, shortcut, ReLU and, in some blocks, attention; children say what the residual is."""

    attention: nn.Module | None
    pre_add: bool

    def residual(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H, W)."""
        raise NotImplementedError

    def shortcut(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H, W)."""
        return x

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H, W)."""
        y = self.residual(x)
        if self.attention is None:
            return torch.relu(y + self.shortcut(x))
        if self.pre_add:
            return torch.relu(self.attention(y) + self.shortcut(x))
        return self.attention(torch.relu(y + self.shortcut(x)))


class BasicBlock(ResidualBlock):
    """Two 3x3 convolutions."""

    def __init__(self, channels: int, attention: nn.Module | None = None, pre_add: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.attention, self.pre_add = attention, pre_add

    def residual(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))


class Bottleneck(ResidualBlock):
    """1x1 to ``narrow`` channels, 3x3, 1x1 to four times as many."""

    def __init__(
        self, inputs: int, narrow: int, attention: nn.Module | None = None, pre_add: bool = False
    ) -> None:
        super().__init__()
        wide = 4 * narrow
        self.conv1 = nn.Conv2d(inputs, narrow, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(narrow)
        self.conv2 = nn.Conv2d(narrow, narrow, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(narrow)
        self.conv3 = nn.Conv2d(narrow, wide, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(wide)
        self.downsample = None if inputs == wide else conv_bn(inputs, wide, 1, relu=False)
        self.attention, self.pre_add = attention, pre_add

    def residual(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 4 * narrow, H, W)."""
        y = torch.relu(self.bn1(self.conv1(x)))  # (B, narrow, H, W)
        y = torch.relu(self.bn2(self.conv2(y)))  # (B, narrow, H, W)
        return self.bn3(self.conv3(y))

    def shortcut(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 4 * narrow, H, W)."""
        return x if self.downsample is None else self.downsample(x)


class FusionModule(nn.Module):
    """One module of a stage: every branch on its own, then all to all.

    Args:
        branches: One sequence of blocks per branch.
        channels: Of each branch.
        outputs: How many branches come out (1 in the last module of the network).
    """

    def __init__(self, branches: list[nn.Sequential], channels: list[int], outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.fuse_layers = nn.ModuleList(
            [nn.ModuleList([_path(channels, j, i) for j in range(len(channels))]) for i in range(outputs)]
        )

    def forward(self, x: list[Tensor]) -> list[Tensor]:
        """One (B, w*2^b, H/2^b, W/2^b) per branch -> the same for the branches that come out."""
        x = [branch(t) for branch, t in zip(self.branches, x, strict=True)]
        return [torch.relu(_sum(paths, x)) for paths in self.fuse_layers]


def _sum(paths: nn.Module, x: list[Tensor]) -> Tensor:
    """Of what each path makes of its own branch."""
    assert isinstance(paths, nn.ModuleList)
    return reduce(torch.add, (path(t) for path, t in zip(paths, x, strict=True)))


def _path(channels: list[int], source: int, target: int) -> nn.Module:
    """From one branch's resolution to another's: 1x1 and upsampling, or strided 3x3 steps."""
    if source == target:
        return nn.Identity()
    if source > target:
        up = nn.Upsample(scale_factor=2 ** (source - target), mode="nearest")
        return nn.Sequential(*conv_bn(channels[source], channels[target], 1, relu=False), up)
    between = [conv_bn(channels[source], channels[source], stride=2) for _ in range(target - source - 1)]
    return nn.Sequential(*between, conv_bn(channels[source], channels[target], stride=2, relu=False))


class HRNet(nn.Module):
    """Keeps a high-resolution branch all the way and exchanges with three coarser ones.

    Parameters (paper B prints the numbers in brackets): W32 28,536,113 (28.5 M), W48 63,595,745
    (63.6 M). With attention modules in every block W32 has 29,476,145 (29.5 M); W48 comes to
    66,208,993 (66.2 M) only with s = 3 in the branches, so no single rule gives both of the
    paper's numbers. Its text says six modules, which adds 3,456 parameters to W32.
    For a CPU: ``HRNet(width=16, blocks=2, modules=(1, 1, 1), layer1=(1, 32))``, the sizes of
    HRNet-W18-Small-v1 in HRNet's code for classification.

    Args:
        width: w, 32 or 48 as released.
        joints: Number of heatmaps.
        blocks: Basic blocks per branch and module.
        modules: Modules of stages 2, 3 and 4.
        layer1: Bottlenecks before the branches, and their narrow channels.
        attention: Where and how; none by default.
    """

    def __init__(
        self,
        width: int = 32,
        *,
        joints: int = 17,
        blocks: int = 4,
        modules: tuple[int, int, int] = (1, 4, 3),
        layer1: tuple[int, int] = (4, 64),
        attention: AttentionOptions | None = None,
    ) -> None:
        super().__init__()
        options = attention or AttentionOptions()
        self.conv1 = nn.Conv2d(3, 64, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = nn.Conv2d(64, 64, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.layer1 = _layer1(*layer1, options)
        self.transition1 = _transition([4 * layer1[1]], width)
        self.stage2 = _stage(2, modules[0], blocks, width, 2, options)
        self.transition2 = _transition([width, 2 * width], width)
        self.stage3 = _stage(3, modules[1], blocks, width, 3, options)
        self.transition3 = _transition([width, 2 * width, 4 * width], width)
        self.stage4 = _stage(4, modules[2], blocks, width, 1, options)
        self.final_layer = nn.Conv2d(width, joints, 1)
        self.apply(_initialise)

    def forward(self, image: Tensor) -> Tensor:
        """Heatmaps at a quarter of the image's size.

        Args:
            image: (B, 3, H, W), ImageNet normalisation, RGB; H and W multiples of 32.

        Returns:
            (B, joints, H/4, W/4).
        """
        x = torch.relu(self.bn1(self.conv1(image)))  # (B, 64, H/2, W/2)
        x = torch.relu(self.bn2(self.conv2(x)))  # (B, 64, H/4, W/4)
        x = self.layer1(x)  # (B, 256, H/4, W/4) as released
        y = self.stage2([path(x) for path in self.transition1])
        y = self.stage3([*y, self.transition2[-1](y[-1])])
        y = self.stage4([*y, self.transition3[-1](y[-1])])
        return self.final_layer(y[0])


def _layer1(blocks: int, narrow: int, options: AttentionOptions) -> nn.Sequential:
    wide = 4 * narrow

    def block(inputs: int) -> Bottleneck:
        gate = options.module(wide, options.layer1_s) if options.resolved().layer1 else None
        return Bottleneck(inputs, narrow, gate, options.pre_add)

    return nn.Sequential(*(block(64 if i == 0 else wide) for i in range(blocks)))


def _transition(channels: list[int], width: int) -> nn.ModuleList:
    """From the branches of one stage to those of the next, which has one more."""
    kept: list[nn.Module] = [
        nn.Identity() if c == width * 2**b else conv_bn(c, width * 2**b) for b, c in enumerate(channels)
    ]
    new = conv_bn(channels[-1], width * 2 ** len(channels), stride=2)
    return nn.ModuleList([*kept, nn.Sequential(new)])


def _stage(
    number: int, modules: int, blocks: int, width: int, last_outputs: int, options: AttentionOptions
) -> nn.Sequential:
    placement = options.resolved()
    channels = [width * 2**b for b in range(number)]

    def block(modules_left: int, branch: int, blocks_left: int) -> BasicBlock:
        covered = placement.covers(number, modules_left, branch, blocks_left)
        gate = options.module(channels[branch], options.s) if covered else None
        return BasicBlock(channels[branch], gate, options.pre_add)

    def module(left: int) -> FusionModule:
        branches = [
            nn.Sequential(*(block(left, b, i) for i in reversed(range(blocks)))) for b in range(number)
        ]
        return FusionModule(branches, channels, last_outputs if left == 0 else number)

    return nn.Sequential(*(module(left) for left in reversed(range(modules))))


def _initialise(module: nn.Module) -> None:
    """N(0, 0.001) in convolutions as released; attention modules keep their own start."""
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, std=0.001)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, AttentionModule):  # called after its children
        module.reset_parameters()
