"""``python -m train scenes pictures``."""

from __future__ import annotations

import argparse

from posemo_ros.cli.command import Command
from posemo_ros.cli.values import COUNT, as_path, new_folder


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=new_folder, required=True, help="folder for images and annotations")
    parser.add_argument("--data", type=as_path, help="folder of the development data")
    parser.add_argument("--count", type=COUNT, default=2000, help="number of pictures")


def _run(args: argparse.Namespace) -> None:
    from train.scenes.pictures import make_pictures

    make_pictures(args.out, args.count, args.data)


COMMAND = Command(
    help="people to train on, in COCO's format",
    examples=(
        ("python -m train scenes pictures --out runs/pictures", "2000 pictures"),
        ("python -m train scenes pictures --out runs/few --count 20", "to look at"),
    ),
    run=_run,
    add_options=_options,
)
