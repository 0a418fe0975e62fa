"""``posemo evaluate``: accuracy on your own data, station by station."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..cli_options import add_lift_options, add_network_options, models_from
from ..inference.store import ModelStore
from .report import Report


def add_parser(subparsers: Any) -> None:
    """Add the command ``evaluate``; its ``func(args)`` returns the exit code.

    Errors come out as ``PosemoError``, as for every command.
    """
    text = "measure accuracy on your own data"
    parser = subparsers.add_parser("evaluate", help=text, description=text)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _coco(commands)
    _lift(commands)
    _emotion(commands)


def _coco(commands: Any) -> None:
    parser = _command(commands, "coco", _run_coco, "2D keypoints: COCO's AP and AR, by group of joints")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="folder of the images")
    parser.add_argument(
        "--annotations", type=Path, required=True, metavar="FILE", help="keypoints in COCO's format (.json)"
    )
    parser.add_argument(
        "--boxes", choices=("gt", "detector"), required=True, help="people from the labels, or as detected"
    )
    _common(parser, ("detector", "keypoints"))


def _lift(commands: Any) -> None:
    parser = _command(commands, "lift", _run_lift, "3D skeletons of motion clips seen by virtual cameras")
    _clips(parser)
    parser.add_argument("--views", type=int, default=2, help="cameras per clip")
    _common(parser, ("lifter",))
    add_lift_options(parser)


def _emotion(commands: Any) -> None:
    parser = _command(commands, "emotion", _run_emotion, "emotions of labelled motion clips")
    _clips(parser)
    _common(parser, ("emotion",))


def _command(
    commands: Any, name: str, measure: Callable[[argparse.Namespace], Report], text: str
) -> argparse.ArgumentParser:
    def run(args: argparse.Namespace) -> int:
        report = measure(args)
        print(report.as_json() if args.json else report.as_text())
        return 0

    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.set_defaults(func=run)
    return parser


def _clips(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--clips", type=Path, required=True, metavar="FILE", help="motion (.npz, see docs/evaluation.md)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the virtual cameras and the noise")


def _common(parser: argparse.ArgumentParser, stations: Sequence[str]) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    add_network_options(parser, stations)


def _run_coco(args: argparse.Namespace) -> Report:
    from .coco import evaluate_coco

    return evaluate_coco(args.images, args.annotations, args.boxes, models_from(args), ModelStore())


def _run_lift(args: argparse.Namespace) -> Report:
    from .lift import evaluate_lift

    return evaluate_lift(args.clips, models_from(args), ModelStore(), views=args.views, seed=args.seed)


def _run_emotion(args: argparse.Namespace) -> Report:
    from .emotion import evaluate_emotion

    return evaluate_emotion(args.clips, models_from(args), ModelStore(), seed=args.seed)
