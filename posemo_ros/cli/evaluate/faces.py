"""``posemo evaluate faces``."""

from __future__ import annotations

import argparse

from ...evaluate.report import Report
from ..options import add_network_options, models_from, store_for
from .shared import add_labelled_images_options, evaluation


def _options(parser: argparse.ArgumentParser) -> None:
    add_labelled_images_options(parser)
    add_network_options(parser, ("detector", "keypoints"))


def _measure(args: argparse.Namespace) -> Report:
    from ...evaluate.faces import evaluate_faces

    return evaluate_faces(args.images, args.annotations, models_from(args), store_for(args))


COMMAND = evaluation(
    "how many labelled faces --privacy blur covers",
    (
        ("posemo evaluate faces --images val/ --annotations val.json", "by the size of the face"),
        (
            "posemo evaluate faces --images val/ --annotations val.json --keypoints posemo-keypoints-fast",
            "with another keypoint network",
        ),
    ),
    _options,
    _measure,
)
