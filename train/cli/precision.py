"""``python -m train precision``."""

from __future__ import annotations

import argparse
from pathlib import Path

from posemo_ros.cli.command import Command
from posemo_ros.cli.values import as_path, changed_file, nonempty
from posemo_ros.inference.runtimes import RUNTIMES


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", type=nonempty, nargs="+", metavar="NAME", help="in the model manifest")
    parser.add_argument("--precision", choices=["bf16", "int8"], default="bf16", help="the lower one")
    parser.add_argument(
        "--runtime", choices=RUNTIMES, help="what computes in it (default: OpenVINO, which is faster)"
    )
    parser.add_argument(
        "--manifest", type=as_path, action="append", default=[], help="another model manifest"
    )
    parser.add_argument("--data", type=as_path, default=Path("../shared/data"), help="development data")
    parser.add_argument(
        "--write",
        type=changed_file,
        metavar="MANIFEST",
        help="state the losses there, such as config/models.yaml",
    )


def _run(args: argparse.Namespace) -> None:
    from posemo_ros.inference.store import ModelStore
    from train.precision import cost, stated, write_loss

    store = ModelStore(args.manifest)
    for name in args.names:
        found = cost(store, name, args.precision, args.data, runtime=args.runtime or "")
        lost = stated(found.losses)
        print(f"{name}, {args.precision}: loses {100 * lost:.2f} %")
        print("".join(f"    {one}\n" for one in found.losses), end="")
        times = ", ".join(f"{way} {ms:g}" for way, ms in found.cpu_ms.items())
        print(f"    CPU ms of one run: {times}", flush=True)
        if args.write:
            write_loss(args.write, name, args.precision, lost)


COMMAND = Command(
    help="what networks lose in a lower precision, on people kept apart",
    examples=(
        (
            "python -m train precision posemo-detector --precision int8",
            "8 bits, calibrated on photos of people",
        ),
        (
            "python -m train precision posemo-keypoints posemo-lifter --write config/models.yaml",
            "the manifest states the losses, so that `auto` knows them",
        ),
    ),
    run=_run,
    add_options=_options,
)
