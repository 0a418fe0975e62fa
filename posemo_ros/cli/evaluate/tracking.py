"""``posemo evaluate tracking``."""

from __future__ import annotations

import argparse

from ...errors import InputError
from ...evaluate.report import Report
from ..command import Command
from ..options import add_json_option
from ..values import as_path
from .shared import printed


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=as_path, nargs="+", required=True, help="bags with results")
    parser.add_argument("--truth", type=as_path, nargs="+", required=True, help="their truth (.npz)")
    add_json_option(parser)


def _measure(args: argparse.Namespace) -> Report:
    from ...evaluate.tracking import evaluate_tracking

    if len(args.results) != len(args.truth):
        raise InputError(f"{len(args.results)} bags and {len(args.truth)} truth files; expected one for each")
    return evaluate_tracking(list(zip(args.results, args.truth, strict=True)))


COMMAND = Command(
    help="how well people keep their ids: IDF1, HOTA, MOTA, identity switches",
    examples=(
        (
            "posemo evaluate tracking --results out/run/results.mcap --truth demo/people_truth.npz",
            "of one recording",
        ),
        (
            "posemo evaluate tracking --results a/results.mcap b/results.mcap --truth a.npz b.npz --json",
            "of several, each and all together",
        ),
    ),
    run=printed(_measure),
    add_options=_options,
)
