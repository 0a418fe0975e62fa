"""What RTMDet learns from: which cells answer for whom, and how wrong they are.

Lyu et al., RTMDet, arXiv 2212.07784, section 3.3, for one class. Symbols: B pictures, A cells of
all levels, n labelled people of a picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from .cspnext import RtmDet

CANDIDATES = 13  # cells whose IoUs with a person add up to the number that answer for it
OUTSIDE = 1e8  # cost of a cell that does not lie in the person's box


def cells(shapes: Sequence[tuple[int, int]], device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Centres (A, 2) and strides (A,) of all cells of all levels, px."""
    points, strides = [], []
    for (h, w), stride in zip(shapes, RtmDet.strides, strict=True):
        rows, columns = (torch.arange(n, device=device) * stride for n in (h, w))
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        points.append(torch.stack([x, y], -1).reshape(-1, 2).float())
        strides.append(torch.full((h * w,), float(stride), device=device))
    return torch.cat(points), torch.cat(strides)


def flatten(scores: list[Tensor], distances: list[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits (B, A), boxes (B, A, 4), centres (A, 2), strides (A,)."""
    centres, strides = cells([(s.shape[2], s.shape[3]) for s in scores], scores[0].device)
    logits = torch.cat([s.flatten(1) for s in scores], 1)
    sides = torch.cat([d.flatten(2).transpose(1, 2) for d in distances], 1)
    return logits, torch.cat([centres - sides[..., :2], centres + sides[..., 2:]], -1), centres, strides


def overlap(a: Tensor, b: Tensor, generalised: bool = False) -> Tensor:
    """IoU or GIoU of boxes (..., 4), broadcast."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    both = (high - low).clamp(min=0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).clamp(min=0).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - both
    value = both / union.clamp(min=1e-6)
    if not generalised:
        return value
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    hull = hull.clamp(min=0).prod(-1).clamp(min=1e-6)
    return value - (hull - union) / hull


@torch.no_grad()
def assign(
    logits: Tensor, boxes: Tensor, centres: Tensor, strides: Tensor, people: Tensor
) -> tuple[Tensor, Tensor]:
    """Which cells answer for which person: dynamic soft label assignment.

    Args:
        logits, boxes: (A,), (A, 4) of one picture; centres (A, 2), strides (A,).
        people: (n, 4) labelled boxes.

    Returns:
        (A,) index of the person, -1 for none; (A,) IoU with it, 0 for none.
    """
    owner, quality = torch.full_like(logits, -1, dtype=torch.long), torch.zeros_like(logits)
    if not len(people):
        return owner, quality
    inside = ((centres[:, None] > people[:, :2]) & (centres[:, None] < people[:, 2:])).all(-1)  # (A, n)
    shared = overlap(boxes[:, None], people)
    distance = (centres[:, None] - (people[:, :2] + people[:, 2:]) / 2).norm(dim=-1) / strides[:, None]
    cost = _cost(logits, shared, distance).masked_fill(~inside, OUTSIDE)
    for person in range(len(people)):
        best = shared[:, person].masked_fill(~inside[:, person], 0)
        count = max(1, int(best.topk(min(CANDIDATES, len(best))).values.sum()))
        chosen = cost[:, person].topk(count, largest=False).indices
        chosen = chosen[cost[chosen, person] < OUTSIDE]
        better = shared[chosen, person] > quality[chosen]
        owner[chosen[better]], quality[chosen[better]] = person, shared[chosen[better], person]
    return owner, quality


def _cost(logits: Tensor, shared: Tensor, distance: Tensor) -> Tensor:
    """(A, n) of the cells' scores, IoUs and distances from the middle in strides."""
    soft = F.binary_cross_entropy_with_logits(logits[:, None].expand_as(shared), shared, reduction="none")
    wrong = soft * (shared - logits.sigmoid()[:, None]).abs() ** 2
    return wrong - 3 * (shared + 1e-7).log() + 10 ** (distance - 3)


def loss_of(model: RtmDet, images: Tensor, people: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Quality focal loss of the scores and GIoU loss of the boxes, per answering cell."""
    logits, boxes, centres, strides = flatten(*model.maps(images))
    scores, sides, weight = logits.new_zeros(()), logits.new_zeros(()), 0.0
    for row, labelled in enumerate(people):
        owner, quality = assign(logits[row], boxes[row], centres, strides, labelled)
        modulation = (quality - logits[row].sigmoid()).abs() ** 2
        bce = F.binary_cross_entropy_with_logits(logits[row], quality, reduction="none")
        scores = scores + (modulation.detach() * bce).sum()
        answering = owner >= 0
        gap = 1 - overlap(boxes[row][answering], labelled[owner[answering]], generalised=True)
        sides = sides + (gap * quality[answering]).sum()
        weight += float(quality.sum())
    return scores / max(weight, 1), 2 * sides / max(weight, 1)
