"""Nothing is sent anywhere: the telemetry of the libraries below is off before they are imported.

Two of them report by default to their makers. ONNX Runtime (Linux, since 1.32) keeps a device number
and a database under ``~/.cache/Microsoft`` and looks up its server; OpenVINO keeps a client number in
``~/intel`` and sends an event at import. Hugging Face's client, which open_clip brings, adds usage to
its requests. Ray reports a cluster. rerun's viewer, a program of its own, reports how it is used and asks
for its newest version; the package that logs to it does neither. Each is switched off by the means that
its documentation or source gives.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

VARIABLES = {
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""Set unless the user has set them; they hold for child processes, too."""

REPORTERS = ("openvino_telemetry",)
"""Packages that do nothing but report; who imports them has a stub for their absence."""

NO_PROXY_HERE = "http://127.0.0.1:9"  # the port that discards; nobody listens


def switch_off() -> None:
    """Switch the telemetry of all libraries off; call it before they are imported."""
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
    for package in REPORTERS:
        # None makes ``import`` raise ImportError, as if it were not installed.
        sys.modules.setdefault(package, None)  # type: ignore[arg-type]
    runtime: Any = sys.modules.get("onnxruntime")
    if runtime is not None and hasattr(runtime, "disable_telemetry_events"):
        runtime.disable_telemetry_events()  # somebody imported it before us


def silent_rerun(folder: Path) -> dict[str, str]:
    """Environment in which rerun's viewer sends nothing anywhere.

    It knows no variable for that, only its settings file, so it gets one of its own; and as it still asks
    for its newest version, its way out is a proxy that is not there. What the user's own viewer does,
    ``rerun analytics disable`` decides.

    Args:
        folder: Where the viewer's settings and its state lie from now on; made where it is missing.
    """
    file = folder / "rerun" / "analytics.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    settings = {
        "analytics_enabled": False,
        "analytics_id": "",
        "config_file_path": str(file),
        "data_dir_path": str(file.parent / "analytics"),
    }
    file.write_text(json.dumps(settings), encoding="utf-8")
    nowhere = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"), NO_PROXY_HERE)
    return {**os.environ, **nowhere, "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
