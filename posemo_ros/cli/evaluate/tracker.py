"""``posemo evaluate tracker``."""

from __future__ import annotations

import argparse

from ...evaluate.report import Report
from ..values import COUNT
from .shared import evaluation


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scenes", type=COUNT, default=16, help="made-up scenes of 20 s at each rate")


def _measure(args: argparse.Namespace) -> Report:
    from ...evaluate.crowds import evaluate_tracker

    return evaluate_tracker(args.scenes)


COMMAND = evaluation(
    "id switches of the tracker alone in made-up crowds, beside ByteTrack where that is installed",
    (
        ("posemo evaluate tracker", "the table in docs/evaluation.md"),
        ("posemo evaluate tracker --scenes 4 --json", "fewer scenes, for programs"),
    ),
    _options,
    _measure,
)
