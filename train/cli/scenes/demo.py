"""``python -m train scenes demo``."""

from __future__ import annotations

import argparse

from posemo_ros.cli.command import Command
from posemo_ros.cli.values import as_path, new_folder


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=new_folder, required=True, help="folder for the clip and its truth")
    parser.add_argument("--data", type=as_path, help="folder of the development data")


def _run(args: argparse.Namespace) -> None:
    from train.scenes.demo import make_demo

    make_demo(args.out, args.data)


COMMAND = Command(
    help="the committed clip and its truth",
    examples=(
        ("python -m train scenes demo --out demo/", "made again"),
        ("python -m train scenes demo --out out/clip --data ../shared/data", "from data that lies elsewhere"),
    ),
    run=_run,
    add_options=_options,
)
