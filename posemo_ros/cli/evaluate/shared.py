"""What the commands of ``posemo evaluate`` share."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from ...evaluate.report import Report
from ...losses import exit_code
from ..command import Command
from ..values import SEED, as_path, new_file

Example = tuple[str, str]


def evaluation(
    help: str,
    examples: tuple[Example, Example],
    add_options: Callable[[argparse.ArgumentParser], None],
    measure: Callable[[argparse.Namespace], Report],
) -> Command:
    """A command that prints what was measured, as tables or ``--json``, and as a page with ``--report``.

    Args:
        help, examples: See ``Command``.
        add_options: Adds the evaluation's own options.
        measure: Makes the report of them.
    """

    def add_all(parser: argparse.ArgumentParser) -> None:
        add_options(parser)
        parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
        parser.add_argument(
            "--report",
            type=new_file(".html", ".htm"),
            metavar="FILE.html",
            help="write plots and tables as one self-contained page, too",
        )

    def run(args: argparse.Namespace) -> int:
        from ...evaluate.page import write_page

        report = measure(args)
        if args.report is not None:
            write_page(args.report, report)
        print(report.as_json() if args.json else report.as_text())
        return exit_code(report.losses["images"])

    return Command(help, examples, run, add_all)


def add_labelled_images_options(parser: argparse.ArgumentParser) -> None:
    """``--images DIR``, ``--annotations FILE``."""
    parser.add_argument("--images", type=as_path, required=True, metavar="DIR", help="folder of the images")
    parser.add_argument(
        "--annotations",
        type=as_path,
        required=True,
        metavar="FILE",
        help="keypoints in COCO's format (.json)",
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
