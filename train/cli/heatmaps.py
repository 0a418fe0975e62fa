"""``python -m train heatmaps``."""

from __future__ import annotations

import argparse
from pathlib import Path

from posemo_ros.cli.command import Command
from posemo_ros.cli.values import as_path, maybe_empty, new_file, nonempty


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photo", type=as_path, metavar="PHOTO", help="an image with people")
    parser.add_argument(
        "--networks",
        type=nonempty,
        nargs="+",
        required=True,
        metavar="SOURCE",
        help="folder of a run, NETWORK,OPTION=VALUE@WEIGHTS, or a name in the manifest; a row each",
    )
    parser.add_argument(
        "--detector", type=nonempty, default="posemo-detector", help="finds the people; in the manifest"
    )
    parser.add_argument(
        "--lifter", type=maybe_empty, default="posemo-lifter", help="in the manifest; empty: no 3D poses"
    )
    parser.add_argument("--manifest", type=as_path, action="append", default=[], help="a model manifest more")
    parser.add_argument(
        "--out",
        type=new_file(".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"),
        default=Path("heatmaps.png"),
        help="the picture",
    )


def _run(args: argparse.Namespace) -> None:
    import cv2

    from posemo_ros.errors import InputError
    from posemo_ros.inference.store import ModelStore
    from posemo_ros.pictures import read_picture, to_8bit
    from posemo_ros.pipeline import build_detector, build_lifter
    from posemo_ros.settings import Models, Settings
    from posemo_ros.types import Frame
    from train.heatmaps import figure, open_network

    try:
        photo = to_8bit(read_picture(args.photo))
    except InputError as error:
        raise InputError(f"{args.photo}: {error}; expected a photo") from error
    store = ModelStore(args.manifest)
    models = Models(detector=args.detector, lifter=args.lifter, runtime="onnxruntime")
    boxes = build_detector(models, store).detect(Frame(photo)).boxes
    if not len(boxes):
        raise InputError(f"{args.photo}: {args.detector} finds nobody there")
    networks = [open_network(source, store) for source in args.networks]
    lifter = build_lifter(models, store, Settings()) if args.lifter else None
    args.out.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(args.out), figure(photo, boxes, networks, lifter)):
        raise InputError(f"{args.out}: cannot write this picture; expected a name such as heatmaps.png")
    print(args.out)


COMMAND = Command(
    help="2D networks side by side on a photo: heat maps, keypoints, 3D poses (paper B, Fig. 5)",
    examples=(
        (
            "python -m train heatmaps photo.jpg --networks runs/table_1/hrnet_w32 runs/table_1/ours_w32_all",
            "HRNet above, HRNet with attention modules below, in heatmaps.png",
        ),
        (
            "python -m train heatmaps photo.jpg --networks hrnet@weights/pose_hrnet_w32_256x192.pth "
            "--lifter papers-lifter --manifest my/papers/papers-lifter.yaml",
            "released weights, and a lifter of yours",
        ),
    ),
    run=_run,
    add_options=_options,
)
