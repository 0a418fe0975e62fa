"""``posemo evaluate skeleton``."""

from __future__ import annotations

import argparse

from ...evaluate.report import Report
from .shared import add_recorded_options, evaluation


def _options(parser: argparse.ArgumentParser) -> None:
    add_recorded_options(parser, "bags with results, folders of runs, skeletons (.npz)", truth_needed=False)


def _measure(args: argparse.Namespace) -> Report:
    from ...evaluate.skeleton import evaluate_skeleton

    return evaluate_skeleton(args.results, args.truth)


COMMAND = evaluation(
    "recorded 3D skeletons: errors where there is truth, steadiness where there is none",
    (
        (
            "posemo evaluate skeleton --results out/run/results.mcap --truth demo/people_truth.npz",
            "MPJPE and the others",
        ),
        (
            "posemo evaluate skeleton --results monday.mcap tuesday.mcap --json",
            "bones, jitter and sliding feet of two recordings",
        ),
    ),
    _options,
    _measure,
)
