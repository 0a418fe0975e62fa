"""Loading models in a node: from parameters, with messages for the log."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..inference.session import Session
from ..inference.store import ModelStore
from .station import Station


def store_of(values: Mapping[str, Any]) -> ModelStore:
    """The model store with the manifests that the parameters add."""
    return ModelStore([Path(name).expanduser() for name in values["manifests"] if name])


def announce(station: Station, sessions: Mapping[str, Session], names: Mapping[str, str]) -> None:
    """Say in log and diagnostics which model runs on what.

    Args:
        station: The node.
        sessions: Loaded networks by stage.
        names: Their names in the manifest by stage.
    """
    for stage, session in sessions.items():
        text = f"{names[stage]} ({session.runtime}, {session.precision})"
        station.monitor.fact(f"{stage} model", text)
        station.get_logger().info(f"{stage}: {text}")
