"""``python -m train cmu``."""

from __future__ import annotations

import argparse
from pathlib import Path

from posemo_ros.cli.command import Command
from posemo_ros.cli.values import COUNT, SEED, as_path, integer, new_folder, number


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=as_path, default=Path("../shared/data"), help="the development data's folder"
    )
    parser.add_argument("--out", type=new_folder, default=Path("runs/cmu"), help="folder of runs and results")
    parser.add_argument("--steps", type=COUNT, default=3000, help="of every run")
    parser.add_argument(
        "--frames", type=integer(1, 1001), nargs="+", default=[1, 9, 27], help="f of the lifters"
    )
    parser.add_argument(
        "--variants",
        choices=("none", "sam", "tam", "sam+tam", "motionagformer-xs", "tcn"),
        nargs="+",
        default=["none", "sam", "tam", "sam+tam", "motionagformer-xs", "tcn"],
        help="networks to compare",
    )
    parser.add_argument("--seeds", type=SEED, nargs="+", default=[0, 1, 2], help="one run each")
    parser.add_argument("--batch", type=integer(1, 100000), default=256, help="poses taught a step")
    parser.add_argument("--width", type=integer(1, 4096), default=32, help="of a joint in PoseFormer")
    parser.add_argument("--depth", type=integer(1, 64), default=4, help="blocks of each stack")
    parser.add_argument("--rate", type=number(1e-9, 10), default=4e-4, help="highest learning rate")
    parser.add_argument("--views", type=integer(1, 64), default=4, help="virtual cameras per clip")
    parser.add_argument(
        "--noise", choices=("perfect", "detector"), default="detector", help="of the 2D keypoints"
    )
    parser.add_argument("--looks", type=integer(1, 1000), default=5, help="validations, for the curves")
    parser.add_argument(
        "--finished", action="store_true", help="train nothing: report the runs in OUT that are finished"
    )
    parser.add_argument("--keep", action="store_true", help="put the result into docs/reproduction.md")


def _run(args: argparse.Namespace) -> None:
    from train.tables.cmu import report, run
    from train.tables.cmu_runs import Budget

    if args.finished:
        report(args.out, keep=args.keep)
        return
    names = ("steps", "batch", "width", "depth", "rate", "views", "noise", "looks")
    budget = Budget(**{name: getattr(args, name) for name in names})
    once = [list(dict.fromkeys(values)) for values in (args.frames, args.variants, args.seeds)]
    run(args.data, args.out, budget, *once, keep=args.keep)


COMMAND = Command(
    help="does SAM + TAM help on CMU motion? f = 1, 9, 27, several seeds",
    examples=(
        ("python -m train cmu --keep", "the whole comparison, into docs/reproduction.md"),
        ("python -m train cmu --out runs/cmu --finished --keep", "a stopped comparison as it stands"),
    ),
    run=_run,
    add_options=_options,
)
