"""Context encoder: CLIP's image tower (Radford et al., 2021) from open_clip.

Paper A feeds MoEmo with the last hidden states of CLIP ViT-B/32. Symbols: B images, P tokens, C width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .blocks import choose
from .vision_libraries import import_vision_library

# Name -> tokens P (class token and patches), width C, width of the pooled embedding.
CLIP_SHAPES = {"ViT-B-32": (50, 768, 512), "ViT-B-16": (197, 768, 512), "ViT-L-14": (257, 1024, 768)}


class ClipEncoder(nn.Module):
    """The image tower of CLIP, tokens and pooled output.

    Args:
        name: One of ``CLIP_SHAPES``.
        pretrained: open_clip's tag, such as ``openai`` (paper A) or a path; empty for random
            weights. A tag makes open_clip fetch the weights.

    Raises:
        MissingExtraError: open_clip is not installed.
    """

    def __init__(self, name: str = "ViT-B-32", pretrained: str = "") -> None:
        super().__init__()
        choose("name", name, tuple(CLIP_SHAPES))
        open_clip = import_vision_library("open_clip", f"the context encoder {name}")
        self.visual = open_clip.create_model(
            name, pretrained=pretrained or None, force_quick_gelu=pretrained == "openai"
        ).visual

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Encode images.

        Args:
            image: (B, 3, 224, 224) RGB, CLIP normalisation.

        Returns:
            Tokens (B, P, C) as they leave the last layer, class token first (the
            ``last_hidden_state`` of other implementations: no norm behind); and the pooled,
            projected embedding (B, E).
        """
        layers = self.visual.forward_intermediates(
            image, indices=1, output_fmt="NLC", output_extra_tokens=True
        )
        classes, patches = layers["image_intermediates_prefix"][-1], layers["image_intermediates"][-1]
        return torch.cat([classes, patches], dim=1), layers["image_features"]
