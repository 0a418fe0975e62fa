"""``python -m train scenes crossings``."""

from __future__ import annotations

import argparse

from posemo_ros.cli.command import Command
from posemo_ros.cli.values import COUNT, as_path, new_folder


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=new_folder, required=True, help="folder for films and truth")
    parser.add_argument("--data", type=as_path, help="folder of the development data")
    parser.add_argument("--count", type=COUNT, default=10, help="number of films")


def _run(args: argparse.Namespace) -> None:
    from train.scenes.crossings import make_crossings

    make_crossings(args.out, args.count, args.data)


COMMAND = Command(
    help="films of rendered people who walk past each other, with the truth: do they keep their ids?",
    examples=(
        ("python -m train scenes crossings --out out/crossings", "ten films, a minute each to draw"),
        ("python -m train scenes crossings --out out/crossings --count 2", "the first two of them"),
    ),
    run=_run,
    add_options=_options,
)
