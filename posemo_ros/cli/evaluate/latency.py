"""``posemo evaluate latency``."""

from __future__ import annotations

import argparse

from ...evaluate.report import Report
from ..command import Command
from ..values import as_path
from .shared import add_report_options, printed


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bags", type=as_path, nargs="+", metavar="BAG", help="recordings of the nodes")
    add_report_options(parser)


def _measure(args: argparse.Namespace) -> Report:
    from ...evaluate.latency import evaluate_latency

    return evaluate_latency(args.bags)


COMMAND = Command(
    help="latency of results, from the stamps in a recording of the nodes",
    examples=(
        ("posemo evaluate latency out/demo/results.mcap", "of `make demo`"),
        ("posemo evaluate latency monday.mcap tuesday.mcap --json", "two recordings"),
    ),
    run=printed(_measure),
    add_options=_options,
)
