"""An optimiser for transformers that PyTorch has in two halves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

from posemo_ros.errors import InputError


class MuonAdamW(torch.optim.Optimizer):
    """Muon for the matrices (K. Jordan et al., 2024), AdamW for all other parameters.

    Muon makes every step of a weight matrix orthogonal. On the small PoseFormer of
    ``configs/papers_small`` 20,000 windows gave 150 mm with it and 167 mm with AdamW alone (on clips
    kept apart; one run each, rates 6e-3 and 3e-3).

    Args:
        params: Parameters, or groups of them that may have a rate of their own. Matrices are those with
            two axes.
        lr: Highest rate of AdamW; ``match_rms_adamw`` (Liu et al., 2025) scales Muon's to it.
        weight_decay: Of all.

    Raises:
        InputError: This PyTorch has no Muon (it came with 2.9).
    """

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, weight_decay: float = 0.01) -> None:
        if not hasattr(torch.optim, "Muon"):
            raise InputError(f"MuonAdamW: PyTorch {torch.__version__} has no Muon; expected 2.9 or later")
        super().__init__(_split(params), {"lr": lr, "weight_decay": weight_decay})
        self._make()

    def _make(self) -> None:
        """The two halves on this optimiser's own groups and states, so rates and checkpoints are shared."""
        half = len(self.param_groups) // 2
        matrices, others = self.param_groups[:half], self.param_groups[half:]
        self._halves: tuple[torch.optim.Optimizer, ...] = (
            torch.optim.Muon([{"params": g["params"]} for g in matrices], adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW([{"params": g["params"]} for g in others]),
        )
        for optimizer, groups in zip(self._halves, (matrices, others), strict=True):
            for group, own in zip(groups, optimizer.param_groups, strict=True):
                for name, value in own.items():
                    group.setdefault(name, value)
            optimizer.param_groups = groups
            optimizer.state = self.state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Of a checkpoint: the halves work on what came back."""
        super().__setstate__(state)
        self._make()

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """One step of both."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for half in self._halves:
            half.step()
        return loss


def _split(params: Iterable[Any]) -> list[dict[str, Any]]:
    """Every group's matrices, then every group's other tensors, each with what the group says of itself."""
    given = list(params)
    groups = given if given and isinstance(given[0], dict) else [{"params": given}]
    groups = [{**g, "params": list(g["params"])} for g in groups]
    return [
        {**g, "params": [p for p in g["params"] if (p.ndim == 2) is matrix]}
        for matrix in (True, False)
        for g in groups
    ]
