"""``python -m train published``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from posemo_ros.cli.command import Command
from posemo_ros.cli.values import as_path, new_file

if TYPE_CHECKING:
    from train.models.temporal import TemporalLifter

PUBLISHED = Path("../shared/data/peers")
SOURCES = {
    "thunder": PUBLISHED / "movenet",
    "lightning": PUBLISHED / "movenet",
    "keypoint_net": PUBLISHED / "movenet",
    "rtmdet_nano": PUBLISHED / "rtmdet_nano_person.onnx",
    "lifter": Path("models/lifter.onnx"),
}


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("network", choices=SOURCES, help="which network of the zoo begins so")
    parser.add_argument(
        "--source",
        type=as_path,
        help="MoveNet: folder of the published files; RTMDet: the ONNX file, or one of ours; lifter: ours",
    )
    parser.add_argument(
        "--data", type=as_path, default=Path("../shared/data"), help="lifter: motion that sets it up"
    )
    parser.add_argument("--out", type=new_file(), required=True, help="checkpoint")


def _run(args: argparse.Namespace) -> None:
    import torch

    from train.models.cspnext import RtmDet, load_from_onnx
    from train.models.movenet import LIGHTNING, THUNDER, load_published
    from train.models.weights import save_state
    from train.models.zoo import build

    source = args.source or SOURCES[args.network]
    torch.manual_seed(0)
    network = _lifter(source, args.data) if args.network == "lifter" else build(args.network).network
    if isinstance(network, RtmDet):
        load_from_onnx(network, source)
    elif args.network != "lifter":
        widths = THUNDER if args.network == "thunder" else LIGHTNING
        load_published(network.movenet, source, widths)  # type: ignore[arg-type]
    save_state(network.state_dict(), args.out)
    print(f"{args.out}: {args.network} with the weights of {source}")


def _lifter(source: Path, data: Path) -> TemporalLifter:
    """With the weights of an exported file, again trainable."""
    import numpy as np
    import torch

    from posemo_ros.inference.manifest import UP_CHANNELS, LiftSpec
    from train.data import cmu
    from train.data.corruption import Corruption
    from train.data.lifting import training_batch
    from train.models.temporal import TemporalLifter, with_channels
    from train.models.unfold import channels_of, load_exported

    channels = channels_of(source)
    network = TemporalLifter(channels=channels, scores=True)
    spec = LiftSpec(27, channels=channels, rate_hz=30.0)  # type: ignore[arg-type]
    rows = training_batch(cmu.load(data, "train"), spec, Corruption(), np.random.default_rng(0), 512)
    load_exported(network, source, torch.from_numpy(rows["keypoints"]))
    return with_channels(network, UP_CHANNELS)


COMMAND = Command(
    help="published weights of MoveNet and RTMDet-nano as a checkpoint to start from, or those of our lifter",
    examples=(
        ("python -m train published thunder --out runs/starter/thunder.pt", "of the keypoint network"),
        ("python -m train published rtmdet_nano --out runs/starter/rtmdet_nano.pt", "of the detector"),
    ),
    run=_run,
    add_options=_options,
)
