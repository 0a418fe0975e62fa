"""P-STMO (Shan et al., ECCV 2022, arXiv 2203.07628): lifter; see ``pstmo_pretraining`` too.

Parameter names are those of the released checkpoints (paTRICK-swk/P-STMO). Paper A takes its 3D
poses from P-STMO-S (3 layers, 243 frames).
Symbols: B samples, F frames, J joints, N tokens, D width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import merge_heads, split_heads

# Frames -> strides of the reducing layers; their product is F.
STRIDES = {9: (1, 3, 3), 27: (3, 3, 3), 81: (3, 3, 3, 3), 243: (3, 3, 3, 3, 3)}


class StdNorm(nn.Module):
    """Layer norm as released: unbiased standard deviation, epsilon added to it.

    Args:
        width: D.
        used: False for the norm at the end of every stack, which is in the checkpoints but which
            the released code never applies; it is kept for its name and not trained.
    """

    def __init__(self, width: int, *, used: bool = True) -> None:
        super().__init__()
        self.a_2 = nn.Parameter(torch.ones(width), requires_grad=used)
        self.b_2 = nn.Parameter(torch.zeros(width), requires_grad=used)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        x = x - x.mean(dim=-1, keepdim=True)
        std = (x.square().sum(dim=-1, keepdim=True) / (x.shape[-1] - 1)).sqrt()
        return self.a_2 * x / (std + 1e-6) + self.b_2


class SelfAttention(nn.Module):
    """Multi-head self-attention; dropout on the attention weights."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.linears = nn.ModuleList([nn.Linear(width, width) for _ in range(4)])  # q, k, v, out

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        q, k, v = (split_heads(linear(x), self.heads) for linear in self.linears[:3])  # (B, h, N, d)
        dropout = self.dropout if self.training else 0.0
        return self.linears[3](merge_heads(F.scaled_dot_product_attention(q, k, v, dropout_p=dropout)))


class FeedForward(nn.Module):
    """Two linear layers with ReLU."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.w_1, self.w_2 = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        return self.w_2(self.drop(torch.relu(self.w_1(x))))


class StridedFeedForward(nn.Module):
    """1x1 and 3x1 convolutions along the frames, the second with a stride."""

    def __init__(self, width: int, hidden: int, dropout: float, stride: int) -> None:
        super().__init__()
        self.w_1 = nn.Conv1d(width, hidden, 1)
        self.w_2 = nn.Conv1d(hidden, width, 3, stride, padding=1)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, N / stride, D)."""
        return self.w_2(self.drop(torch.relu(self.w_1(x.transpose(1, 2))))).transpose(1, 2)


class NormOnly(nn.Module):
    """Holds the norm of a residual branch under its released name."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = StdNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> the same shape."""
        return self.norm(x)


class EncoderLayer(nn.Module):
    """Pre-norm attention and feed-forward with residuals; a stride thins out the frames."""

    def __init__(
        self, width: int, hidden: int, heads: int, dropout: float, stride: int | None = None
    ) -> None:
        super().__init__()
        self.stride = stride or 1
        self.self_attn = SelfAttention(width, heads, dropout)
        self.feed_forward: nn.Module = (
            FeedForward(width, hidden, dropout)
            if stride is None
            else StridedFeedForward(width, hidden, dropout, stride)
        )
        self.sublayer = nn.ModuleList([NormOnly(width), NormOnly(width)])
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, N / stride, D)."""
        x = x + self.drop(self.self_attn(self.sublayer[0](x)))
        y = self.drop(self.feed_forward(self.sublayer[1](x)))
        return x[:, :: self.stride] + y


class Stack(nn.Module):
    """Encoder layers."""

    def __init__(self, layers: list[EncoderLayer], width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norm = StdNorm(width, used=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        for layer in self.layers:
            x = layer(x)
        return x


class TemporalEncoder(nn.Module):
    """Position embedding and ``depth`` layers over all frames, or over the visible ones."""

    def __init__(self, depth: int, width: int, hidden: int, heads: int, dropout: float, frames: int) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.randn(1, frames, width))
        self.model = Stack([EncoderLayer(width, hidden, heads, dropout) for _ in range(depth)], width)

    def forward(self, x: Tensor, visible: Tensor | None = None) -> Tensor:
        """(B, F, D), (F,) bool -> (B, number of visible frames, D)."""
        x = x + self.pos_embedding
        return self.model(x if visible is None else x[:, visible])


class ReducingStack(Stack):
    """Strided layers down to one frame; the first three add a position embedding of their own."""

    def __init__(
        self, strides: tuple[int, ...], width: int, hidden: int, heads: int, dropout: float, frames: int
    ) -> None:
        super().__init__([EncoderLayer(width, hidden, heads, dropout, s) for s in strides], width)
        for i in (1, 2, 3):
            self.register_parameter(f"pos_embedding_{i}", nn.Parameter(torch.randn(1, frames, width)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, D) -> (B, 1, D)."""
        for i, layer in enumerate(self.layers, start=1):
            if i <= 3:
                x = x + getattr(self, f"pos_embedding_{i}")[:, : x.shape[1]]
            x = layer(x)
        return x


