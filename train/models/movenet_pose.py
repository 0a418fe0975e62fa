"""MoveNet as a keypoint network of this package: decoding inside, and scores that are learned.

Symbols: B batch, J = 17 joints, H x W input pixels, h x w = H/4 x W/4 cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from posemo_ros.metrics import COCO_SIGMAS

from .movenet import CELL, JOINTS, PYRAMID, THUNDER, TOP, Maps, MoveNet, Widths, evidence, grid
from .pose_losses import Labels, score_loss

REACH = 2  # cells around the best one that have a say in the place
HIDDEN = 64  # of the score's layers
WIDE = -1.6  # log height of the wide part of a label's kernel: a fifth
FLOOR = -14.0  # log likelihood of a label that contradicts everything


@dataclass(frozen=True, eq=False)
class Answer:
    """What the network says of a crop.

    Attributes:
        maps: Of the heads.
        evidence: (B, J, h, w), see ``movenet.evidence``.
        places: (B, J, 2) x, y in input pixels.
        scores: (B, J) logits of being right.
    """

    maps: Maps
    evidence: Tensor
    places: Tensor
    scores: Tensor


class MoveNetPose(nn.Module):
    """MoveNet whole, and per joint how likely its place is right.

    The place is the mean of the places that the cells around the best one offer, weighted by their
    evidence: as exact as the published decoding, and it moves smoothly with the image. The score
    starts as the published one, the heat at the best cell; what the new layers read (the features
    there and of the whole crop) adds to it.
    """

    def __init__(self, widths: Widths = THUNDER) -> None:
        super().__init__()
        self.movenet = MoveNet(widths)
        self.whole = nn.Linear(TOP, PYRAMID[-1])
        self.score1 = nn.Linear(2 * PYRAMID[-1] + 2, HIDDEN)
        self.score2 = nn.Parameter(torch.zeros(JOINTS, HIDDEN))
        self.score_bias = nn.Parameter(torch.zeros(JOINTS))

    def answer(self, image: Tensor) -> Answer:
        """(B, 3, H, W) R, G, B from -1 to 1."""
        features = self.movenet.backbone(image)
        fine = self.movenet.pyramid(features)
        heads = self.movenet.heads(fine)
        maps = Maps(*(m.float() for m in (heads.heat, heads.centre, heads.regression, heads.offset)))
        found = evidence(maps)
        best = found.flatten(2).argmax(2)
        return Answer(
            maps, found, soft_place(maps, found, best), self._scores(features, fine, maps, found, best)
        )

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, J, 3) x, y in input pixels, score in 0..1."""
        answer = self.answer(image)
        return torch.cat((answer.places, torch.sigmoid(answer.scores)[..., None]), 2)

    def losses(self, image: Tensor, labels: Labels) -> tuple[Tensor, Tensor]:
        """Of the places and of the scores."""
        answer = self.answer(image)
        return place_loss(answer, labels), score_loss(answer.scores, answer.places, labels)

    def _scores(
        self, features: list[Tensor], fine: Tensor, maps: Maps, found: Tensor, best: Tensor
    ) -> Tensor:
        heat, weighted = (m.flatten(2).gather(2, best[..., None])[..., 0] for m in (maps.heat, found))
        at = best[:, None].expand(-1, PYRAMID[-1], -1)
        here = fine.float().flatten(2).gather(2, at).transpose(1, 2)  # (B, J, 24)
        whole = self.whole(features[-1].float().mean((2, 3)))[:, None].expand_as(here)
        read = torch.cat((here, whole, heat[..., None] / 4, weighted[..., None] / 4), 2)
        hidden = torch.relu(self.score1(read).float())
        return heat + (hidden * self.score2).sum(2) + self.score_bias


def soft_place(maps: Maps, found: Tensor, best: Tensor) -> Tensor:
    """(B, J, 2) x, y in input pixels: the weighted mean around the best cells (B, J)."""
    h, w = found.shape[-2:]
    cells = grid(h, w)
    column, row = (best % w)[..., None, None], (best // w)[..., None, None]
    near = ((cells[0] - row).abs() <= REACH) & ((cells[1] - column).abs() <= REACH)
    share = torch.where(near, found, torch.full_like(found, -1e4)).flatten(2).softmax(2)
    offered = (cells[:, None] + maps.offset).flatten(3)  # (B, 2, J, h w)
    return (offered * share[:, None]).sum(3).flip(1).transpose(1, 2) * CELL


def place_loss(answer: Answer, labels: Labels) -> Tensor:
    """How unlikely the labels are under what the cells offer.

    A cell's share of the (sharpened) evidence is how likely its place, cell plus offset, is the
    joint's; a label is drawn around the place with the spread of COCO's annotators, which is half
    the width of the object keypoint similarity. A wider part of the kernel and a floor keep labels
    that contradict everything from having a say. Rough labels have three times the spread and half
    the weight.
    """
    h, w = answer.evidence.shape[-2:]
    share = (2 * answer.evidence).flatten(2).log_softmax(2)
    offered = (grid(h, w)[:, None] + answer.maps.offset).flatten(3) * CELL
    squared = (offered - labels.points.flip(2).permute(0, 2, 1)[..., None]).square().sum(1)  # (B, J, h w)
    spread = torch.from_numpy(COCO_SIGMAS).float() * labels.area.sqrt()[:, None]
    spread = torch.where(labels.rough, 3 * spread, spread).clamp(min=1.0)[..., None]
    near = -squared / (2 * spread**2)
    wide = -squared / (2 * (4 * spread) ** 2) + WIDE
    likely = torch.logsumexp(torch.cat((share + near, share + wide), 2), 2)
    loss = -torch.logaddexp(likely, torch.full_like(likely, FLOOR))
    weight = torch.where(labels.rough, 0.5 * labels.place, labels.place)
    return (loss * weight).sum() / weight.sum().clamp(min=1)
