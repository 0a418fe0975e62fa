"""Options of the `posemo` command that choose networks, shared by its commands."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from .inference.runtimes import AUTO, RUNTIMES
from .pipeline import Models

STATIONS = ("detector", "keypoints", "lifter", "emotion", "context")


def add_network_options(parser: argparse.ArgumentParser, stations: Sequence[str] = STATIONS) -> None:
    """``--<station> NAME`` for these stations, ``--runtime``, ``--threads``."""
    models = Models()
    for station in stations:
        parser.add_argument(f"--{station}", default=getattr(models, station), help="model name, '' for none")
    parser.add_argument("--runtime", default=models.runtime, choices=(AUTO, *RUNTIMES))
    parser.add_argument("--threads", type=int, default=models.threads, help="CPU threads, 0: one per core")


def add_lift_options(parser: argparse.ArgumentParser) -> None:
    """``--delay-frames N``, ``--smoothing-hz F``."""
    parser.add_argument(
        "--delay-frames", type=int, default=Models().delay_frames, help="frames the lifter waits for"
    )
    parser.add_argument(
        "--smoothing-hz",
        type=float,
        default=Models().smoothing_hz,
        help="lowest cut-off of the filter over the skeletons; 0: none",
    )


def models_from(args: argparse.Namespace) -> Models:
    """The networks that the options describe; defaults for options the command does not have."""
    names = [*STATIONS, "runtime", "threads", "delay_frames", "smoothing_hz"]
    return Models(**{name: getattr(args, name) for name in names if hasattr(args, name)})
