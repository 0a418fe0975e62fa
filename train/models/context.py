"""Context encoders: CLIP's image tower (Radford et al., 2021) from open_clip; a CNN from timm beside it.

Paper A feeds MoEmo with the last hidden states of CLIP ViT-B/32. Symbols: B images, P tokens, C width.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import torch
from torch import Tensor, nn

from posemo_ros.errors import ModelError

from .blocks import choose
from .vision_libraries import import_vision_library
from .weights import why_refused

# Name -> tokens P (class token and patches), width C, width of the pooled embedding.
CLIP_SHAPES = {"ViT-B-32": (50, 768, 512), "ViT-B-16": (197, 768, 512), "ViT-L-14": (257, 1024, 768)}
# The mean over the image and its 7 x 7 cells: as many tokens as CLIP ViT-B/32 has.
CNN_SHAPES = {"resnet50": (50, 2048), "resnet18": (50, 512)}


def _short(error: Exception) -> str:
    """One line of what a library says, which lists all parameters of a network that do not fit."""
    return textwrap.shorten(why_refused(error), 200, placeholder=" …")


class ClipEncoder(nn.Module):
    """The image tower of CLIP, tokens and pooled output.

    Args:
        name: One of ``CLIP_SHAPES``.
        pretrained: open_clip's tag, such as ``openai`` (paper A), or a file; empty for random
            weights. A tag makes open_clip fetch the weights.
        quick_gelu: Which activation the weights were trained with: x sigmoid(1.702 x), as OpenAI's,
            or GELU. None: what open_clip knows of the tag; QuickGELU for a file and for random
            weights (paper A's are OpenAI's). Say False for a file of LAION's weights.

    Raises:
        MissingExtraError: open_clip is not installed.
        ModelError: The weights cannot be had or do not fit; it says why.
    """

    def __init__(self, name: str = "ViT-B-32", pretrained: str = "", quick_gelu: bool | None = None) -> None:
        super().__init__()
        choose("name", name, tuple(CLIP_SHAPES))
        open_clip = import_vision_library("open_clip", f"the context encoder {name}")
        tag = pretrained if pretrained in open_clip.list_pretrained_tags_by_model(name) else ""
        if pretrained and not tag and not Path(pretrained).is_file():
            tags = ", ".join(open_clip.list_pretrained_tags_by_model(name))
            raise ModelError(
                f"{name}: {pretrained!r} is neither a file nor a tag of open_clip (its tags: {tags})"
            )
        if quick_gelu is None:
            known = open_clip.get_pretrained_cfg(name, tag) if tag else {}
            quick_gelu = bool(known.get("quick_gelu", False)) if tag else True
        try:
            model = open_clip.create_model(name, pretrained=pretrained or None, force_quick_gelu=quick_gelu)
        except Exception as error:  # open_clip and what fetches for it raise many kinds
            advice = "fetch the file elsewhere and name its path" if tag else "is it CLIP of this name?"
            raise ModelError(f"{name}: no weights from {pretrained!r} ({_short(error)}); {advice}") from error
        self.visual = model.visual

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


class CnnEncoder(nn.Module):
    """A CNN of timm in CLIP's place: the mean over the image, then its cells, row by row.

    Paper A claims that CLIP's features of the scene are better than a CNN's; this is what to compare.

    Args:
        name: One of ``CNN_SHAPES``.
        pretrained: Let timm fetch its ImageNet weights.

    Raises:
        MissingExtraError: timm is not installed.
        ModelError: The weights cannot be fetched.
    """

    def __init__(self, name: str = "resnet50", *, pretrained: bool = False) -> None:
        super().__init__()
        choose("name", name, tuple(CNN_SHAPES))
        timm = import_vision_library("timm", f"the context encoder {name}")
        try:
            self.backbone = timm.create_model(name, pretrained=pretrained, num_classes=0, global_pool="")
        except Exception as error:  # what fetches for timm raises many kinds
            raise ModelError(f"{name}: no ImageNet weights to be had ({_short(error)})") from error

    def forward(self, image: Tensor) -> Tensor:
        """Encode images.

        Args:
            image: (B, 3, 224, 224) RGB, ImageNet normalisation.

        Returns:
            (B, P, C).
        """
        cells = self.backbone(image).flatten(2).transpose(1, 2)  # (B, 49, C)
        return torch.cat([cells.mean(dim=1, keepdim=True), cells], dim=1)
