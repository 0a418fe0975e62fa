"""Import of timm and open_clip, which want torchvision, with whatever torch is installed.

The registries have torchvision for CUDA alone. Its Python part works beside a CPU torch, but its
import stops because two compiled operators are missing. Nothing here uses them, so their names are
declared and the import goes on. The light way to a working set on a machine without a GPU::

    pip install torch==2.13.0 && pip install --no-deps torchvision==0.28.0
    pip install timm open_clip_torch

A torchvision that imports by itself is left alone.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import torch

from posemo_ros.errors import MissingExtraError

_declared: list[torch.library.Library] = []


def import_vision_library(name: str, purpose: str) -> ModuleType:
    """``timm`` or ``open_clip``.

    Raises:
        MissingExtraError: It, or torchvision, is not installed.
    """
    try:
        _import_torchvision()
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or name, "vision", purpose) from error


def _import_torchvision() -> None:
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error) or _declared:
            raise
        for module in [m for m in sys.modules if m.split(".")[0] == "torchvision"]:
            del sys.modules[module]
        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _declared.append(library)
        importlib.import_module("torchvision")
