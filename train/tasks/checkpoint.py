"""Weights in checkpoints of this package's own training, and in released ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from train.models.weights import fill, read_state

PREFIX = "network."
LEARNED = "manifest"  # key of a checkpoint: settings that only the run can tell


def network_state(path: Path) -> dict[str, Tensor]:
    """The network's parameters by its own names.

    Args:
        path: A released checkpoint, or one of a task here (then the averaged weights).

    Raises:
        ModelError: The file cannot be read or holds no weights.
    """
    state = read_state(path)
    own = {k.removeprefix(PREFIX): v for k, v in state.items() if k.startswith(PREFIX)}
    return own or state


def learned_settings(path: Path) -> dict[str, Any]:
    """Settings of the manifest that a run of ours found out; none in released checkpoints."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    return dict(state.get(LEARNED, {})) if isinstance(state, dict) else {}


def start_from(
    network: nn.Module, path: Path, *, may_miss: Iterable[str] = (), may_have: Iterable[str] = ()
) -> None:
    """Fill a network.

    Args:
        network: Changed in place.
        path: See ``network_state``.
        may_miss, may_have: See ``weights.load_weights``.

    Raises:
        ModelError: The names or shapes do not fit; it lists them.
    """
    fill(network, network_state(path), str(path), may_miss=may_miss, may_have=may_have)
