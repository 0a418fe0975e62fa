"""``python -m train scenes depth``."""

from __future__ import annotations

import argparse

from posemo_ros.cli.command import Command
from posemo_ros.cli.values import as_path, changed_file


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=as_path, help="folder of the development data")
    parser.add_argument("--write", type=changed_file, metavar="PAGE", help="page whose table is replaced")


def _run(args: argparse.Namespace) -> None:
    from train.scenes.depth import measure, table, write_table

    results = measure(args.data)
    print(table(results))
    if args.write:
        write_table(args.write, results)


COMMAND = Command(
    help="what a depth image is worth, on rendered people",
    examples=(
        ("python -m train scenes depth", "errors with and without, printed"),
        ("python -m train scenes depth --write docs/geometry.md", "and written into the documentation"),
    ),
    run=_run,
    add_options=_options,
)
