"""``posemo evaluate coco``."""

from __future__ import annotations

import argparse

from ...evaluate.report import Report
from ..command import Command
from ..options import add_network_options, models_from, store_for
from ..values import as_path
from .shared import add_report_options, printed


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--images", type=as_path, required=True, metavar="DIR", help="folder of the images")
    parser.add_argument(
        "--annotations",
        type=as_path,
        required=True,
        metavar="FILE",
        help="keypoints in COCO's format (.json)",
    )
    parser.add_argument(
        "--boxes", choices=("gt", "detector"), required=True, help="people from the labels, or as detected"
    )
    parser.add_argument("--category", default="", metavar="NAME", help="of people; told by itself if empty")
    add_report_options(parser)
    add_network_options(parser, ("detector", "keypoints"))


def _measure(args: argparse.Namespace) -> Report:
    from ...evaluate.coco import evaluate_coco

    models = models_from(args)
    return evaluate_coco(args.images, args.annotations, args.boxes, models, store_for(args), args.category)


COMMAND = Command(
    help="2D keypoints: COCO's AP and AR, by group of joints",
    examples=(
        (
            "posemo evaluate coco --images val/ --annotations val.json --boxes gt",
            "the keypoint network alone",
        ),
        (
            "posemo evaluate coco --images val/ --annotations val.json --boxes detector --json",
            "with the detector before it",
        ),
    ),
    run=printed(_measure),
    add_options=_options,
)
