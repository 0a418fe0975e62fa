"""``posemo evaluate coco``."""

from __future__ import annotations

import argparse

from ...evaluate.report import Report
from ..options import add_network_options, models_from, store_for
from ..values import maybe_empty
from .shared import add_labelled_images_options, evaluation


def _options(parser: argparse.ArgumentParser) -> None:
    add_labelled_images_options(parser)
    parser.add_argument(
        "--boxes", choices=("gt", "detector"), required=True, help="people from the labels, or as detected"
    )
    parser.add_argument(
        "--category", type=maybe_empty, default="", metavar="NAME", help="of people; found by itself if empty"
    )
    add_network_options(parser, ("detector", "keypoints"))


def _measure(args: argparse.Namespace) -> Report:
    from ...evaluate.coco import evaluate_coco

    models = models_from(args)
    return evaluate_coco(args.images, args.annotations, args.boxes, models, store_for(args), args.category)


COMMAND = evaluation(
    "2D keypoints: COCO's AP and AR, by group of joints",
    (
        (
            "posemo evaluate coco --images val/ --annotations val.json --boxes gt",
            "the keypoint network alone",
        ),
        (
            "posemo evaluate coco --images val/ --annotations val.json --boxes detector --json",
            "with the detector before it",
        ),
    ),
    _options,
    _measure,
)
