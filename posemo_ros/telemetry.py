"""Nothing is sent anywhere: the telemetry of the libraries below is off before they are imported.

Two of them report by default to their makers. ONNX Runtime (Linux, since 1.32) keeps a device number
and a database under ``~/.cache/Microsoft`` and looks up its server; OpenVINO keeps a client number in
``~/intel`` and sends an event at import. Hugging Face's client, which open_clip brings, adds usage to
its requests. Ray reports a cluster. Each is switched off by the means that its documentation or source
gives.
"""

from __future__ import annotations

import os
import sys
from typing import Any

VARIABLES = {
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""Set unless the user has set them; they hold for child processes, too."""

REPORTERS = ("openvino_telemetry",)
"""Packages that do nothing but report; who imports them has a stub for their absence."""


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
