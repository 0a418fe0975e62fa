"""``python -m train detections``."""

from __future__ import annotations

import argparse
from pathlib import Path

from posemo_ros.cli.command import Command
from posemo_ros.cli.values import as_path


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=as_path, default=Path("data/h36m"), help="folder of the npz files")
    parser.add_argument(
        "--videos", type=as_path, required=True, help="folder with S1, S5, ... of the download"
    )
    parser.add_argument("--keypoints", required=True, help="name in the model manifest")
    parser.add_argument("--name", required=True, help="of the new kind: data_2d_h36m_NAME.npz")


def _run(args: argparse.Namespace) -> None:
    from train.data.h36m_detections import estimator, write_detections

    estimate = estimator(args.keypoints)
    print(write_detections(args.data, args.videos, args.name, estimate, model=args.keypoints))


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
