"""Options that several commands share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from ..draw.privacy import CHOICES, EVERY_IMAGE, Privacy
from ..errors import InputError
from ..inference.manifest import STATIONS
from ..inference.runtimes import AUTO, RUNTIMES
from ..inference.store import ModelStore
from ..pipeline import Models, Pipeline, Settings
from ..presets import CHAIN_SETTINGS, load_preset, preset_files
from ..replay.choice import Choice
from ..trained_behind import unlike_training
from .values import integer, maybe_empty, nonempty, number

NEEDED = ("detector", "keypoints")  # without which there is no chain


def add_network_options(parser: argparse.ArgumentParser, stations: Sequence[str] = STATIONS) -> None:
    """``--preset NAME``, ``--<station> NAME`` for these stations, ``--runtime``, ``--threads``.

    None stands for "not given": then the preset decides, and the default where it says nothing.
    """
    models = Models()
    parser.add_argument(
        "--preset",
        type=nonempty,
        metavar="NAME",
        help=f"networks and settings of a whole chain: {', '.join(preset_files())}, or a file",
    )
    for station in stations:
        default = getattr(models, station) or "none"
        needed = station in NEEDED
        what = f"model name{'' if needed else ', empty for none'} (default: preset's, or {default})"
        parser.add_argument(f"--{station}", type=nonempty if needed else maybe_empty, help=what)
    parser.add_argument("--runtime", choices=(AUTO, *RUNTIMES), help="what runs the networks (default: auto)")
    parser.add_argument("--threads", type=integer(0, 256), help="CPU threads, 0: one per core (default: 0)")


def add_lift_options(parser: argparse.ArgumentParser) -> None:
    """``--delay-frames N``, ``--smoothing-hz F``."""
    models = Models()
    parser.add_argument(
        "--delay-frames",
        type=integer(0, 121),
        help=f"frames the lifter waits for (default: preset's, or {models.delay_frames})",
    )
    parser.add_argument(
        "--smoothing-hz",
        type=number(0, 100),
        help=f"lowest cut-off of the filter over the skeletons; 0: none (default: {models.smoothing_hz})",
    )


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Options that choose the networks of the whole chain and their settings."""
    settings = Settings()
    add_network_options(parser)
    add_lift_options(parser)
    parser.add_argument(
        "--detect-every",
        type=integer(1, 1000),
        help=f"run the detector on every k-th frame (default: preset's, or {settings.detect_every})",
    )
    parser.add_argument(
        "--context-rate-hz",
        type=number(0, 100),
        help="encodings of the scene per second (default: as the emotion network was trained with, or 2)",
    )
    parser.add_argument(
        "--detector-tiles",
        type=integer(1, 4),
        help="the detector also looks at so many rows and columns of pieces of the image, for small people "
        f"(default: preset's, or {settings.detector_tiles})",
    )
    parser.add_argument(
        "--max-people",
        type=integer(1, 100),
        help="the best boxes, and those who were there before somebody a little surer "
        f"(default: {settings.max_people})",
    )
    parser.add_argument(
        "--keypoint-smoothing-hz",
        type=number(0, 100),
        help="lowest cut-off of the filter over the keypoints; 0: none "
        f"(default: preset's, or {settings.keypoint_smoothing_hz})",
    )
    parser.add_argument(
        "--camera-height",
        type=number(0, 100),
        dest="camera_height_m",
        metavar="METRES",
        help="of the camera above a level floor: people whose feet are seen get size and distance by it, "
        "and the lifter is told which way is up",
    )
    parser.add_argument(
        "--camera-tilt",
        type=number(-90, 90),
        dest="camera_tilt_deg",
        metavar="DEGREES",
        help="how far the camera looks down, for --camera-height (default: 0)",
    )
    parser.add_argument(
        "--hfov",
        type=number(1, 179),
        dest="hfov_deg",
        metavar="DEGREES",
        help=f"for an uncalibrated camera (default: {settings.hfov_deg})",
    )


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """What of a source is read, and how: ``--topic``, ``--camera-info``, ``--depth-topic`` and others."""
    parser.add_argument("--topic", type=nonempty, metavar="NAME", help="image topic of a bag with several")
    parser.add_argument(
        "--camera-info",
        type=nonempty,
        metavar="TOPIC_OR_FILE",
        help="intrinsics: topic of the bag, or a file (camera_calibration's YAML, or JSON)",
    )
    parser.add_argument(
        "--depth-topic",
        type=nonempty,
        metavar="NAME",
        help="depth images of the bag, aligned with the pictures: sizes and distances are measured",
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


def add_privacy_option(parser: argparse.ArgumentParser) -> None:
    """``--privacy``."""
    parser.add_argument(
        "--privacy",
        choices=CHOICES,
        default=Privacy.NONE.value,
        help="blur: faces are made unrecognisable in everything that is written; skeleton: no pixels at all; "
        "none: everything may be seen",
    )


def choice_from(args: argparse.Namespace) -> Choice:
    """What the options of ``add_source_options`` describe."""
    named = (args.topic or "", args.camera_info or "")
    return Choice(args.rate, *named, args.strict, args.depth_topic or "")


def models_from(args: argparse.Namespace) -> Models:
    """The networks that the options describe; what neither option nor preset names stays at its default.

    Raises:
        InputError: There is no such preset.
        ModelError: A network that only the preset names is not on this machine.
    """
    preset, models = load_preset(args.preset or ""), models_named(args)
    used = replace(preset, models={s: n for s, n in preset.models.items() if hasattr(args, s)})
    used.check(store_for(args), models)
    if preset.note:
        print(f"preset {preset.name}: {preset.note}", file=sys.stderr)
    if hasattr(args, "lifter") and hasattr(args, "emotion"):  # a command of the whole chain
        for text in unlike_training(models, store_for(args)):
            print(text, file=sys.stderr)
    return models


def models_named(args: argparse.Namespace) -> Models:
    """As ``models_from``, whether they are on this machine or not.

    Raises:
        InputError: There is no such preset.
    """
    return load_preset(args.preset or "").choose(given(args, [*STATIONS, *CHAIN_SETTINGS]))


def settings_from(args: argparse.Namespace) -> Settings:
    """The settings that the options describe.

    Raises:
        InputError: There is no such preset, or an option says nothing without another.
    """
    chosen = given(args, [f.name for f in fields(Settings)])
    if getattr(args, "privacy", "") == Privacy.BLUR:
        chosen = {**EVERY_IMAGE, **chosen}
    settings = load_preset(args.preset or "").set(chosen)
    if chosen.get("camera_tilt_deg") and not settings.camera_height_m:
        raise InputError("--camera-tilt says how the floor lies with --camera-height: give both")
    if chosen.get("context_rate_hz") and not models_named(args).context:
        raise InputError("--context-rate-hz says how often --context encodes the scene: name one")
    return settings


def store_for(args: argparse.Namespace) -> ModelStore:
    """The models of the package, of the environment and of the preset."""
    return ModelStore(load_preset(args.preset or "").manifests)


def given(args: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """What was said of these options; an empty name of a network is said, too: none."""
    return {n: value for n in names if (value := getattr(args, n, None)) is not None}


def pipeline_from(args: argparse.Namespace, *, real_time: bool = False) -> Pipeline:
    """The pipeline that the options of ``add_model_options`` describe; for a camera, in real time."""
    models = models_from(args)
    models = replace(models, real_time=real_time or models.real_time)
    return Pipeline(models, settings_from(args), store_for(args))
