"""What the commands of ``posemo evaluate`` share."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from ...evaluate.report import Report
from ...losses import FINISHED_WITH_LOSSES
from ..values import SEED, as_path


def printed(measure: Callable[[argparse.Namespace], Report]) -> Callable[[argparse.Namespace], int | None]:
    """The command that prints what was measured, as tables or with ``--json``."""

    def run(args: argparse.Namespace) -> int | None:
        report = measure(args)
        print(report.as_json() if args.json else report.as_text())
        return FINISHED_WITH_LOSSES if report.losses["images"] else None

    return run


def add_clip_options(parser: argparse.ArgumentParser) -> None:
    """``--clips FILE``, ``--seed N``."""
    parser.add_argument(
        "--clips", type=as_path, required=True, metavar="FILE", help="motion (.npz, see docs/evaluation.md)"
    )
    parser.add_argument("--seed", type=SEED, default=0, help="of the virtual cameras and the noise")
