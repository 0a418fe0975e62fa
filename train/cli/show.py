"""``python -m train show``."""

from __future__ import annotations

import argparse

from posemo_ros.cli.command import Command
from posemo_ros.cli.values import as_path


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=as_path, metavar="RUN", help="folder of a run of `train fit`")


def _run(args: argparse.Namespace) -> None:
    from train.show import write_page

    print(write_page(args.run))


COMMAND = Command(
    help="curves, results, attention maps and answers of a run on one HTML page",
    examples=(
        ("python -m train show runs/starter/lifter", "writes runs/starter/lifter/show.html"),
        ("python -m train show runs/table_2/ours", "the attention among joints and frames, too"),
    ),
    run=_run,
    add_options=_options,
)
