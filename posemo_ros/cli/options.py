"""Options that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..inference.manifest import STATIONS
from ..inference.runtimes import AUTO, RUNTIMES
from ..inference.store import ModelStore
from ..pipeline import Models, Pipeline, Settings
from ..replay.choice import Choice
from .values import integer, number


def add_network_options(parser: argparse.ArgumentParser, stations: Sequence[str] = STATIONS) -> None:
    """``--<station> NAME`` for these stations, ``--runtime``, ``--threads``."""
    models = Models()
    for station in stations:
        parser.add_argument(f"--{station}", default=getattr(models, station), help="model name, '' for none")
    parser.add_argument(
        "--runtime", default=models.runtime, choices=(AUTO, *RUNTIMES), help="what runs the networks"
    )
    parser.add_argument(
        "--threads", type=integer(0, 256), default=models.threads, help="CPU threads, 0: one per core"
    )


def add_lift_options(parser: argparse.ArgumentParser) -> None:
    """``--delay-frames N``, ``--smoothing-hz F``."""
    parser.add_argument(
        "--delay-frames",
        type=integer(0, 121),
        default=Models().delay_frames,
        help="frames the lifter waits for",
    )
    parser.add_argument(
        "--smoothing-hz",
        type=number(0, 100),
        default=Models().smoothing_hz,
        help="lowest cut-off of the filter over the skeletons; 0: none",
    )


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Options that choose the networks of the whole chain and their settings."""
    settings = Settings()
    add_network_options(parser)
    add_lift_options(parser)
    parser.add_argument(
        "--detect-every",
        type=integer(1, 1000),
        default=settings.detect_every,
        help="run the detector on every k-th frame",
    )
    parser.add_argument(
        "--context-rate-hz",
        type=number(0, 100),
        default=settings.context_rate_hz,
        help="encodings of the scene per second; 0: as the emotion network was trained with, or 2",
    )
    parser.add_argument(
        "--max-people", type=integer(1, 100), default=settings.max_people, help="the best boxes stay"
    )
    parser.add_argument(
        "--keypoint-smoothing-hz",
        type=number(0, 100),
        default=settings.keypoint_smoothing_hz,
        help="lowest cut-off of the filter over the keypoints; 0: none",
    )
    parser.add_argument(
        "--hfov", type=number(1, 179), default=settings.hfov_deg, help="degrees, for an uncalibrated camera"
    )


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """``--topic``, ``--camera-info``, ``--rate``, ``--strict``: what of a source is read, and how."""
    parser.add_argument("--topic", default="", metavar="NAME", help="image topic of a bag with several")
    parser.add_argument(
        "--camera-info",
        default="",
        metavar="TOPIC_OR_FILE",
        help="intrinsics: topic of the bag, or a file (camera_calibration's YAML, or JSON)",
    )
    parser.add_argument(
        "--rate",
        type=number(1e-3, 10_000),
        metavar="HZ",
        help="images per second, instead of the source's own time",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="end at the first image that cannot be used",
    )


def choice_from(args: argparse.Namespace) -> Choice:
    """What the options of ``add_source_options`` describe."""
    return Choice(args.rate, args.topic, args.camera_info, args.strict)


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """``--json``."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")


def models_from(args: argparse.Namespace) -> Models:
    """The networks that the options describe; defaults for options the command does not have."""
    names = [*STATIONS, "runtime", "threads", "delay_frames", "smoothing_hz"]
    return Models(**{name: getattr(args, name) for name in names if hasattr(args, name)})


def pipeline_from(args: argparse.Namespace) -> Pipeline:
    """The pipeline that the options of ``add_model_options`` describe."""
    settings = Settings(
        detect_every=args.detect_every,
        max_people=args.max_people,
        hfov_deg=args.hfov,
        keypoint_smoothing_hz=args.keypoint_smoothing_hz,
        context_rate_hz=args.context_rate_hz,
    )
    return Pipeline(models_from(args), settings, ModelStore())
