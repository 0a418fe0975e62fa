"""MotionAGFormer (Mehraban et al., WACV 2024, arXiv 2310.16288): attention beside a graph.

Parameter names are those of the released checkpoints (TaatiTeam/MotionAGFormer). The lifter to
pick today for accuracy per FLOP: XS (27 frames) and S (81 frames).
Symbols: B samples, T frames, J joints, C channels, N nodes of a graph (joints or frames).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from posemo_ros.skeleton import H36M17

from .blocks import Mlp, merge_heads, split_heads

# Directions that the released table of joints lacks: pelvis <- left hip, thorax <- shoulders.
RELEASED_LACKS = ((0, 4), (8, 11), (8, 14))


def joint_adjacency(*, released: bool = False) -> Tensor:
    """(17, 17) float32: 1 where the row's joint looks at the column's one."""
    adjacency = torch.zeros(len(H36M17), len(H36M17))
    for a, b in H36M17.bones:
        adjacency[a, b] = adjacency[b, a] = 1
    for a, b in RELEASED_LACKS if released else ():
        adjacency[a, b] = 0
    return adjacency


def most_similar(x: Tensor, number: int) -> Tensor:
    """(B, N, C) -> (B, N, N): 1 where the column is among the row's ``number`` largest products."""
    similarity = x @ x.transpose(1, 2)  # (B, N, N)
    least = similarity.topk(number, dim=-1).values[..., -1:]  # (B, N, 1)
    return (similarity >= least).to(x.dtype)


class GridAttention(nn.Module):
    """Multi-head attention among the joints of a frame or among the frames of a joint."""

    def __init__(self, channels: int, heads: int, *, temporal: bool) -> None:
        super().__init__()
        self.heads, self.temporal = heads, temporal
        self.qkv = nn.Linear(channels, 3 * channels, bias=False)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, J, C) -> (B, T, J, C)."""
        if self.temporal:
            x = x.transpose(1, 2)  # (B, J, T, C)
        rows = x.shape[1]
        q, k, v = (split_heads(t, self.heads) for t in self.qkv(x.flatten(0, 1)).chunk(3, dim=-1))
        y = merge_heads(F.scaled_dot_product_attention(q, k, v)).unflatten(0, (-1, rows))
        return self.proj(y.transpose(1, 2) if self.temporal else y)


class GraphConvolution(nn.Module):
    """Each node adds what its neighbours say: along bones, or from the frames most like it.

    Args:
        nodes: 17 joints, or T frames.
        adjacency: (N, N) for joints; None for frames.
        neighbours: How many frames a frame looks at (itself among them).
    """

    adjacency: Tensor | None

    def __init__(self, channels: int, nodes: int, adjacency: Tensor | None, neighbours: int) -> None:
        super().__init__()
        self.neighbours = neighbours
        self.register_buffer("adjacency", adjacency, persistent=False)
        self.U, self.V = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.batch_norm = nn.BatchNorm1d(nodes)
        for linear in (self.U, self.V):
            nn.init.normal_(linear.weight, std=(2.0 / channels) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, J, C) -> (B, T, J, C)."""
        temporal = self.adjacency is None
        if temporal:
            x = x.transpose(1, 2)  # (B, J, T, C)
        rows = x.shape[1]
        x = x.flatten(0, 1)  # (B*rows, N, C)
        adjacency = most_similar(x, self.neighbours) if self.adjacency is None else self.adjacency
        degree = adjacency.sum(dim=-1).rsqrt()  # (..., N)
        normalised = degree[..., :, None] * adjacency * degree[..., None, :]  # (..., N, N)
        y = torch.relu(x + self.batch_norm(normalised @ self.V(x) + self.U(x)))
        y = y.unflatten(0, (-1, rows))
        return y.transpose(1, 2) if temporal else y


