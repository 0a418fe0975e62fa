"""Paper A's baselines that see pixels only: ResNet-50 and ViT, on one image or the mean of several.

Paper A names them without details; the networks are timm's, ViT is B/16. Its other three rows are
not built here: WSCNet (its released code is for another framework version and wants image-level
sentiment data), PDANet (trained on continuous valence/arousal labels) and ABAW (a challenge with
licensed face videos, not one network). They would need those data sets and labels to mean anything.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from posemo_ros.errors import ModelError

from .blocks import choose
from .moemo import EMOTION_CLASSES
from .vision_libraries import import_vision_library

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BACKBONES = {"resnet50": "resnet50", "vit": "vit_base_patch16_224"}


class ImageBaseline(nn.Module):
    """Backbone per frame, mean over the frames, linear layer.

    Args:
        name: One of ``BACKBONES``.
        pretrained: Let timm fetch its ImageNet weights.

    Raises:
        MissingExtraError: timm is not installed.
        ModelError: The ImageNet weights cannot be fetched.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, name: str = "resnet50", *, pretrained: bool = False) -> None:
        super().__init__()
        timm = import_vision_library("timm", f"the baseline {name}")
        model = BACKBONES[choose("name", name, tuple(BACKBONES))]
        try:
            self.backbone = timm.create_model(model, pretrained=pretrained, num_classes=0)
        except Exception as error:  # what fetches for timm raises many kinds
            raise ModelError(f"{name}: no ImageNet weights of {model} to be had ({error})") from error
        self.head = nn.Linear(self.backbone.num_features, EMOTION_CLASSES)
        wanted = getattr(self.backbone, "pretrained_cfg", {})  # ViT's weights want -1 to 1
        mean, std = wanted.get("mean", IMAGENET_MEAN), wanted.get("std", IMAGENET_STD)
        scale = torch.tensor(IMAGENET_STD) / torch.tensor(std)
        shift = (torch.tensor(IMAGENET_MEAN) - torch.tensor(mean)) / torch.tensor(std)
        self.register_buffer("scale", scale.view(3, 1, 1), persistent=False)
        self.register_buffer("shift", shift.view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Logits.

        Args:
            images: (B, T, 3, 224, 224), ImageNet normalisation; T = 1 is the paper's image form. The
                backbone sees them with the mean and deviation its weights were trained with.

        Returns:
            (B, 6).
        """
        features = self.backbone(images.flatten(0, 1) * self.scale + self.shift)  # (B*T, C)
        return self.head(features.unflatten(0, (-1, images.shape[1])).mean(dim=1))
