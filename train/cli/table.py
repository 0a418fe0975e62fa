"""``python -m train table``."""

from __future__ import annotations

import argparse
from pathlib import Path

from posemo_ros.cli.command import Command
from posemo_ros.cli.values import folder, nonempty


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", type=nonempty, nargs="*", help="I ... X, moemo, ...; all without")
    parser.add_argument(
        "--evaluate", action="store_true", help="test what has weights and data and no result yet"
    )
    parser.add_argument("--write", action="store_true", help="write docs/reproduction.md with all tables")
    parser.add_argument(
        "--root", type=folder, default=Path(), help="folder that holds data/, weights/ and runs/"
    )


def _run(args: argparse.Namespace) -> None:
    from train.tables.command import run

    run(args.names, args.root, evaluate=args.evaluate, write=args.write)


COMMAND = Command(
    help="a table of the papers, their numbers beside ours",
    examples=(
        ("python -m train table II", "one table"),
        ("python -m train table --evaluate --write", "test what can be tested, write the page of all tables"),
    ),
    run=_run,
    add_options=_options,
)
