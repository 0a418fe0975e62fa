"""``python -m train precision``."""

from __future__ import annotations

import argparse
from pathlib import Path

from posemo_ros.cli.command import Command
from posemo_ros.cli.values import as_path


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="+", metavar="NAME", help="in the model manifest")
    parser.add_argument("--precision", choices=["bf16"], default="bf16", help="the lower one")
    parser.add_argument(
        "--manifest", type=as_path, action="append", default=[], help="another model manifest"
    )
    parser.add_argument("--data", type=as_path, default=Path("../shared/data"), help="development data")
    parser.add_argument(
        "--write", type=as_path, metavar="MANIFEST", help="state the losses there, such as config/models.yaml"
    )


def _run(args: argparse.Namespace) -> None:
    from posemo_ros.inference.store import ModelStore
    from train.precision import losses, stated, write_loss

    store = ModelStore(args.manifest)
    for name in args.names:
        found = losses(store, name, args.precision, args.data)
        print(f"{name}, {args.precision}: loses {100 * stated(found):.2f} %")
        print("".join(f"    {one}\n" for one in found), end="", flush=True)
        if args.write:
            write_loss(args.write, name, args.precision, stated(found))


COMMAND = Command(
    help="what networks lose in a lower precision, on people kept apart",
    examples=(
        ("python -m train precision posemo-keypoints", "bfloat16 beside float32"),
        (
            "python -m train precision posemo-keypoints posemo-lifter --write config/models.yaml",
            "the manifest states the losses, so that `auto` knows them",
        ),
    ),
    run=_run,
    add_options=_options,
)
