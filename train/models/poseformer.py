"""PoseFormer (Zheng et al., ICCV 2021, arXiv 2103.10455) and paper B's version with SAM and TAM.

Parameter names are those of the released checkpoints (zczcwh/PoseFormer); SAM and TAM add
``Spatial_blocks.*.interaction.*`` and ``blocks.*.interaction.*``.
Symbols: B samples, F frames, J joints, C input channels, d width of a joint, D = J * d.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .blocks import Attention, DropPath, Mlp, choose, drop_path_rates
from .interaction import SpatialAttentionModule, TemporalAttentionModule

POSITIONS = ("none", "before_msa", "after_msa", "after_mlp")
IN_MLP = "in_mlp"  # paper B, equation 6; SAM alone
HEADS = ("weighted", "sequence")


class Block(nn.Module):
    """Pre-norm transformer block with an optional interaction module (paper B, Table VIII).

    Args:
        interaction: SAM or TAM, or None.
        position: Where it stands: one of ``POSITIONS``; or ``IN_MLP``: in place of the MLP's
            activation, so it is as wide as the MLP's hidden layer.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        mlp_ratio: float,
        *,
        drop_path: float = 0.0,
        dropout: float = 0.0,
        interaction: nn.Module | None = None,
        position: str = "none",
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads, dropout)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width, int(width * mlp_ratio), dropout)
        self.drop_path = DropPath(drop_path)
        self.interaction = interaction
        self.position = position

    def _interact(self, x: Tensor, position: str) -> Tensor:
        return self.interaction(x) if self.interaction is not None and position == self.position else x

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        x = self._interact(x, "before_msa")
        x = x + self.drop_path(self.attn(self.norm1(x)))
        x = self._interact(x, "after_msa")
        x = x + self.drop_path(self._mlp(self.norm2(x)))
        return self._interact(x, "after_mlp")

    def _mlp(self, x: Tensor) -> Tensor:
        if self.interaction is None or self.position != IN_MLP:
            return self.mlp(x)
        hidden = self.interaction(self.mlp.fc1(x))  # (B, N, hidden)
        return self.mlp.drop(self.mlp.fc2(self.mlp.drop(hidden)))


class PoseFormer(nn.Module):
    """Lifts a sequence of 2D keypoints to 3D: attention among joints, then among frames.

    With the defaults this is the released network. Paper B's network is
    ``PoseFormer(frames, sam="after_msa", tam="after_msa")``: 9.848 M parameters for F = 9
    (paper: 9.85), 9.858 M for 27 (9.86), 9.888 M for 81 (the paper prints 9.86 again, which
    the F x D position embedding rules out).

    Args:
        frames: F, odd.
        joints: J.
        channels: C, 2 for x, y; 3 with the score.
        width: d; 32 as released, 16 for a small network. Divisible by ``heads``.
        depth: Blocks of each of the two stacks.
        heads: Of each block.
        mlp_ratio: Hidden width of the MLPs over their width.
        sam, tam: Position of the attention module across joints, across frames (``POSITIONS``);
            ``sam="in_mlp"``: MLP(x) = SAM(x W1 + a1) W2 + a2 (paper B, equation 6).
        head: ``weighted``: a learned mean over the frames gives the centre frame's pose
            (released). ``sequence``: one pose per frame (paper B, II.B.4).
        drop_path: Rate of the last block; the released training script uses 0.1.
        dropout: In attention projections and MLPs (released: 0).
        tam_norm: See ``TemporalAttentionModule``.
    """

    def __init__(
        self,
        frames: int = 81,
        *,
        joints: int = 17,
        channels: int = 2,
        width: int = 32,
        depth: int = 4,
        heads: int = 8,
        mlp_ratio: float = 2.0,
        sam: str = "none",
        tam: str = "none",
        head: str = "weighted",
        drop_path: float = 0.1,
        dropout: float = 0.0,
        tam_norm: str = "softmax",
    ) -> None:
        super().__init__()
        choose("sam", sam, (*POSITIONS, IN_MLP))
        choose("tam", tam, POSITIONS)
        self.frames, self.joints = frames, joints
        self.head_kind = choose("head", head, HEADS)
        full = joints * width
        rates = drop_path_rates(drop_path, depth)

        def block(size: int, rate: float, module: nn.Module | None, position: str) -> Block:
            return Block(
                size,
                heads,
                mlp_ratio,
                drop_path=rate,
                dropout=dropout,
                interaction=module,
                position=position,
            )

        def sam_module() -> nn.Module | None:
            if sam == "none":
                return None
            return SpatialAttentionModule(int(width * mlp_ratio) if sam == IN_MLP else width)

        def tam_module() -> nn.Module | None:
            if tam == "none":
                return None
            return TemporalAttentionModule(full, rank=width, groups=joints, norm=tam_norm)

        self.Spatial_patch_to_embedding = nn.Linear(channels, width)
        self.Spatial_pos_embed = nn.Parameter(torch.zeros(1, joints, width))
        self.Temporal_pos_embed = nn.Parameter(torch.zeros(1, frames, full))
        self.pos_drop = nn.Dropout(dropout)
        self.Spatial_blocks = nn.ModuleList([block(width, r, sam_module(), sam) for r in rates])
        self.blocks = nn.ModuleList([block(full, r, tam_module(), tam) for r in rates])
        self.Spatial_norm = nn.LayerNorm(width, eps=1e-6)
        self.Temporal_norm = nn.LayerNorm(full, eps=1e-6)
        if head == "weighted":
            self.weighted_mean = nn.Conv1d(frames, 1, kernel_size=1)
        self.head = nn.Sequential(nn.LayerNorm(full), nn.Linear(full, joints * 3))

    def forward(self, keypoints: Tensor) -> Tensor:
        """Poses relative to the pelvis, in the unit of the training targets (metres).

        Args:
            keypoints: (B, F, J, C) float32, normalised.

        Returns:
            (B, 1, J, 3), the centre frame; (B, F, J, 3) with the ``sequence`` head.
        """
        frames = self._frame_features(keypoints)  # (B, F, D)
        x = self.pos_drop(frames + self.Temporal_pos_embed)
        for block in self.blocks:
            x = block(x)
        x = self.Temporal_norm(x)
        if self.head_kind == "weighted":
            x = self.weighted_mean(x)  # (B, 1, D)
        return self.head(x).unflatten(-1, (self.joints, 3))  # (B, 1 or F, J, 3)

    def _frame_features(self, keypoints: Tensor) -> Tensor:
        x = self.Spatial_patch_to_embedding(keypoints.flatten(0, 1))  # (B*F, J, d)
        x = self.pos_drop(x + self.Spatial_pos_embed)
        for block in self.Spatial_blocks:
            x = block(x)
        x = self.Spatial_norm(x)
        return x.flatten(1).unflatten(0, (-1, self.frames))  # (B, F, D)
