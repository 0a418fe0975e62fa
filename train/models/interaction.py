"""Paper B's two attention modules of the 3D network: across joints (SAM) and frames (TAM).

Section II.B.2-3, eq. 5 and 7. Symbols: B samples, J joints, F frames, D width.
"""

from __future__ import annotations

from torch import Tensor, nn

from .blocks import choose


class SpatialAttentionModule(nn.Module):
    """SAM: P = CONV(Norm(GELU(CONV(P)))) + P along the joints (eq. 5).

    The text says "two depth-wise convolutions with kernel size 5", and two lines on "the
    standard convolution"; depth-wise is the default because only it gives the paper's 9.85 M
    parameters. The number of groups of the norm is not stated; 8 is ours.

    Args:
        width: D.
        dense: Standard instead of depth-wise convolutions (as CrossFormer's released LPI).
        groups: Of the group norm.
    """

    def __init__(self, width: int, *, dense: bool = False, groups: int = 8) -> None:
        super().__init__()
        depthwise = 1 if dense else width
        self.conv1 = nn.Conv1d(width, width, 5, padding=2, groups=depthwise)
        self.act = nn.GELU()
        self.norm = nn.GroupNorm(groups, width)
        self.conv2 = nn.Conv1d(width, width, 5, padding=2, groups=depthwise)

    def forward(self, x: Tensor) -> Tensor:
        """(B, J, D) -> (B, J, D)."""
        y = x.transpose(1, 2)  # (B, D, J)
        y = self.conv2(self.norm(self.act(self.conv1(y))))  # (B, D, J)
        return x + y.transpose(1, 2)


class TemporalAttentionModule(nn.Module):
    """TAM: correlation of every pair of frames, C_ij = q_i . k_j, weighs the values (eq. 7).

    The paper names 1x1 convolutions for K, Q, V and an F x F correlation, nothing else. Ours:
    ``rank`` 32 (the width of a joint, which gives the paper's 9.85 M parameters), the softmax,
    the way back to D with a group norm (one group per joint), the residual.

    Args:
        width: D of a whole frame (all joints).
        rank: Width of K, Q and V.
        groups: Of the group norm.
        norm: ``softmax`` over C / sqrt(rank), or ``dot``: C / F as in non-local networks.
    """

    def __init__(self, width: int, *, rank: int = 32, groups: int = 17, norm: str = "softmax") -> None:
        super().__init__()
        self.correlation = choose("norm", norm, ("softmax", "dot"))
        self.scale = rank**-0.5
        self.q = nn.Conv1d(width, rank, 1, bias=False)
        self.k = nn.Conv1d(width, rank, 1, bias=False)
        self.v = nn.Conv1d(width, rank, 1, bias=False)
        self.proj = nn.Conv1d(rank, width, 1, bias=False)
        self.norm = nn.GroupNorm(groups, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, D) -> (B, F, D)."""
        z = x.transpose(1, 2)  # (B, D, F)
        q, k, v = self.q(z), self.k(z), self.v(z)  # (B, rank, F)
        pairs = q.transpose(1, 2) @ k  # (B, F, F)
        if self.correlation == "softmax":
            pairs = (pairs * self.scale).softmax(dim=-1)
        else:
            pairs = pairs / pairs.shape[-1]
        y = v @ pairs.transpose(1, 2)  # (B, rank, F)
        return x + self.norm(self.proj(y)).transpose(1, 2)
