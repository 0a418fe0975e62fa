"""What keypoint networks of this package learn from: labels of a batch, and when a joint is right.

Symbols: B batch, J = 17 joints of COCO-17.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from posemo_ros.metrics import COCO_SIGMAS

RIGHT = 0.5  # object keypoint similarity of a joint that is called right


@dataclass(frozen=True, eq=False)
class Labels:
    """Of B crops.

    Attributes:
        points: (B, J, 2) crop px.
        place: (B, J) 1 where the joint is in the crop, so that its place is to be learned; else 0.
        judge: (B, J) weight with which the score is to be learned.
        rough: (B, J) bool, where the label says only about where.
        area: (B,) px² of the person.
    """

    points: Tensor
    place: Tensor
    judge: Tensor
    rough: Tensor
    area: Tensor

    @classmethod
    def of(cls, batch: dict[str, Tensor]) -> Labels:
        """Those of a batch of ``train.data.samples``."""
        return cls(batch["keypoints"][..., :2], batch["place"], batch["judge"], batch["rough"], batch["area"])


def similarity(places: Tensor, labels: Labels) -> Tensor:
    """(B, J) object keypoint similarity of each joint; places (B, J, 2) px."""
    spread = torch.from_numpy(2 * COCO_SIGMAS).float() ** 2
    return torch.exp(-(places - labels.points).square().sum(2) / (2 * labels.area[:, None] * spread))


def score_loss(scores: Tensor, places: Tensor, labels: Labels) -> Tensor:
    """Cross-entropy of "this joint is right" with the scores; a joint not in the crop never is.

    Args:
        scores: (B, J) logits.
        places: (B, J, 2) px that the scores are about.
        labels: Of the crops.
    """
    right = (similarity(places.detach(), labels) > RIGHT).float() * labels.place
    wrong = F.binary_cross_entropy_with_logits(scores, right, reduction="none")
    return (wrong * labels.judge).sum() / labels.judge.sum().clamp(min=1)
