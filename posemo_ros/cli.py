"""The `posemo` command: run the chain on files, look at bags, manage models, measure accuracy and speed."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from . import __version__
from .cli_models import add_parser as add_models
from .cli_options import add_lift_options, add_network_options, models_from
from .errors import PosemoError
from .evaluate.cli import add_parser as add_evaluate
from .inference.store import ModelStore
from .pipeline import Pipeline, Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code (0 fine, 1 an error that was explained, 2 wrong usage)."""
    args = _parser().parse_args(argv)
    logging.basicConfig(level=args.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    try:
        return int(args.func(args) or 0)
    except PosemoError as error:
        print(f"posemo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="posemo", description=__doc__)
    parser.add_argument("--version", action="version", version=f"posemo {__version__}")
    parser.add_argument("--log-level", default="warning", choices=("debug", "info", "warning", "error"))
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_run(commands)
    _add_report(commands)
    add_models(commands)
    add_evaluate(commands)
    _add_bench(commands)
    return parser


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "run", help="run the chain on a video, image folder, bag or camera", formatter_class=_Defaults
    )
    parser.add_argument(
        "source", help="video file, image folder, rosbag2 (folder, .db3, .mcap) or camera number"
    )
    parser.add_argument("--out", type=Path, default=Path("out/run"), help="folder for the results")
    parser.add_argument("--truth", type=Path, help="ground truth (.npz) to compare with")
    add_model_options(parser)
    parser.set_defaults(func=_run)


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Options that choose networks and their settings."""
    settings = Settings()
    add_network_options(parser)
    add_lift_options(parser)
    parser.add_argument(
        "--detect-every", type=int, default=settings.detect_every, help="run the detector on every k-th frame"
    )
    parser.add_argument("--max-people", type=int, default=settings.max_people)
    parser.add_argument(
        "--hfov", type=float, default=settings.hfov_deg, help="degrees, for an uncalibrated camera"
    )


def pipeline_from(args: argparse.Namespace) -> Pipeline:
    """The pipeline that the options of ``add_model_options`` describe."""
    settings = Settings(detect_every=args.detect_every, max_people=args.max_people, hfov_deg=args.hfov)
    return Pipeline(models_from(args), settings, ModelStore())


def _run(args: argparse.Namespace) -> int:
    from .replay.report import run_offline
    from .replay.sources import open_source

    with open_source(args.source) as source:
        print(run_offline(source, pipeline_from(args), args.out, truth=args.truth))
    return 0


def _add_report(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "report", help="video, overview and summary of a recorded bag", formatter_class=_Defaults
    )
    parser.add_argument("bag", type=Path, help="rosbag2 with the topics of posemo_ros")
    parser.add_argument("--out", type=Path, default=Path("out/report"), help="folder for the results")
    parser.add_argument("--truth", type=Path, help="ground truth (.npz) to compare with")
    parser.set_defaults(func=_report)


def _report(args: argparse.Namespace) -> int:
    from .replay.report import make_report

    print(make_report(args.bag, args.out, truth=args.truth))
    return 0


def _add_bench(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "bench", help="measure the speed of the chain here", formatter_class=_Defaults
    )
    parser.add_argument("--quick", action="store_true", help="fewer repetitions and crowd sizes")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_model_options(parser)
    parser.set_defaults(func=_bench)


def _bench(args: argparse.Namespace) -> int:
    from .bench import bench

    print(bench(lambda: pipeline_from(args), quick=args.quick, as_json=args.json))
    return 0


class _Defaults(argparse.ArgumentDefaultsHelpFormatter):
    """Help that shows defaults."""


if __name__ == "__main__":
    sys.exit(main())
