"""``python -m train published``."""

from __future__ import annotations

import argparse
from pathlib import Path

from posemo_ros.cli.command import Command


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "network", choices=("thunder", "lightning", "keypoint_net"), help="which network of the zoo begins so"
    )
    parser.add_argument(
        "--folder", type=Path, default=Path("../shared/data/peers/movenet"), help="of the published files"
    )
    parser.add_argument("--out", type=Path, required=True, help="checkpoint")


def _run(args: argparse.Namespace) -> None:
    import torch

    from train.models.movenet import LIGHTNING, THUNDER, load_published
    from train.models.zoo import build

    widths = THUNDER if args.network == "thunder" else LIGHTNING
    torch.manual_seed(0)
    network = build(args.network).network
    load_published(network.movenet, args.folder, widths)  # type: ignore[arg-type]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), args.out)
    print(f"{args.out}: {args.network} with the weights of {widths.name}")


COMMAND = Command(
    help="MoveNet's published weights as a checkpoint to start from",
    examples=(
        ("python -m train published thunder --out runs/starter/thunder.pt", "the larger network"),
        ("python -m train published keypoint_net --out runs/starter/lightning.pt", "the fast one"),
    ),
    run=_run,
    add_options=_options,
)
