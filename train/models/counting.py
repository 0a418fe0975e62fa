"""Parameters and multiply-accumulates of a network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(network: nn.Module) -> int:
    """Number of parameters, trained or not."""
    return sum(p.numel() for p in network.parameters())


@dataclass(frozen=True)
class Macs:
    """Multiply-accumulates of one forward pass.

    Attributes:
        layers: In linear layers and convolutions, what most papers count.
        products: Between activations: attention, graphs.
    """

    layers: int
    products: int


def count_macs(network: nn.Module, *inputs: Tensor) -> Macs:
    """Count with PyTorch's own counter; works on the meta device too, without computing."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # fused operators hide from the counter
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            network(*inputs)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    flops = {str(op): n for op, n in counter.get_flop_counts()["Global"].items()}
    products = flops.get("aten.bmm", 0)
    return Macs((sum(flops.values()) - products) // 2, products // 2)
