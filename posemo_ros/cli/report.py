"""``posemo report``: what a recorded bag holds."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..draw.privacy import Privacy
from ..errors import InputError
from ..losses import exit_code
from .command import Command
from .options import add_privacy_option
from .values import as_path, new_folder, nonempty


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bag", type=as_path, help="rosbag2 with the topics of posemo_ros")
    parser.add_argument("--out", type=new_folder, default=Path("out/report"), help="folder for the results")
    parser.add_argument("--truth", type=as_path, help="ground truth (.npz) to compare with")
    parser.add_argument(
        "--namespace",
        type=nonempty,
        metavar="NAME",
        help="of one of several chains in it: /left for /left/people",
    )
    parser.add_argument("--topic", type=nonempty, metavar="NAME", help="image topic, of a bag with several")
    add_privacy_option(parser)


def _run(args: argparse.Namespace) -> int:
    from ..replay.report import make_report
    from ..replay.run_folder import BATCH, result_folders

    if (args.bag / BATCH).is_file():
        several = ", ".join(str(folder) for folder in result_folders(args.bag)[:3])
        raise InputError(f"{args.bag} has the results of several sources: name one of them ({several}, …)")
    chosen = {"namespace": args.namespace or "", "topic": args.topic or ""}
    words, summary = make_report(args.bag, args.out, args.truth, Privacy(args.privacy), **chosen)
    print(words)
    return exit_code(summary["losses"]["images"])


COMMAND = Command(
    help="video, overview and summary of a recorded bag",
    examples=(
        ("posemo report results.mcap", "what the nodes published, in out/report/"),
        ("posemo report out/demo/results.mcap --truth demo/people_truth.npz", "and how far from the truth"),
    ),
    run=_run,
    add_options=_options,
)
