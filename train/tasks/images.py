"""Pictures of a batch as a network's input."""

from __future__ import annotations

import torch
from torch import Tensor

from posemo_ros.inference.manifest import ImageInput
from posemo_ros.types import PixelOrder


def normalise(images: Tensor, spec: ImageInput) -> Tensor:
    """(B, h, w, 3) uint8 B, G, R -> (B, 3, h, w) float32 as the network wants it, channels last in memory."""
    ordered = images.flip(-1) if spec.order is PixelOrder.RGB else images
    mean, std = (torch.tensor(v, dtype=torch.float32, device=images.device) for v in (spec.mean, spec.std))
    return ((ordered.float() - mean) / std).permute(0, 3, 1, 2)
