"""``python -m train mix``."""

from __future__ import annotations

import argparse
from fnmatch import fnmatch

from posemo_ros.cli.command import Command
from posemo_ros.cli.values import as_path, new_file, nonempty, number
from posemo_ros.errors import InputError


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", type=as_path, help="checkpoint, such as the one a run started from")
    parser.add_argument("second", type=as_path, help="checkpoint of the same network, such as the run's last")
    parser.add_argument("--share", type=number(0, 1), default=0.5, help="of the second, 0 to 1")
    parser.add_argument(
        "--whole",
        type=nonempty,
        nargs="*",
        default=[],
        metavar="PATTERN",
        help="parameters taken from the second alone",
    )
    parser.add_argument("--out", type=new_file(), required=True, help="checkpoint")


def _run(args: argparse.Namespace) -> None:
    import torch

    from train.models.weights import save_state
    from train.tasks.checkpoint import network_state

    first, second = network_state(args.first), network_state(args.second)
    odd = sorted(set(first) ^ set(second))
    if odd:
        raise InputError(f"{args.first} and {args.second} are not of one network: only one has {odd[0]}")
    if other := [k for k in first if first[k].shape != second[k].shape]:
        sizes = " and ".join(str(tuple(state[other[0]].shape)) for state in (first, second))
        raise InputError(f"{args.first} and {args.second} are not of one network: {other[0]} is {sizes}")

    def mixed(name: str) -> torch.Tensor:
        counts = not first[name].is_floating_point()  # such as the batches that a norm has seen
        if counts or any(fnmatch(name, pattern) for pattern in args.whole):
            return second[name]
        return torch.lerp(first[name], second[name], args.share)

    save_state({name: mixed(name) for name in first}, args.out)
    print(f"{args.out}: {1 - args.share:g} of {args.first}, {args.share:g} of {args.second}")


COMMAND = Command(
    help="mean of two checkpoints' weights (Wortsman et al., WiSE-FT, CVPR 2022)",
    examples=(
        (
            "python -m train mix runs/starter/thunder.pt runs/starter/keypoints/checkpoints/last.ckpt "
            "--whole 'score*' 'whole.*' --out runs/starter/keypoints/mixed.pt",
            "half-way from the start to the end of a training, the layers that were new as trained",
        ),
        ("python -m train mix a.pt b.pt --share 0.7 --out c.pt", "more of the second"),
    ),
    run=_run,
    add_options=_options,
)
