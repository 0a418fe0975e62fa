"""``python -m train errors``."""

from __future__ import annotations

import argparse

from posemo_ros.cli.command import Command
from posemo_ros.cli.values import as_path


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=as_path, metavar="RUN", help="folder of a lifter's run that was tested")
    parser.add_argument("--cameras", action="store_true", help="by camera instead of by action")
    parser.add_argument("--joints", action="store_true", help="MPJPE by action and joint")


def _run(args: argparse.Namespace) -> None:
    from train.tables.errors import tables

    wanted = [name for name in ("cameras", "joints") if getattr(args, name)]
    print("\n\n".join(tables(args.run, wanted or ["actions"])))


COMMAND = Command(
    help="errors of a tested lifter by action, camera or joint, as tables in Markdown",
    examples=(
        ("python -m train errors runs/table_2/ours", "MPJPE, P-MPJPE, MPJVE, PCK and AUC of every action"),
        ("python -m train errors runs/table_2/ours --cameras --joints", "by camera; by action and joint"),
    ),
    run=_run,
    add_options=_options,
)
