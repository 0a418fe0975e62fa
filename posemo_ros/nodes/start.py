"""The door of every node's process: signals are caught before anything heavy is imported.

To import a node takes a second or more. Ctrl-C in that time would raise KeyboardInterrupt wherever
Python happens to be: it comes out as a traceback, or, inside a destructor or a callback, gets lost, and
the node runs on.
"""

from __future__ import annotations

import importlib
import signal
import sys
import threading
from pathlib import Path

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the last: its terminal or ssh session is gone
asked_to_end = threading.Event()


def catch_signals() -> None:
    """From now on the signals set ``asked_to_end``, and nothing else; under nohup SIGHUP stays ignored."""
    for number in SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _ask)


def ignore_signals() -> None:
    """All is done, but on a busy machine Python needs seconds to take itself down.

    It then sets what it caught back to "die"; a launch that loses patience would get an exit code of -15.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _ask(*_: object) -> None:
    asked_to_end.set()


def main() -> int:
    """Entry of ``ros2 run posemo_ros NODE``: module and class are named like the executable."""
    catch_signals()
    name = Path(sys.argv[0]).name
    module = importlib.import_module(f".{name}", __package__)
    kind = getattr(module, f"{name.title().replace('_', '')}Node")
    try:
        return int(importlib.import_module(".run", __package__).run(kind))
    finally:
        ignore_signals()
