"""``posemo evaluate compare``."""

from __future__ import annotations

import argparse

from ...evaluate.report import Report
from ..values import SEED, as_path
from .shared import evaluation


def _options(parser: argparse.ArgumentParser) -> None:
    runs = "folder of `posemo run --truth`, or a report of `posemo evaluate … --json`"
    parser.add_argument("run_a", type=as_path, metavar="RUN_A", help=runs)
    parser.add_argument("run_b", type=as_path, metavar="RUN_B", help=runs)
    parser.add_argument("--seed", type=SEED, default=0, help="of the bootstrap")


def _measure(args: argparse.Namespace) -> Report:
    from ...evaluate.compare import evaluate_compare

    return evaluate_compare(args.run_a, args.run_b, seed=args.seed)


COMMAND = evaluation(
    "which differences between two runs are more than chance",
    (
        (
            "posemo evaluate compare out/before out/after",
            "two folders of `posemo run --truth`",
        ),
        ("posemo evaluate compare ids_a.json ids_b.json --json", "two reports of `posemo evaluate tracking`"),
    ),
    _options,
    _measure,
)
