"""``python -m train cmu``."""

from __future__ import annotations

import argparse
from pathlib import Path

from posemo_ros.cli.command import Command


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data"), help="the development data's folder"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/cmu"), help="folder of runs and results")
    parser.add_argument("--steps", type=int, default=3000, help="of every run")
    parser.add_argument("--frames", type=int, nargs="*", default=[1, 9, 27], help="f of the lifters")
    parser.add_argument("--variants", nargs="*", default=["none", "sam+tam"], help="none, sam, tam, sam+tam")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2], help="one run each")
    parser.add_argument("--batch", type=int, default=256, help="windows a step")
    parser.add_argument("--width", type=int, default=32, help="of a joint in PoseFormer")
    parser.add_argument("--depth", type=int, default=4, help="blocks of each stack")
    parser.add_argument("--rate", type=float, default=4e-4, help="highest learning rate")
    parser.add_argument("--views", type=int, default=4, help="virtual cameras per clip")
    parser.add_argument(
        "--noise", choices=("perfect", "detector"), default="detector", help="of the 2D keypoints"
    )
    parser.add_argument("--keep", action="store_true", help="put the result into docs/reproduction.md")


def _run(args: argparse.Namespace) -> None:
    from train.tables.cmu import Budget, run

    names = ("steps", "batch", "width", "depth", "rate", "views", "noise")
    budget = Budget(**{name: getattr(args, name) for name in names})
    run(args.data, args.out, budget, args.frames, args.variants, args.seeds, keep=args.keep)


COMMAND = Command(
    help="does SAM + TAM help on CMU motion? f = 1, 9, 27, several seeds",
    examples=(
        ("python -m train cmu --keep", "the whole comparison, into docs/reproduction.md"),
        ("python -m train cmu --frames 9 --seeds 0 --steps 100", "to see that it works"),
    ),
    run=_run,
    add_options=_options,
)
