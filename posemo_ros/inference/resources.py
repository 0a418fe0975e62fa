"""Where the package's own files lie on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from ..errors import ModelError

_PACKAGE = Path(__file__).resolve().parent.parent


def share_dir(kind: Literal["config", "models", "msg", "demo"]) -> Path:
    """Folder of the shipped files of one kind.

    These are ``config`` (parameters, model manifest), ``models`` (starter weights and cards),
    ``msg`` (message definitions, for bags written without ROS) and ``demo`` (clip and truth).

    Looked for in this order: beside the Python package (installed with pip), in the repository
    the package is run from (checkout or editable install), in the ``share`` folder of a ROS
    workspace on ``AMENT_PREFIX_PATH`` (built with colcon).

    Raises:
        ModelError: It is in none of these places.
    """
    candidates = [_PACKAGE / "_share" / kind, *_checkout(kind), *_ament(kind)]
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise ModelError(
        f"the {kind} files of posemo_ros were not found; looked in {', '.join(map(str, candidates))}. "
        "Install the package again with pip, or source the workspace it was built in."
    )


def _checkout(kind: str) -> list[Path]:
    root = _PACKAGE.parent
    return [root / kind] if (root / "setup.cfg").is_file() else []


def _ament(kind: str) -> list[Path]:
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    return [Path(prefix) / "share" / "posemo_ros" / kind for prefix in prefixes if prefix]
