"""Weights in checkpoints of this package's own training, and in released ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor, nn

from posemo_ros.errors import InputError
from train.models.weights import fill, read_state
from train.models.zoo import Entry, build

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


def entry_of(config: Path) -> Entry:
    """The network that a configuration names, with random weights.

    Raises:
        InputError: The file has no ``model`` with a network.
    """
    try:
        model = yaml.safe_load(config.read_text(encoding="utf-8"))["model"]
        arguments: dict[str, Any] = model.get("init_args", {})
        entry = build(arguments["network"], **arguments.get("options") or {})
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{config}: expected a configuration with model.init_args.network ({error!r})"
        ) from error
    return replace(entry, settings={**entry.settings, **(arguments.get("settings") or {})})
