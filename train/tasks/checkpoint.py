"""Weights in checkpoints of this package's own training, and in released ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from torch import Tensor, nn

from train.models.weights import fill, read_state

PREFIX = "network."


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
