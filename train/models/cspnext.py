"""CSPNeXt and RTMDet in their nano widths (Lyu et al., RTMDet, arXiv 2212.07784).

The layers carry a bias instead of batch normalisation: the published ONNX file has its
normalisation folded into the convolutions, and that is what training starts from here.
Children are registered in the order in which they run, so that ``load_from_onnx`` can walk both
graphs side by side.

Symbols: B batch, C channels, H x W input pixels; P3, P4, P5 features at strides 8, 16, 32.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from posemo_ros.errors import ModelError

from .weights import read_onnx

WIDTHS = (16, 32, 64, 128, 256)  # after the stem and stages 1 to 4
BLOCKS = (1, 2, 2, 1)
NECK = 64


class ConvAct(nn.Sequential):
    """Convolution with bias, then SiLU; same padding."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1):
        conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)
        super().__init__(conv, nn.SiLU(inplace=True))


class Separable(nn.Sequential):
    """Depthwise k x k, then pointwise; an activation after each."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1):
        super().__init__(ConvAct(inputs, inputs, kernel, stride, groups=inputs), ConvAct(inputs, outputs))


class Block(nn.Module):
    """CSPNeXt block: separable 3 x 3, separable 5 x 5, identity added where asked."""

    def __init__(self, channels: int, identity: bool):
        super().__init__()
        self.conv1 = Separable(channels, channels, 3)
        self.conv2 = Separable(channels, channels, 5)
        self.identity = identity

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        y: Tensor = self.conv2(self.conv1(x))
        return y + x if self.identity else y


class ChannelScale(nn.Module):
    """Channels scaled by a hard sigmoid of a linear map of their means."""

    def __init__(self, channels: int):
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        return x * F.hardsigmoid(self.fc(x.mean((2, 3), keepdim=True)))


class CspLayer(nn.Module):
    """Cross-stage partial layer: one half through the blocks, the other past them."""

    def __init__(self, inputs: int, outputs: int, blocks: int, identity: bool, scaled: bool):
        super().__init__()
        half = outputs // 2
        self.short = ConvAct(inputs, half)
        self.main = ConvAct(inputs, half)
        self.blocks = nn.Sequential(*(Block(half, identity) for _ in range(blocks)))
        self.scale = ChannelScale(outputs) if scaled else nn.Identity()
        self.final = ConvAct(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W)."""
        y = torch.cat((self.blocks(self.main(x)), self.short(x)), 1)
        return self.final(self.scale(y))  # type: ignore[no-any-return]


class PyramidPool(nn.Module):
    """Spatial pyramid pooling with windows 5, 9 and 13."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = ConvAct(channels, channels // 2)
        self.conv2 = ConvAct(channels * 2, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        x = self.conv1(x)
        pools = [F.max_pool2d(x, k, 1, k // 2) for k in (5, 9, 13)]
        return self.conv2(torch.cat((x, *pools), 1))  # type: ignore[no-any-return]


class Backbone(nn.Module):
    """CSPNeXt-nano."""

    def __init__(self) -> None:
        super().__init__()
        stem = WIDTHS[0]
        self.stem = nn.Sequential(
            ConvAct(3, stem // 2, 3, 2), ConvAct(stem // 2, stem // 2, 3), ConvAct(stem // 2, stem, 3)
        )
        self.stages = nn.ModuleList(self._stage(i) for i in range(4))

    @staticmethod
    def _stage(i: int) -> nn.Sequential:
        inputs, outputs, last = WIDTHS[i], WIDTHS[i + 1], i == 3
        pool = [PyramidPool(outputs)] if last else []
        csp = CspLayer(outputs, outputs, BLOCKS[i], identity=not last, scaled=True)
        return nn.Sequential(Separable(inputs, outputs, 3, 2), *pool, csp)

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> features at strides 4, 8, 16, 32 with 32, 64, 128, 256 channels."""
        features, x = [], self.stem(image)
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


def upsample_to(x: Tensor, like: Tensor) -> Tensor:
    """Nearest neighbours, to the height and width of another map."""
    return F.interpolate(x, size=like.shape[-2:], mode="nearest")


