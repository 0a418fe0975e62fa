"""``posemo evaluate lift``."""

from __future__ import annotations

import argparse

from ...evaluate.report import Report
from ..options import add_lift_options, add_network_options, models_from, store_for
from ..values import integer
from .shared import add_clip_options, evaluation


def _options(parser: argparse.ArgumentParser) -> None:
    add_clip_options(parser)
    parser.add_argument("--views", type=integer(1, 64), default=2, help="cameras per clip")
    add_network_options(parser, ("lifter",))
    add_lift_options(parser)


def _measure(args: argparse.Namespace) -> Report:
    from ...evaluate.lift import evaluate_lift

    return evaluate_lift(args.clips, models_from(args), store_for(args), views=args.views, seed=args.seed)


COMMAND = evaluation(
    "3D skeletons of motion clips seen by virtual cameras",
    (
        ("posemo evaluate lift --clips walk.npz", "the default lifter, two cameras per clip"),
        ("posemo evaluate lift --clips walk.npz --delay-frames 13 --views 4", "waiting for later images"),
    ),
    _options,
    _measure,
)
