"""``python -m train teach``."""

from __future__ import annotations

import argparse
from pathlib import Path

from posemo_ros.cli.command import Command
from posemo_ros.cli.values import COUNT, as_path, integer, new_file, nonempty


def _options(parser: argparse.ArgumentParser) -> None:
    teacher = parser.add_mutually_exclusive_group(required=True)
    teacher.add_argument("--weights", type=as_path, help="checkpoint of the teacher")
    teacher.add_argument("--model", type=nonempty, help="a keypoint network of the manifest as the teacher")
    parser.add_argument(
        "--network", type=nonempty, default="thunder", help="of the zoo: thunder or lightning"
    )
    parser.add_argument("--side", type=integer(16, 4096), default=256, help="of the square crops, pixels")
    parser.add_argument(
        "--data", type=as_path, default=Path("../shared/data"), help="the development data's folder"
    )
    parser.add_argument(
        "--views", type=int, choices=(1, 2), default=2, help="2: only what it says of both views counts"
    )
    parser.add_argument("--out", type=new_file(".npz"), required=True, help="NPZ file of the answers")
    parser.add_argument("--limit", type=COUNT, help="at most so many people, picked at random")


def _run(args: argparse.Namespace) -> None:
    import numpy as np

    from train.data import lspet
    from train.data.teacher import ask, station, store

    people = lspet.read_people(args.data / "lspet", "train")
    if args.limit is not None:
        chosen = np.random.default_rng(0).permutation(len(people))[: args.limit]
        people = [people[i] for i in chosen]
    if args.model:
        network, size = station(args.model)
    else:
        from train.tasks.pose import answers_of

        network, size = answers_of(args.network, args.weights, args.side), (args.side, args.side)
    print(store(args.out, people, ask(people, network, size, views=args.views)))


COMMAND = Command(
    help="what a network says about LSPET's people, as labels for the next one",
    examples=(
        (
            "python -m train teach --weights runs/starter/thunder.pt --out runs/starter/teacher.npz",
            "the published MoveNet Thunder; an hour on one core",
        ),
        (
            "python -m train teach --model posemo-keypoints --views 1 --out runs/papers_small/teacher.npz",
            "the shipped network, asked once; four minutes",
        ),
    ),
    run=_run,
    add_options=_options,
)
