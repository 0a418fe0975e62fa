"""MoveNet as a keypoint network of this package: decoding inside, and scores that are learned.

Symbols: B batch, J = 17 joints, H x W input pixels, h x w = H/4 x W/4 cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from posemo_ros.metrics import COCO_SIGMAS

from .movenet import (
    CELL,
    JOINTS,
    NEARNESS,
    PYRAMID,
    THUNDER,
    TOP,
    Maps,
    MoveNet,
    Widths,
    distances,
    evidence,
    grid,
    middle_person,
)
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
        heat, weighted = (m.flatten(2).gather(2, best[..., None])[..., 0] for m in (maps.heat, found))
        scores = self._scores(features, fine, heat, weighted, best)
        return Answer(maps, found, soft_place(maps, found, best), scores)

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, J, 3) x, y in input pixels, score in 0..1.

        The same as ``answer``, for a twelfth less time: two of the heads are needed at few cells only, and
        so are the logarithms, since the best cell by a quotient is that by its logarithm.
        """
        net = self.movenet
        features = net.backbone(image)
        fine = net.pyramid(features)
        heat, centre = net.head(fine).float(), net.centre(fine)[:, 0].float()
        person = middle_person(centre)
        far = distances(person, self._regression(fine, person), heat.shape[-2:]) + NEARNESS
        best = (torch.sigmoid(heat) / far).flatten(2).argmax(2)
        cells, inside = around(best, heat.shape[-2:])  # (B, J, N)
        near = heat.flatten(2).gather(2, cells)
        found = F.logsigmoid(near) - torch.log(far.flatten(2).gather(2, cells))
        share = torch.where(inside, found, torch.full_like(found, -1e4)).softmax(2)
        w = heat.shape[-1]
        offered = torch.stack((cells % w, cells // w), 3) + self._offset(fine, cells).flip(3)
        places = (offered * share[..., None]).sum(2) * CELL
        middle = cells.shape[2] // 2
        scores = self._scores(features, fine, near[..., middle], found[..., middle], best)
        return torch.cat((places, torch.sigmoid(scores)[..., None]), 2)

    def _regression(self, fine: Tensor, person: Tensor) -> Tensor:
        """(B, 2, J) at one cell (B,).

        A sum of products and no matrix product: runtimes with bfloat16 round what lies before one, and a
        rounded centre may be another cell.
        """
        head = self.movenet.regression
        index = person[:, None, None].expand(-1, PYRAMID[-1], 1)
        mixed = head.mix(fine).float().flatten(2).gather(2, index)[..., 0]
        hidden = torch.relu((mixed[:, None] * head.wide.weight[..., 0, 0]).sum(2) + head.wide.bias)
        out = (hidden[:, None] * head.out.weight[..., 0, 0]).sum(2) + head.out.bias
        return out.unflatten(1, (JOINTS, 2)).transpose(1, 2)

    def _offset(self, fine: Tensor, cells: Tensor) -> Tensor:
        """(B, J, N, 2) y, x of every joint at its own cells (B, J, N)."""
        head = self.movenet.offset
        index = cells.flatten(1)[:, None].expand(-1, PYRAMID[-1], -1)
        mixed = head.mix(fine).float().flatten(2).gather(2, index).transpose(1, 2)
        hidden = torch.relu(F.linear(mixed, head.wide.weight[..., 0, 0], head.wide.bias))
        out = head.out.weight[..., 0, 0].unflatten(0, (JOINTS, 2)).transpose(1, 2)  # (J, 96, 2)
        return hidden.unflatten(1, cells.shape[1:]) @ out + head.out.bias.view(JOINTS, 1, 2)

    def losses(self, image: Tensor, labels: Labels) -> tuple[Tensor, Tensor]:
        """Of the places and of the scores."""
        answer = self.answer(image)
        return place_loss(answer, labels), score_loss(answer.scores, answer.places, labels)

    def _scores(
        self, features: list[Tensor], fine: Tensor, heat: Tensor, weighted: Tensor, best: Tensor
    ) -> Tensor:
        """(B, J) logits; heat and weighted heat (B, J) at the best cells (B, J)."""
        at = best[:, None].expand(-1, PYRAMID[-1], -1)
        here = fine.float().flatten(2).gather(2, at).transpose(1, 2)  # (B, J, 24)
        whole = self.whole(features[-1].float().mean((2, 3)))[:, None].expand_as(here)
        read = torch.cat((here, whole, heat[..., None] / 4, weighted[..., None] / 4), 2)
        hidden = torch.relu(self.score1(read).float())
        return heat + (hidden * self.score2).sum(2) + self.score_bias


def around(best: Tensor, size: torch.Size) -> tuple[Tensor, Tensor]:
    """The cells around the best ones (B, J): (B, J, N), row by row; and which of them are inside the map."""
    h, w = size
    y, x = torch.meshgrid(*[torch.arange(-REACH, REACH + 1)] * 2, indexing="ij")
    row, column = (best // w)[..., None] + y.flatten(), (best % w)[..., None] + x.flatten()
    inside = (row >= 0) & (row < h) & (column >= 0) & (column < w)
    return row.clamp(0, h - 1) * w + column.clamp(0, w - 1), inside


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
