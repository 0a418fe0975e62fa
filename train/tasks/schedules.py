"""Learning rates that change with every step; PyTorch's own change with every epoch."""

from __future__ import annotations

import math

import torch
from torch.optim.lr_scheduler import LambdaLR


class WarmupCosine(LambdaLR):
    """Up on a line in ``warmup`` steps, then down to ``floor`` on half a cosine over all steps.

    Args:
        optimizer: Whose groups keep their own highest rates.
        steps: Of the whole run.
        warmup: Steps of rising rates.
        floor: Share of the highest rate that is left at the end, 0..1.
    """

    interval = "step"

    def __init__(
        self, optimizer: torch.optim.Optimizer, steps: int, *, warmup: int = 200, floor: float = 0.0
    ) -> None:
        def factor(step: int) -> float:
            down = (1 + math.cos(math.pi * min(1.0, step / steps))) / 2
            return min(1.0, (step + 1) / warmup) * (floor + (1 - floor) * down)

        super().__init__(optimizer, factor)