class Neck(nn.Module):
    """CSPNeXt-PAFPN: coarse to fine, then fine to coarse."""

    def __init__(self) -> None:
        super().__init__()
        c3, c4, c5 = WIDTHS[2:]
        self.reduce5 = ConvAct(c5, c4)
        self.top4 = CspLayer(2 * c4, c4, 1, identity=False, scaled=False)
        self.reduce4 = ConvAct(c4, c3)
        self.top3 = CspLayer(2 * c3, c3, 1, identity=False, scaled=False)
        self.down3 = Separable(c3, c3, 3, 2)
        self.bottom4 = CspLayer(2 * c3, c4, 1, identity=False, scaled=False)
        self.down4 = Separable(c4, c4, 3, 2)
        self.bottom5 = CspLayer(2 * c4, c5, 1, identity=False, scaled=False)
        self.out = nn.ModuleList(Separable(c, NECK) for c in (c3, c4, c5))

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Backbone features at strides 8, 16, 32 -> P3, P4, P5 with 64 channels each."""
        f3, f4, f5 = features
        r5 = self.reduce5(f5)
        t4 = self.top4(torch.cat((upsample_to(r5, f4), f4), 1))
        r4 = self.reduce4(t4)
        p3 = self.top3(torch.cat((upsample_to(r4, f3), f3), 1))
        p4 = self.bottom4(torch.cat((self.down3(p3), r4), 1))
        p5 = self.bottom5(torch.cat((self.down4(p4), r5), 1))
        return [conv(p) for conv, p in zip(self.out, (p3, p4, p5), strict=True)]


class LevelHead(nn.Module):
    """Score and box branches of one pyramid level."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_convs = nn.Sequential(Separable(NECK, NECK), Separable(NECK, NECK))
        self.cls = nn.Conv2d(NECK, 1, 1)
        self.reg_convs = nn.Sequential(Separable(NECK, NECK), Separable(NECK, NECK))
        self.reg = nn.Conv2d(NECK, 4, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 64, h, w) -> person logits (B, 1, h, w), distances in strides (B, 4, h, w)."""
        return self.cls(self.cls_convs(x)), self.reg(self.reg_convs(x))


class RtmDet(nn.Module):
    """RTMDet-nano for one class.

    A cell at column i, row j of a level with stride s lies at the pixel (i s, j s); its
    distances reach to the left, upper, right and lower side of the box.
    """

    strides = (8, 16, 32)

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.neck = Neck()
        self.heads = nn.ModuleList(LevelHead() for _ in self.strides)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) -> codec ``rtmdet``: scores (B, 1, h, w) per level, then distances (B, 4, h, w) px."""
        logits, distances = self.maps(image)
        return (*(level.sigmoid() for level in logits), *distances)

    def maps(self, image: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """(B, 3, H, W) -> per level person logits (B, 1, h, w) and distances (B, 4, h, w) px."""
        levels = self.neck(self.backbone(image)[1:])
        pairs = [head(x) for head, x in zip(self.heads, levels, strict=True)]
        return [p[0] for p in pairs], [p[1] * s for p, s in zip(pairs, self.strides, strict=True)]


def load_from_onnx(model: RtmDet, path: Path) -> RtmDet:
    """Copy the weights of an ONNX file: one that was exported here, or the published RTMDet-nano (person).

    Ours are found by their names, the published ones by the order of the convolutions.

    Raises:
        ModelError: The file's convolutions are not those of this network.
    """
    from onnx import numpy_helper

    graph = read_onnx(path).graph
    weights = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in graph.initializer}
    named = {name.partition(".")[2]: values for name, values in weights.items()}
    if named.keys() >= model.state_dict().keys():
        model.load_state_dict({name: named[name] for name in model.state_dict()})
        return model
    convs = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    nodes = [n for n in graph.node if n.op_type == "Conv"]
    shapes = [tuple(weights[n.input[1]].shape) for n in nodes]
    if shapes != [tuple(c.weight.shape) for c in convs]:
        raise ModelError(f"{path}: its {len(nodes)} convolutions are not those of RTMDet-nano")
    with torch.no_grad():
        for conv, node in zip(convs, nodes, strict=True):
            conv.weight.copy_(weights[node.input[1]])
            assert conv.bias is not None
            conv.bias.copy_(weights[node.input[2]])
    return model
