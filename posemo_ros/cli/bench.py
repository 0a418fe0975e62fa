"""``posemo bench``: how fast the chain is here."""

from __future__ import annotations

import argparse

from .command import Command
from .options import add_model_options, pipeline_from


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="fewer repetitions and crowd sizes")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    add_model_options(parser)


def _run(args: argparse.Namespace) -> None:
    from ..bench import bench

    print(bench(lambda: pipeline_from(args), quick=args.quick, as_json=args.json))


COMMAND = Command(
    help="measure the speed of the chain here",
    examples=(
        ("posemo bench --quick", "the default networks, in about half a minute"),
        ("posemo bench --runtime openvino --threads 2 --json", "another runtime, for a program to read"),
    ),
    run=_run,
    add_options=_options,
)
