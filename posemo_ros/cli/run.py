"""``posemo run``: the chain on a recording."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..losses import FINISHED_WITH_LOSSES
from .command import Command
from .options import add_model_options, add_source_options, choice_from, pipeline_from
from .values import as_path


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", help="video, picture or folder of pictures, bag, number of a camera, or address of a stream"
    )
    parser.add_argument("--out", type=as_path, default=Path("out/run"), help="folder for the results")
    parser.add_argument("--truth", type=as_path, help="ground truth (.npz) to compare with")
    add_source_options(parser)
    add_model_options(parser)


def _run(args: argparse.Namespace) -> int | None:
    from ..replay.report import run_offline
    from ..replay.sources import open_source

    with open_source(args.source, choice_from(args)) as source:
        print(run_offline(source, pipeline_from(args), args.out, truth=args.truth))
        return FINISHED_WITH_LOSSES if source.losses else None


COMMAND = Command(
    help="run the chain on a video, image folder, bag or camera",
    examples=(
        ("posemo run walk.mp4", "results, video and report of a video, in out/run/"),
        ("posemo run frames/ --out out/frames --keypoints posemo-keypoints-fast", "images, a faster network"),
    ),
    run=_run,
    add_options=_options,
)
