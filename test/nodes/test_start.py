"""The door of a node's process."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import os, signal, sys
from types import SimpleNamespace
from posemo_ros.nodes import start

class Late:
    def __del__(self, kill=os.kill, own=os.getpid(), number=signal.SIGTERM):
        kill(own, number)  # when Python takes itself down

modules = {".markers": SimpleNamespace(MarkersNode=None), ".run": SimpleNamespace(run=lambda kind: 0)}
start.importlib = SimpleNamespace(import_module=lambda name, package: modules[name])
late = Late()
sys.argv = ["markers"]
sys.exit(start.main())
"""


def test_a_signal_after_the_end_changes_no_exit_code() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
