"""``python -m posemo_ros.nodes.MODULE`` starts nothing, and says what does; Python would just end."""

from __future__ import annotations

import sys
from collections.abc import Sequence

PROGRAMS = ("__main__", "parameters")  # modules that do something when they are run


def refuse_module(package: str) -> None:
    """End the process with 2 and a line when Python is about to run a module of the package as a program.

    Python imports the package first; until it has found the module, ``sys.argv[0]`` is ``-m``.
    """
    if sys.argv[:1] == ["-m"] and (module := _named(sys.orig_argv)).startswith(f"{package}."):
        name = module.removeprefix(f"{package}.")
        if name not in PROGRAMS:
            print(f"{module} is no program; {_instead(package, name)}", file=sys.stderr)
            sys.exit(2)


def _named(words: Sequence[str]) -> str:
    """The module after ``-m``, which Python also takes in one word with it."""
    option = next((n for n, word in enumerate(words) if word.startswith("-m")), None)
    return "" if option is None else words[option][2:] or words[option + 1]


def _instead(package: str, name: str) -> str:
    from .parameters import NODES

    if name in NODES:
        return f"start the node with: python -m {package} {name}, or: ros2 run posemo_ros {name}"
    return f"the nodes are {', '.join(sorted(NODES))}; start one with: python -m {package} NODE"
