"""MoveNet Lightning's backbone: MobileNetV2 with a feature pyramid, started from the published file.

MobileNetV2: Sandler et al., arXiv 1801.04381. The published file (TFLite, int8) has its
normalisation folded into the convolutions; its weights are whole numbers with a scale per channel.
Here they are floats again, to be trained further.

Symbols: B batch, H x W input pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from posemo_ros.errors import ModelError

# (expansion, channels, blocks, stride) of the stages, Table 2 of the paper
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
STEM, TOP = 32, 1280
PYRAMID = (64, 32, 24)  # channels at strides 16, 8, 4
JOINTS = 17


class Conv(nn.Conv2d):
    """Convolution with bias and TensorFlow's "same" padding: below and right first."""

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

    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv(3, STEM, 3, 2)
        blocks, inputs = [], STEM
        for expansion, outputs, count, stride in STAGES:
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
        """(B, 3, H, W) -> 24, 32, 64, 96 and 1280 channels at strides 4, 8, 16, 16 and 32."""
        x, found = F.relu6(self.stem(image)), []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in (2, 5, 9, 12):
                found.append(x)
        return [*found, F.relu6(self.top(x))]


class Pyramid(nn.Module):
    """MoveNet's coarse-to-fine path to stride 4."""

    def __init__(self) -> None:
        super().__init__()
        c16, c8, c4 = PYRAMID
        self.lateral4, self.lateral8, self.lateral16 = Conv(24, c4), Conv(32, c8), Conv(64, c16)
        self.coarse = Conv(TOP, c16)
        self.mix16, self.down16 = Conv(c16, c16, 3, groups=c16), Conv(c16, c8)
        self.mix8, self.down8 = Conv(c8, c8, 3, groups=c8), Conv(c8, c4)
        self.mix4, self.out = Conv(c4, c4, 3, groups=c4), Conv(c4, c4)

    def forward(self, features: list[Tensor]) -> Tensor:
        """MobileNetV2's features -> (B, 24, H/4, W/4)."""
        f4, f8, f16, _, f32 = features
        x = double(self.coarse(f32)) + self.lateral16(f16)
        x = double(F.relu(self.down16(self.mix16(x)))) + self.lateral8(f8)
        x = double(F.relu(self.down8(self.mix8(x)))) + self.lateral4(f4)
        return F.relu(self.out(self.mix4(x)))


class HeatmapHead(nn.Module):
    """MoveNet's heatmaps of all people's joints."""

    def __init__(self) -> None:
        super().__init__()
        c = PYRAMID[-1]
        self.mix, self.wide, self.out = Conv(c, c, 3, groups=c), Conv(c, 96), Conv(96, JOINTS)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 24, h, w) -> logits (B, 17, h, w)."""
        return self.out(F.relu(self.wide(self.mix(x))))  # type: ignore[no-any-return]


def double(x: Tensor) -> Tensor:
    """Twice the height and width, bilinear."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class MoveNetMaps(nn.Module):
    """The part of MoveNet that training starts from: backbone, pyramid, heatmaps.

    Input: R, G, B from -1 to 1.
    """

    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.pyramid, self.head = MobileNetV2(), Pyramid(), HeatmapHead()

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> logits (B, 17, H/4, W/4)."""
        return self.head(self.pyramid(self.backbone(image)))  # type: ignore[no-any-return]


def load_from_tflite(model: MoveNetMaps, path: Path) -> MoveNetMaps:
    """Copy the weights of the published MoveNet Lightning (int8, as on TensorFlow Hub).

    Raises:
        ModelError: The file's convolutions are not those of this network.
    """
    from ai_edge_litert.interpreter import Interpreter

    reader = Interpreter(model_path=str(path))
    details = {t["index"]: t for t in reader.get_tensor_details()}
    with torch.no_grad():
        for conv, (weight, bias) in zip(_convolutions(model), _tensors(), strict=True):
            for target, index in ((conv.weight, weight), (conv.bias, bias)):
                values = _floats(reader.get_tensor(index), details[index]["quantization_parameters"])
                if values.shape != target.shape:
                    raise ModelError(f"{path}: tensor {index} is not MoveNet Lightning's: {values.shape}")
                target.copy_(torch.from_numpy(values))
    return model


def _convolutions(model: MoveNetMaps) -> Iterator[nn.Conv2d]:
    """In the order of the file."""
    net, pyramid = model.backbone, model.pyramid
    laterals = {2: pyramid.lateral4, 5: pyramid.lateral8, 9: pyramid.lateral16}
    yield net.stem
    for i, block in enumerate(net.blocks):
        yield from (c for c in block.children() if isinstance(c, nn.Conv2d))
        if i in laterals:
            yield laterals[i]
    yield net.top
    yield from (pyramid.coarse, pyramid.mix16, pyramid.down16, pyramid.mix8, pyramid.down8, pyramid.mix4)
    yield pyramid.out
    yield from (model.head.mix, model.head.wide, model.head.out)


def _tensors() -> Iterator[tuple[int, int]]:
    """The file's tensor numbers of weight and bias, in the same order."""
    yield from ((i, i + 1) for i in range(21, 142, 2))
    yield from ((147, 148), (155, 144), (156, 157), (158, 159))


def _floats(stored: NDArray[Any], quantised: dict[str, Any]) -> NDArray[np.float32]:
    """Weights in PyTorch's axis order, or a bias."""
    shape = [1] * stored.ndim
    shape[quantised["quantized_dimension"]] = -1
    values = stored.astype(np.float32) * quantised["scales"].reshape(shape)
    if stored.ndim == 1:
        return values
    depthwise = quantised["quantized_dimension"] == 3
    return np.ascontiguousarray(values.transpose(3, 0, 1, 2) if depthwise else values.transpose(0, 3, 1, 2))
