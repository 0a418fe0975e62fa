"""``posemo evaluate tracker``."""

from __future__ import annotations

import argparse

from ...evaluate.report import Report
from ..command import Command
from ..values import COUNT
from .shared import add_report_options, printed


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scenes", type=COUNT, default=16, help="made-up scenes of 20 s at each rate")
    add_report_options(parser)


def _measure(args: argparse.Namespace) -> Report:
    from ...evaluate.crowds import evaluate_tracker

    return evaluate_tracker(args.scenes)


COMMAND = Command(
    help="id switches of the tracker alone in made-up crowds, beside ByteTrack where that is installed",
    examples=(
        ("posemo evaluate tracker", "the table in docs/evaluation.md"),
        ("posemo evaluate tracker --scenes 4 --json", "fewer scenes, for programs"),
    ),
    run=printed(_measure),
    add_options=_options,
)
