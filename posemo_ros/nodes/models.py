"""Loading models in a node: from parameters, with messages for the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import diagnostics as keys
from ..inference.session import Session
from ..inference.store import ModelStore
from ..pipeline import Models, networks_of
from ..trained_behind import unlike_training
from .base import PosemoNode
from .parameters import RuntimeParameters, models_of, preset_of


def store_of(params: RuntimeParameters) -> ModelStore:
    """The model store with the manifests that preset and parameters add.

    Raises:
        ModelError: A manifest cannot be read, or a network that the preset names is not here.
    """
    preset = preset_of(params)
    own = [Path(name).expanduser() for name in params.manifests if name]
    store = ModelStore([*preset.manifests, *own])
    used = {s: n for s, n in preset.models.items() if hasattr(params, s)}
    replace(preset, models=used).check(store, models_of(params))
    return store


def warm_up(sessions: Mapping[str, Session]) -> None:
    """Run every network once on zeros, so that the first real image is not the slow one."""
    for session in sessions.values():
        shapes = [(abs(spec.shape[0]), *spec.shape[1:]) for spec in session.inputs]
        if all(size > 0 for shape in shapes for size in shape):
            session.run(
                {
                    spec.name: np.zeros(shape, spec.dtype)
                    for spec, shape in zip(session.inputs, shapes, strict=True)
                }
            )


def report_training(node: PosemoNode[Any, Any], models: Models, store: ModelStore) -> None:
    """Say in log and diagnostics where the emotion network was trained behind other networks than these."""
    node.warn("training", "; ".join(unlike_training(models, store)))


def report_networks(node: PosemoNode[Any, Any], models: Models, sessions: Mapping[str, Session]) -> None:
    """Run each network once; put into log and diagnostics which model runs on what, and the preset's note.

    Args:
        node: The node.
        models: The names in the manifest.
        sessions: Loaded networks by station.
    """
    preset = preset_of(node.params)
    if preset.note:
        node.get_logger().warning(f"preset {preset.name}: {preset.note}")
    for station, network in networks_of(models, sessions).items():
        node.monitor.set(keys.network(station), network)
        node.get_logger().info(f"{station}: {network}")
    warm_up(sessions)
