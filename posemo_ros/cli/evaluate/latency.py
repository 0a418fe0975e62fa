"""``posemo evaluate latency``."""

from __future__ import annotations

import argparse

from ...evaluate.report import Report
from ..values import as_path
from .shared import evaluation


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bags", type=as_path, nargs="+", metavar="BAG", help="recordings of the nodes")


def _measure(args: argparse.Namespace) -> Report:
    from ...evaluate.latency import evaluate_latency

    return evaluate_latency(args.bags)


COMMAND = evaluation(
    "latency of results, from the stamps in a recording of the nodes",
    (
        ("posemo evaluate latency out/demo/results.mcap", "of `make demo`"),
        ("posemo evaluate latency monday.mcap tuesday.mcap --json", "two recordings"),
    ),
    _options,
    _measure,
)
