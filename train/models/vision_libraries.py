"""Import of timm and open_clip, which want torchvision, with whatever torch is installed.

The registries have torchvision for CUDA alone. Its Python part works beside a CPU torch, but its
import stops because two compiled operators are missing, and takes Lightning's import with it.
Nothing here uses them, so their names are declared (by ``train`` itself, before anything else) and
the import goes on. The light way to a working set on a machine without a GPU::

    pip install torch==2.13.0 && pip install --no-deps torchvision==0.28.0
    pip install timm open_clip_torch

A torchvision that imports by itself is left alone.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

from posemo_ros.errors import MissingExtraError

_declared: list[Any] = []


def declare_operators() -> None:
    """Where a torchvision for CUDA stands beside a torch without, declare what it lacks."""
    if _declared or not _is_for_cuda():
        return
    import torch

    if torch.version.cuda or torch.version.hip:
        return
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(library)


def _is_for_cuda() -> bool:
    """What ``torchvision/version.py`` says, read without importing the package."""
    try:
        found = importlib.util.find_spec("torchvision")
        text = Path(str(found.origin)).with_name("version.py").read_text(encoding="utf-8") if found else ""
    except (OSError, ValueError):
        return False
    return re.search(r"^__version__.*\+cu\d|^cuda\b.*= *['\"]\d", text, re.MULTILINE) is not None


def import_vision_library(name: str, purpose: str) -> ModuleType:
    """``timm`` or ``open_clip``.

    Raises:
        MissingExtraError: It, or torchvision, is not installed.
    """
    try:
        declare_operators()
        importlib.import_module("torchvision")
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or name, "vision", purpose) from error
