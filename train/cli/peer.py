"""``python -m train peer``."""

from __future__ import annotations

import argparse
from pathlib import Path

from posemo_ros.cli.command import Command
from posemo_ros.cli.values import COUNT, as_path, new_file


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--network", type=as_path, required=True, help="pose_landmark_full.tflite")
    parser.add_argument("--data", type=as_path, default=Path("../shared/data"), help="development data")
    parser.add_argument("--step", type=COUNT, default=4, help="the peer sees every so many images")
    parser.add_argument(
        "--out", type=new_file(".npz"), required=True, help="NPZ file for `train skeletons --peer`"
    )


def _run(args: argparse.Namespace) -> None:
    from posemo_ros.inference.store import ModelStore
    from posemo_ros.pipeline import build_people
    from posemo_ros.settings import Models, Settings
    from train.data.blazepose import BlazePose
    from train.skeleton_report import videos_in, watch_videos

    finder = build_people(Models(runtime="onnxruntime", threads=1), ModelStore(), Settings())
    watched = watch_videos(finder, BlazePose(args.network), videos_in(args.data), args.step)
    watched.save(args.out)
    asked = int((watched.visible > 0).any(1).sum())
    print(f"{args.out}: {len(watched.video)} sightings, {asked} of them seen by the peer")


COMMAND = Command(
    help="walking and gestures, seen by the chain and by BlazePose: to compare the lifter with",
    examples=(
        (
            "python -m train peer --network package/pose_landmark_full.tflite --out runs/starter/peer.npz",
            "after `npm pack @mediapipe/pose@0.5.1675469404` and `tar xzf mediapipe-pose-*.tgz`",
        ),
        (
            "python -m train peer --network package/pose_landmark_lite.tflite --step 20 --out runs/try.npz",
            "a quick look with the smallest",
        ),
    ),
    run=_run,
    add_options=_options,
)
