"""Transformer parts that several networks share, with timm's parameter names.

Symbols: B samples, N tokens, D width, h heads.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class DropPath(nn.Module):
    """Stochastic depth (Huang et al., 2016): drops a residual branch per sample while training."""

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """(B, ...) -> (B, ...); kept samples are scaled by 1 / (1 - rate)."""
        if self.rate == 0.0 or not self.training:
            return x
        keep = 1.0 - self.rate
        mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep)
        return x * mask / keep


class Mlp(nn.Module):
    """Two linear layers with GELU between them (paper B, eq. 4)."""

    def __init__(self, width: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        x = self.drop(F.gelu(self.fc1(x)))  # (..., hidden)
        return self.drop(self.fc2(x))


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(B, N, h*d) -> (B, h, N, d)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """(B, h, N, d) -> (B, N, h*d)."""
    return x.transpose(1, 2).flatten(2)


class Attention(nn.Module):
    """Multi-head self-attention (paper B, eq. 3)."""

    def __init__(self, width: int, heads: int, dropout: float = 0.0, qkv_bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=qkv_bias)
        self.proj = nn.Linear(width, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        q, k, v = (split_heads(t, self.heads) for t in self.qkv(x).chunk(3, dim=-1))  # (B, h, N, d)
        return self.drop(self.proj(merge_heads(F.scaled_dot_product_attention(q, k, v))))


class CrossAttention(nn.Module):
    """Multi-head attention in which one sequence asks and another answers."""

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """(B, N, D) asks (B, M, D) -> (B, N, D)."""
        q = split_heads(self.q(x), self.heads)  # (B, h, N, d)
        k, v = (split_heads(t, self.heads) for t in self.kv(other).chunk(2, dim=-1))  # (B, h, M, d)
        return self.drop(self.proj(merge_heads(F.scaled_dot_product_attention(q, k, v))))


def drop_path_rates(last: float, depth: int) -> list[float]:
    """Rates that rise linearly from 0 at the first block to ``last`` at the last one."""
    return [last * i / max(depth - 1, 1) for i in range(depth)]


def choose(name: str, value: str, known: tuple[str, ...]) -> str:
    """``value``, if it is one of ``known``.

    Raises:
        ValueError: It is not; the message lists the allowed ones.
    """
    if value not in known:
        raise ValueError(f"{name}: {value!r} is not one of {', '.join(known)}")
    return value
