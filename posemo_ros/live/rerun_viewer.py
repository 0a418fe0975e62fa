"""Starts rerun's viewer, a window.

Its other form, a page in the browser, is not offered: the page reports to its makers whatever one sets.
"""

from __future__ import annotations

import os
import subprocess
import sys

from ..inference.sessions import cache_root
from ..telemetry import silent_rerun

SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")


def has_screen() -> bool:
    """Whether a window can be opened here."""
    return any(os.environ.get(name) for name in SCREENS)


def start_viewer(url: str) -> subprocess.Popen[bytes]:
    """A viewer that listens to this machine alone, and sends nothing anywhere.

    Args:
        url: ``RerunServer.url``.
    """
    words = ["--hide-welcome-screen", "--bind", "127.0.0.1", "--port", "auto"]
    return subprocess.Popen([sys.executable, "-m", "rerun", url, *words], env=silent_rerun(cache_root()))