class MixerBlock(nn.Module):
    """A mixer and an MLP, each with norm, learned scale and residual."""

    def __init__(self, channels: int, mixer: nn.Module, dropout: float) -> None:
        super().__init__()
        self.norm1, self.mixer = nn.LayerNorm(channels), mixer
        self.norm2, self.mlp = nn.LayerNorm(channels), Mlp(channels, 4 * channels, dropout)
        self.layer_scale_1 = nn.Parameter(torch.full((channels,), 1e-5))
        self.layer_scale_2 = nn.Parameter(torch.full((channels,), 1e-5))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, J, C) -> (B, T, J, C)."""
        x = x + self.layer_scale_1 * self.mixer(self.norm1(x))
        return x + self.layer_scale_2 * self.mlp(self.norm2(x))


class DualStream(nn.Module):
    """Joints then frames by attention, joints then frames by graph, and a learned mixture."""

    def __init__(
        self, channels: int, heads: int, frames: int, neighbours: int, adjacency: Tensor, dropout: float
    ) -> None:
        super().__init__()
        joints = adjacency.shape[0]

        def block(mixer: nn.Module) -> MixerBlock:
            return MixerBlock(channels, mixer, dropout)

        self.att_spatial = block(GridAttention(channels, heads, temporal=False))
        self.att_temporal = block(GridAttention(channels, heads, temporal=True))
        self.graph_spatial = block(GraphConvolution(channels, joints, adjacency, neighbours))
        self.graph_temporal = block(GraphConvolution(channels, frames, None, neighbours))
        self.fusion = nn.Linear(2 * channels, 2)
        nn.init.zeros_(self.fusion.weight)
        nn.init.constant_(self.fusion.bias, 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, J, C) -> (B, T, J, C)."""
        attended = self.att_temporal(self.att_spatial(x))
        passed = self.graph_temporal(self.graph_spatial(x))
        share = self.fusion(torch.cat([attended, passed], dim=-1)).softmax(dim=-1)  # (B, T, J, 2)
        return attended * share[..., :1] + passed * share[..., 1:]


class MotionAGFormer(nn.Module):
    """Lifts a sequence of 2D keypoints with scores to a sequence of 3D poses.

    The defaults are XS: 2.24 M parameters, 1.0 GMACs; S is ``frames=81, layers=26``: 4.82 M,
    6.6 GMACs.

    Args:
        frames: T.
        layers, width, heads, dropout: Of the network.
        channels: 3 for x, y, score as released; 2 without the score.
        neighbours: Frames a frame looks at in the graph.
        released_graph: The released table of joints lacks three directions (``RELEASED_LACKS``);
            True repeats that, and is needed for the released weights to give their numbers.

    Attributes:
        input_joints: Each joint's pose comes from its own keypoint and from its neighbours in Human3.6M's
            skeleton: keypoints in another order are another graph.
    """

    input_joints = "h36m17"

    def __init__(
        self,
        frames: int = 27,
        *,
        layers: int = 12,
        width: int = 64,
        heads: int = 8,
        channels: int = 3,
        neighbours: int = 2,
        dropout: float = 0.0,
        released_graph: bool = False,
    ) -> None:
        super().__init__()
        adjacency = joint_adjacency(released=released_graph)
        self.joints_embed = nn.Linear(channels, width)
        self.pos_embed = nn.Parameter(torch.zeros(1, len(H36M17), width))
        self.layers = nn.Sequential(
            *(DualStream(width, heads, frames, neighbours, adjacency, dropout) for _ in range(layers))
        )
        self.norm = nn.LayerNorm(width)
        self.rep_logit = nn.ModuleDict({"fc": nn.Linear(width, 512)})
        self.head = nn.Linear(512, 3)

    def forward(self, keypoints: Tensor) -> Tensor:
        """3D poses of all frames.

        Args:
            keypoints: (B, T, 17, C), screen normalisation, score last; H36M-17.

        Returns:
            (B, T, 17, 3), in the unit of the training targets.
        """
        x = self.layers(self.joints_embed(keypoints) + self.pos_embed)  # (B, T, J, width)
        return self.head(torch.tanh(self.rep_logit["fc"](self.norm(x))))
