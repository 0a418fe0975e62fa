"""``python -m train loading``."""

from __future__ import annotations

import argparse

from posemo_ros.cli.command import Command
from posemo_ros.cli.values import COUNT, as_path


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=as_path, required=True, help="of a run (train/configs)")
    parser.add_argument("--batches", type=COUNT, default=50, help="to measure with")


def _run(args: argparse.Namespace) -> None:
    from train.tasks.loading import report

    report(args.config, args.batches)


COMMAND = Command(
    help="samples per second of a configuration's data, by stage",
    examples=(
        ("python -m train loading --config train/configs/cmu/lifter.yaml", "as the training would load"),
        (
            "python -m train loading --config train/configs/cmu/lifter.yaml --batches 10",
            "a shorter measurement",
        ),
    ),
    run=_run,
    add_options=_options,
)
