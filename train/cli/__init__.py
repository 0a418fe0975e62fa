"""Training, evaluation, the papers' tables, export.

fit, validate, test and predict take --config FILE (train/configs) and any option of trainer, model
and data (python -m train fit --help).
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Sequence

from posemo_ros.cli.command import make_parser, run_program


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code is that of ``run_program``."""
    return run_program(parser(), argv)


def parser() -> ArgumentParser:
    """Of all commands."""
    return make_parser(sys.modules[__name__], "python -m train")
