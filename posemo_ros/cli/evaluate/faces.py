"""``posemo evaluate faces``."""

from __future__ import annotations

import argparse

from ...evaluate.report import Report
from ..command import Command
from ..options import add_json_option, add_network_options, models_from, store_for
from ..values import as_path
from .shared import printed


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--images", type=as_path, required=True, metavar="DIR", help="folder of the images")
    parser.add_argument(
        "--annotations",
        type=as_path,
        required=True,
        metavar="FILE",
        help="keypoints in COCO's format (.json)",
    )
    add_json_option(parser)
    add_network_options(parser, ("detector", "keypoints"))


def _measure(args: argparse.Namespace) -> Report:
    from ...evaluate.faces import evaluate_faces

    return evaluate_faces(args.images, args.annotations, models_from(args), store_for(args))


COMMAND = Command(
    help="how many labelled faces --privacy blur covers",
    examples=(
        ("posemo evaluate faces --images val/ --annotations val.json", "by the size of the face"),
        (
            "posemo evaluate faces --images val/ --annotations val.json --keypoints posemo-keypoints-fast",
            "with another keypoint network",
        ),
    ),
    run=printed(_measure),
    add_options=_options,
)
