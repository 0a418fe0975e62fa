"""``posemo evaluate tracking``."""

from __future__ import annotations

import argparse

from ...evaluate.report import Report
from .shared import add_recorded_options, evaluation


def _options(parser: argparse.ArgumentParser) -> None:
    add_recorded_options(parser, "bags with results, or folders of runs", truth_needed=True)


def _measure(args: argparse.Namespace) -> Report:
    from ...evaluate.tracking import evaluate_tracking

    return evaluate_tracking(args.results, args.truth)


COMMAND = evaluation(
    "how well people keep their ids: IDF1, HOTA, MOTA, identity switches",
    (
        (
            "posemo evaluate tracking --results out/run/results.mcap --truth demo/people_truth.npz",
            "of one recording",
        ),
        (
            "posemo evaluate tracking --results a/results.mcap b/results.mcap --truth a.npz b.npz --json",
            "of several, each and all together",
        ),
    ),
    _options,
    _measure,
)