class ReducingEncoder(nn.Module):
    """Keeps the released parameter names' ``model``."""

    def __init__(self, model: ReducingStack) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, D) -> (B, 1, D)."""
        return self.model(x)


class ResidualLinear(nn.Module):
    """Two 1x1 convolutions with batch norm, leaky ReLU, dropout, and a residual."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.w1, self.batch_norm1 = nn.Conv1d(width, width, 1), nn.BatchNorm1d(width)
        self.w2, self.batch_norm2 = nn.Conv1d(width, width, 1), nn.BatchNorm1d(width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, D, N) -> (B, D, N)."""
        y = self.drop(F.leaky_relu(self.batch_norm1(self.w1(x)), 0.2))
        return x + self.drop(F.leaky_relu(self.batch_norm2(self.w2(y)), 0.2))


class SpatialEncoder(nn.Module):
    """One frame's 2D joints to D numbers: 1x1 convolutions along the frames."""

    def __init__(self, inputs: int, width: int, dropout: float) -> None:
        super().__init__()
        self.fc_1, self.bn_1 = nn.Conv1d(inputs, 2 * width, 1), nn.BatchNorm1d(2 * width)
        self.layers = nn.ModuleList([ResidualLinear(2 * width, dropout)])
        self.fc_2 = nn.Conv1d(2 * width, width, 1)
        self.drop = nn.Dropout(dropout)

    def forward(self, keypoints: Tensor) -> Tensor:
        """(B, F, J, C) -> (B, F, D)."""
        x = keypoints.flatten(2).transpose(1, 2)  # (B, J*C, F)
        x = self.drop(F.leaky_relu(self.bn_1(self.fc_1(x)), 0.2))  # (B, 2D, F)
        return self.fc_2(self.layers[0](x)).transpose(1, 2)


def head(width: int, outputs: int) -> nn.Sequential:
    """Batch norm and a linear layer per frame."""
    return nn.Sequential(nn.BatchNorm1d(width), nn.Conv1d(width, outputs, 1))


class PSTMO(nn.Module):
    """Frame encoder, temporal encoder over all frames, strided layers down to the centre frame.

    243 frames: 7,009,382 parameters with 4 layers (P-STMO), 6,482,278 with 3 (P-STMO-S); the
    paper's 6.7 and 6.2 M leave out the position embeddings.

    Args:
        frames: F, a key of ``STRIDES``.
        layers: Of the temporal encoder.
        joints: J.
        channels: 2 for x, y; 3 with the score (released: 2).
        width, hidden, heads, dropout: D and the rest of the transformer.
    """

    def __init__(
        self,
        frames: int = 243,
        *,
        layers: int = 3,
        joints: int = 17,
        channels: int = 2,
        width: int = 256,
        hidden: int = 512,
        heads: int = 8,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.joints = joints
        self.encoder = SpatialEncoder(joints * channels, width, dropout)
        self.Transformer = TemporalEncoder(layers, width, hidden, heads, dropout, frames)
        reducing = ReducingStack(STRIDES[frames], width, hidden, heads, dropout, frames)
        self.Transformer_reduce = ReducingEncoder(reducing)
        self.fcn = head(width, joints * 3)
        self.fcn_1 = head(width, joints * 3)

    def forward(self, keypoints: Tensor) -> tuple[Tensor, Tensor]:
        """3D poses relative to the pelvis, metres.

        Args:
            keypoints: (B, F, J, C), normalised.

        Returns:
            The centre frame (B, 1, J, 3), the network's answer; and all frames (B, F, J, 3),
            which only the training looks at (``losses.lifting_loss``).
        """
        x = self.Transformer(self.encoder(keypoints))  # (B, F, D)
        return self._poses(self.fcn, self.Transformer_reduce(x)), self._poses(self.fcn_1, x)

    def _poses(self, layers: nn.Sequential, x: Tensor) -> Tensor:
        return layers(x.transpose(1, 2)).transpose(1, 2).unflatten(-1, (self.joints, 3))
