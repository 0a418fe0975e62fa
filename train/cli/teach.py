"""``python -m train teach``."""

from __future__ import annotations

import argparse
from pathlib import Path

from posemo_ros.cli.command import Command


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", type=Path, required=True, help="checkpoint of the teacher")
    parser.add_argument("--network", default="thunder", help="of the zoo: thunder or lightning")
    parser.add_argument("--side", type=int, default=256, help="of the square crops, pixels")
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data"), help="the development data's folder"
    )
    parser.add_argument("--out", type=Path, required=True, help="NPZ file of the answers")
    parser.add_argument("--limit", type=int, help="at most so many people, picked at random")


def _run(args: argparse.Namespace) -> None:
    import numpy as np

    from train.data import lspet
    from train.data.teacher import ask, store
    from train.tasks.pose import answers_of

    people = lspet.read_people(args.data / "lspet", "train")
    if args.limit is not None:
        chosen = np.random.default_rng(0).permutation(len(people))[: args.limit]
        people = [people[i] for i in chosen]
    network = answers_of(args.network, args.weights, args.side)
    print(store(args.out, people, ask(people, network, args.side)))


COMMAND = Command(
    help="what a network says about LSPET's people, as labels for the next one",
    examples=(
        (
            "python -m train teach --weights runs/starter/thunder.pt --out runs/starter/teacher.npz",
            "the published MoveNet Thunder; an hour on one core",
        ),
        (
            "python -m train teach --weights runs/starter/thunder.pt --out runs/try.npz --limit 100",
            "a hundred of them",
        ),
    ),
    run=_run,
    add_options=_options,
)
