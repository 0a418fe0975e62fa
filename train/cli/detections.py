"""``python -m train detections``."""

from __future__ import annotations

import argparse
from pathlib import Path

from posemo_ros.cli.command import Command
from posemo_ros.cli.values import as_path, integer, nonempty, plain
from posemo_ros.inference.runtimes import REFERENCE, RUNTIMES


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=as_path, default=Path("data/h36m"), help="folder of the npz files")
    parser.add_argument(
        "--videos", type=as_path, required=True, help="folder with S1, S5, ... of the download"
    )
    parser.add_argument("--keypoints", type=nonempty, required=True, help="name in the model manifest")
    parser.add_argument("--name", type=plain, required=True, help="of the new kind: data_2d_h36m_NAME.npz")
    parser.add_argument(
        "--runtime", choices=RUNTIMES, default=REFERENCE, help=f"what runs the network (default: {REFERENCE})"
    )
    parser.add_argument(
        "--batch", type=integer(1, 1024), default=16, help="frames at once through the network (default: 16)"
    )


def _run(args: argparse.Namespace) -> None:
    from train.data.h36m_detections import network, write_detections

    found_by = network(args.keypoints, runtime=args.runtime)
    print(write_detections(args.data, args.videos, args.name, found_by, batch=args.batch))


COMMAND = Command(
    help="2D keypoints of Human3.6M's videos by a network of ours",
    examples=(
        (
            "python -m train detections --videos h36m/ --keypoints posemo-keypoints --name ours",
            "with the starter network, into data/h36m/data_2d_h36m_ours.npz",
        ),
        (
            "python -m train detections --videos h36m/ --keypoints rtmpose-m --name rtmpose --data h36m/npz",
            "with a published one, into another folder",
        ),
    ),
    run=_run,
    add_options=_options,
)
