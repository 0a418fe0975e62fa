"""MoveNet, Lightning and Thunder: MobileNetV2, a feature pyramid and four heads, from the published files.

MobileNetV2: Sandler et al., arXiv 1801.04381; MoveNet: Votel and Li, "Next-Generation Pose Detection
with MoveNet and TensorFlow.js" (TensorFlow blog, May 2021). The published files have their
normalisation folded into the convolutions; here they are convolutions with bias, to be trained further.

Symbols: B batch, J = 17 joints, H x W input pixels, h x w = H/4 x W/4 cells.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from posemo_ros.errors import ModelError, reason

JOINTS = 17
CELL = 4  # input pixels
TOP = 1280
PYRAMID = (64, 32, 24)  # channels at strides 16, 8, 4
BLOCKS = ((1, 1, 1), (6, 2, 2), (6, 3, 2), (6, 4, 2), (6, 3, 1), (6, 3, 2), (6, 1, 1))
NEARNESS = 1.8  # cells; see ``decode``


@dataclass(frozen=True)
class Widths:
    """What tells the two networks apart.

    Attributes:
        name: As in the file names of the published weights.
        side: Of the square the published network takes, pixels.
        stem: Channels of the first convolution.
        stages: Channels after each of MobileNetV2's seven stages (Table 2 of the paper).
    """

    name: str
    side: int
    stem: int
    stages: tuple[int, ...]


LIGHTNING = Widths("movenet-lightning", 192, 32, (16, 24, 32, 64, 96, 160, 320))
THUNDER = Widths("movenet-thunder", 256, 56, (32, 40, 56, 112, 168, 280, 560))


class Conv(nn.Conv2d):
    """Convolution with bias and TensorFlow's "same" padding: below and right first."""

    bias: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1):
        padding = 1 if kernel == 3 and stride == 1 else 0
        super().__init__(inputs, outputs, kernel, stride, padding, groups=groups)
        self.uneven = stride == 2

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H / stride, W / stride); H and W are even."""
        return super().forward(F.pad(x, (0, 1, 0, 1)) if self.uneven else x)


class Inverted(nn.Module):
    """MobileNetV2's block: widen, depthwise, narrow; the identity is added where shapes allow."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int):
        super().__init__()
        wide = inputs * expansion
        self.widen = Conv(inputs, wide) if expansion > 1 else None
        self.depthwise = Conv(wide, wide, 3, stride, groups=wide)
        self.narrow = Conv(wide, outputs)
        self.identity = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride)."""
        y = x if self.widen is None else F.relu6(self.widen(x))
        y = self.narrow(F.relu6(self.depthwise(y)))
        return x + y if self.identity else y


class MobileNetV2(nn.Module):
    """The features MoveNet's pyramid is built on."""

    def __init__(self, widths: Widths = LIGHTNING) -> None:
        super().__init__()
        self.stem = Conv(3, widths.stem, 3, 2)
        blocks, inputs = [], widths.stem
        for (expansion, count, stride), outputs in zip(BLOCKS, widths.stages, strict=True):
            for i in range(count):
                blocks.append(Inverted(inputs, outputs, stride if i == 0 else 1, expansion))
                inputs = outputs
        self.blocks = nn.ModuleList(blocks)
        self.top = Conv(inputs, TOP)

    def freeze_stem(self) -> None:
        """Leave what lies before stride 4's features as published: half the work, general features."""
        for part in (self.stem, *self.blocks[:3]):
            part.requires_grad_(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> features at strides 4, 8, 16, 16 and, of ``TOP`` channels, 32."""
        x, found = F.relu6(self.stem(image)), []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in (2, 5, 9, 12):
                found.append(x)
        return [*found, F.relu6(self.top(x))]


class Pyramid(nn.Module):
    """MoveNet's coarse-to-fine path to stride 4."""

    def __init__(self, widths: Widths = LIGHTNING) -> None:
        super().__init__()
        c16, c8, c4 = PYRAMID
        _, f4, f8, f16, *_ = widths.stages
        self.lateral4, self.lateral8, self.lateral16 = Conv(f4, c4), Conv(f8, c8), Conv(f16, c16)
        self.coarse = Conv(TOP, c16)
        self.mix16, self.down16 = Conv(c16, c16, 3, groups=c16), Conv(c16, c8)
        self.mix8, self.down8 = Conv(c8, c8, 3, groups=c8), Conv(c8, c4)
        self.mix4, self.out = Conv(c4, c4, 3, groups=c4), Conv(c4, c4)

    def forward(self, features: list[Tensor]) -> Tensor:
        """MobileNetV2's features -> (B, 24, h, w)."""
        f4, f8, f16, _, f32 = features
        x = double(self.coarse(f32)) + self.lateral16(f16)
        x = double(F.relu(self.down16(self.mix16(x)))) + self.lateral8(f8)
        x = double(F.relu(self.down8(self.mix8(x)))) + self.lateral4(f4)
        return F.relu(self.out(self.mix4(x)))


class Head(nn.Module):
    """One of MoveNet's four heads."""

    def __init__(self, outputs: int = JOINTS) -> None:
        super().__init__()
        c = PYRAMID[-1]
        self.mix, self.wide, self.out = Conv(c, c, 3, groups=c), Conv(c, 96), Conv(96, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 24, h, w) -> (B, outputs, h, w)."""
        return self.out(F.relu(self.wide(self.mix(x))))  # type: ignore[no-any-return]


def double(x: Tensor) -> Tensor:
    """Twice the height and width, bilinear."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class MoveNetMaps(nn.Module):
    """MoveNet as far as its heatmaps of everybody's joints. Input: R, G, B from -1 to 1."""

    def __init__(self, widths: Widths = LIGHTNING) -> None:
        super().__init__()
        self.backbone, self.pyramid, self.head = MobileNetV2(widths), Pyramid(widths), Head()

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> logits (B, 17, h, w)."""
        return self.head(self.pyramid(self.backbone(image)))  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False)
class Maps:
    """What the four heads say.

    Attributes:
        heat: (B, J, h, w) logits of everybody's joints.
        centre: (B, h, w) logits of the middle of a person.
        regression: (B, 2, J, h, w) cells in y, x from a person's middle to their joints.
        offset: (B, 2, J, h, w) cells in y, x from a joint's cell to the joint.
    """

    heat: Tensor
    centre: Tensor
    regression: Tensor
    offset: Tensor


class MoveNet(MoveNetMaps):
    """MoveNet whole. Input: R, G, B from -1 to 1."""

    def __init__(self, widths: Widths = LIGHTNING) -> None:
        super().__init__(widths)
        self.centre, self.regression, self.offset = Head(1), Head(2 * JOINTS), Head(2 * JOINTS)

    def forward(self, image: Tensor) -> Maps:  # type: ignore[override]
        """(B, 3, H, W) -> the heads' maps."""
        return self.heads(self.pyramid(self.backbone(image)))

    def heads(self, features: Tensor) -> Maps:
        """The pyramid's (B, 24, h, w) -> the heads' maps."""
        return Maps(
            self.head(features),
            self.centre(features)[:, 0],
            self.regression(features).unflatten(1, (JOINTS, 2)).transpose(1, 2),
            self.offset(features).unflatten(1, (JOINTS, 2)).transpose(1, 2),
        )


def grid(h: int, w: int) -> Tensor:
    """(2, h, w) y and x of the cells."""
    return torch.stack(torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")).float()


def evidence(maps: Maps) -> Tensor:
    """How much speaks for each cell as the place of a joint of the person in the middle.

    The person is the highest centre, weighted by 1 / (distance to the crop's middle + 1.8); their
    regression says about where their joints are; a joint's heat is weighted by 1 / (distance to
    there + 1.8). These are the published graph's own numbers.

    Returns:
        (B, J, h, w) log of the weighted heat.
    """
    person = middle_person(maps.centre)
    at = person.view(-1, 1, 1, 1).expand(-1, 2, JOINTS, 1)
    distance = distances(person, maps.regression.flatten(3).gather(3, at)[..., 0], maps.heat.shape[-2:])
    return F.logsigmoid(maps.heat) - torch.log(distance + NEARNESS)


def middle_person(centre: Tensor) -> Tensor:
    """(B,) the cell of the highest of (B, h, w) centres, those near the crop's middle before others."""
    h, w = centre.shape[-2:]
    middle = torch.tensor([h // 2, w // 2]).view(2, 1, 1)
    nearness = 1 / ((grid(h, w) - middle).square().sum(0).sqrt() + NEARNESS)
    return (torch.sigmoid(centre) * nearness).flatten(1).argmax(1)


def distances(person: Tensor, regression: Tensor, size: torch.Size) -> Tensor:
    """(B, J, h, w) from every cell to where a person's joints are about, cells.

    Args:
        person: (B,) cell.
        regression: (B, 2, J) y, x from there to the joints, cells.
        size: h, w.
    """
    h, w = size
    place = torch.stack((person // w, person % w), 1)[..., None]  # (B, 2, 1)
    y, x = (place + regression)[..., None].unbind(1)  # (B, J, 1)
    down, right = (torch.arange(h) - y).square(), (torch.arange(w) - x).square()
    return (down[..., None] + right[..., None, :] + 1e-6).sqrt()


def decode(maps: Maps) -> Tensor:
    """The published decoding.

    Returns:
        (B, J, 3): x, y in input pixels, and the heat there as the score.
    """
    w = maps.centre.shape[-1]
    best = evidence(maps).flatten(2).argmax(2)  # (B, J)
    offset = maps.offset.flatten(3).gather(3, best[:, None, :, None].expand(-1, 2, -1, 1))[..., 0]
    score = torch.sigmoid(maps.heat.flatten(2).gather(2, best[..., None]))[..., 0]
    return torch.stack(((best % w + offset[:, 1]) * CELL, (best // w + offset[:, 0]) * CELL, score), 2)


def read_published(folder: Path, widths: Widths) -> dict[str, NDArray[np.float32]]:
    """All weights of a published TensorFlow.js graph model (float16), by their names there.

    Raises:
        ModelError: The files are missing or not as their own manifest says.
    """
    try:
        manifest = json.loads((folder / f"{widths.name}.json").read_text(encoding="utf-8"))
        stored = (folder / f"{widths.name}.bin").read_bytes()
        groups = manifest["weightsManifest"]
        weights, start = {}, 0
        for entry in (w for group in groups for w in group["weights"]):
            kind = np.dtype(entry.get("quantization", entry)["dtype"])
            count = int(np.prod(entry["shape"]))
            values = np.frombuffer(stored, kind, count, start).reshape(entry["shape"])
            weights[entry["name"]] = values.astype(np.float32)
            start += count * kind.itemsize
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder}: cannot read {widths.name} ({reason(error)})") from error
    return weights


def load_published(model: MoveNetMaps, folder: Path, widths: Widths) -> None:
    """Copy the published weights into a network, whole or as far as it goes.

    Raises:
        ModelError: The file's convolutions are not those of this network.
    """
    weights = read_published(folder, widths)
    with torch.no_grad():
        for conv, kernel, bias in _convolutions(model):
            values = weights["StatefulPartitionedCall/" + kernel]
            depthwise = conv.groups > 1
            values = values.transpose(2, 3, 0, 1) if depthwise else values.transpose(3, 2, 0, 1)
            if values.shape != conv.weight.shape:
                raise ModelError(f"{widths.name}: {kernel} is {values.shape}, not {tuple(conv.weight.shape)}")
            conv.weight.copy_(torch.from_numpy(np.ascontiguousarray(values)))
            assert conv.bias is not None
            if bias:
                conv.bias.copy_(torch.from_numpy(weights["StatefulPartitionedCall/" + bias]))
            else:
                conv.bias.zero_()


FEATURES = "center_net_mobile_net_v2fpn_feature_extractor/model_1/"


def _convolutions(model: MoveNetMaps) -> Iterator[tuple[nn.Conv2d, str, str]]:
    """Every convolution with the names of its published kernel and bias ("" for none)."""
    yield model.backbone.stem, *_folded("model/Conv1/Conv2D")
    for i, block in enumerate(model.backbone.blocks):
        name = f"model/block_{i}" if i else "model/expanded_conv"
        if block.widen is not None:
            yield block.widen, *_folded(f"{name}_expand/Conv2D")  # type: ignore[misc]
        yield block.depthwise, *_folded(f"{name}_depthwise/depthwise")  # type: ignore[misc]
        yield block.narrow, *_folded(f"{name}_project/Conv2D")  # type: ignore[misc]
    yield model.backbone.top, *_folded("model/Conv_1/Conv2D")
    p = model.pyramid
    for conv, name in (
        (p.coarse, "conv2d"),
        (p.lateral16, "conv2d_1"),
        (p.lateral8, "conv2d_2"),
        (p.lateral4, "conv2d_3"),
    ):
        yield conv, f"{FEATURES}{name}/Conv2D/ReadVariableOp", f"{FEATURES}{name}/BiasAdd/ReadVariableOp"
    for mix, out, name in (
        (p.mix16, p.down16, "separable_conv2d"),
        (p.mix8, p.down8, "separable_conv2d_1"),
        (p.mix4, p.out, "separable_conv2d_2"),
    ):
        yield mix, f"{FEATURES}{name}/separable_conv2d/ReadVariableOp", ""
        yield out, *_folded(f"{name}/separable_conv2d")
    yield from _head(model.head, "kpt_heatmap_0", 4)
    if isinstance(model, MoveNet):
        yield from _head(model.centre, "center_0", 3)
        yield from _head(model.regression, "kpt_regress_0", 5)
        yield from _head(model.offset, "kpt_offset_0", 6)


def _folded(name: str) -> tuple[str, str]:
    """A convolution whose normalisation was folded in."""
    return f"{FEATURES}{name}_weights", f"{FEATURES}{name}_bn_offset"


def _head(head: Head, name: str, number: int) -> Iterator[tuple[nn.Conv2d, str, str]]:
    mixed, out = f"{name}/separable_conv2d_{number}", f"{name}/conv2d_{number + 1}"
    yield head.mix, f"{mixed}/separable_conv2d/ReadVariableOp", ""
    yield head.wide, f"{mixed}/separable_conv2d/ReadVariableOp_1", f"{mixed}/BiasAdd/ReadVariableOp"
    yield head.out, f"{out}/Conv2D/ReadVariableOp", f"{out}/BiasAdd/ReadVariableOp"
