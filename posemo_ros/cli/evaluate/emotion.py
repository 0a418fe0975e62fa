"""``posemo evaluate emotion``."""

from __future__ import annotations

import argparse

from ...evaluate.report import Report
from ..options import add_network_options, models_from, store_for
from ..values import number
from .shared import add_clip_options, evaluation


def _options(parser: argparse.ArgumentParser) -> None:
    add_clip_options(parser)
    add_network_options(parser, ("emotion",))
    parser.add_argument(
        "--tilt",
        type=number(-45, 45),
        metavar="DEGREES",
        help="how far all cameras look down (default: drawn, from 5 degrees up to 20 down)",
    )


def _measure(args: argparse.Namespace) -> Report:
    from ...evaluate.emotion import evaluate_emotion

    return evaluate_emotion(
        args.clips, models_from(args), store_for(args), seed=args.seed, tilt_deg=args.tilt
    )


COMMAND = evaluation(
    "emotions of labelled motion clips",
    (
        (
            "posemo evaluate emotion --clips acted.npz --tilt 15",
            "the default network, cameras that look down",
        ),
        ("posemo evaluate emotion --clips acted.npz --emotion mine --json", "your own, for a program"),
    ),
    _options,
    _measure,
)
