"""The `posemo` command: run the chain on files, look at bags, manage models, measure accuracy and speed."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence

from .. import __version__
from .command import make_parser, run_program


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; the exit code is that of ``run_program``."""
    return run_program(parser(), argv)


def parser() -> ArgumentParser:
    """Of all commands."""
    made = make_parser(sys.modules[__name__], "posemo")
    made.add_argument("--version", action="version", version=f"posemo {__version__}")
    return made
