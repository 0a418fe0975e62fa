"""Loading models in a node: from parameters, with messages for the log."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..inference.session import Session
from ..inference.store import ModelStore
from .station import Station


def store_of(values: Mapping[str, Any]) -> ModelStore:
    """The model store with the manifests that the parameters add."""
    return ModelStore([Path(name).expanduser() for name in values["manifests"] if name])


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


def announce(station: Station, sessions: Mapping[str, Session], names: Mapping[str, str]) -> None:
    """Run each network once; say in log and diagnostics which model runs on what.

    Args:
        station: The node.
        sessions: Loaded networks by stage.
        names: Their names in the manifest by stage.
    """
    for stage, session in sessions.items():
        text = f"{names[stage]} ({session.runtime}, {session.precision})"
        station.monitor.fact(f"{stage} model", text)
        station.get_logger().info(f"{stage}: {text}")
    warm_up(sessions)
