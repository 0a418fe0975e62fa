"""``python -m train scenes films``."""

from __future__ import annotations

import argparse

from posemo_ros.cli.command import Command
from posemo_ros.cli.values import COUNT, as_path, new_file, nonempty


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=new_file(".npz"), required=True, help="NPZ file of what the chain sees")
    parser.add_argument("--data", type=as_path, help="folder of the development data")
    parser.add_argument("--count", type=COUNT, default=160, help="number of films")
    parser.add_argument("--split", choices=("train", "test"), default="train", help="whose movements")
    parser.add_argument(
        "--keypoints", type=nonempty, default="posemo-keypoints", help="name in the model manifest"
    )


def _run(args: argparse.Namespace) -> None:
    from posemo_ros.inference.store import ModelStore
    from posemo_ros.pipeline import build_people
    from posemo_ros.settings import Models, Settings
    from train.scenes.films import make_sightings

    models = Models(keypoints=args.keypoints, runtime="onnxruntime", threads=1)
    finder = build_people(models, ModelStore(), Settings())
    sightings = make_sightings(finder, args.count, args.split, args.data)
    sightings.save(args.out)
    print(f"{args.out}: {len(sightings)} persons in {args.count} films")


COMMAND = Command(
    help="films of rendered people, and what the chain sees of them: the lifter's mistakes to learn from",
    examples=(
        ("python -m train scenes films --out runs/starter/sightings.npz", "to train on"),
        ("python -m train scenes films --split test --count 80 --out runs/starter/kept.npz", "kept apart"),
    ),
    run=_run,
    add_options=_options,
)
