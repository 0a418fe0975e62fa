"""What the commands of ``posemo evaluate`` share."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from ...evaluate.report import Report
from ...losses import exit_code
from ..options import add_json_option
from ..values import SEED, as_path


def printed(measure: Callable[[argparse.Namespace], Report]) -> Callable[[argparse.Namespace], int]:
    """The command that prints what was measured, as tables or JSON, and writes the page if asked."""

    def run(args: argparse.Namespace) -> int:
        from ...evaluate.page import write_page

        report = measure(args)
        if args.report is not None:
            write_page(args.report, report)
        print(report.as_json() if args.json else report.as_text())
        return exit_code(report.losses["images"])

    return run


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """``--json``, ``--report FILE``."""
    add_json_option(parser)
    parser.add_argument(
        "--report",
        type=as_path,
        metavar="FILE.html",
        help="write plots and tables as one self-contained page, too",
    )


def add_recorded_options(parser: argparse.ArgumentParser, what: str, *, truth_needed: bool) -> None:
    """``--results PATH…``, ``--truth PATH…``."""
    parser.add_argument("--results", type=as_path, nargs="+", required=True, metavar="PATH", help=what)
    parser.add_argument(
        "--truth",
        type=as_path,
        nargs="+",
        default=[],
        required=truth_needed,
        metavar="PATH",
        help="truth (.npz): a file for each, a folder with NAME.npz or NAME_truth.npz, "
        "or a pattern with {name}",
    )


def add_clip_options(parser: argparse.ArgumentParser) -> None:
    """``--clips FILE``, ``--seed N``."""
    parser.add_argument(
        "--clips", type=as_path, required=True, metavar="FILE", help="motion (.npz, see docs/evaluation.md)"
    )
    parser.add_argument("--seed", type=SEED, default=0, help="of the virtual cameras and the noise")
