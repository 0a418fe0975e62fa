"""Masked pre-training of P-STMO (Shan et al., ECCV 2022, arXiv 2203.07628, section 3.2).

Parameter names are those of the released code. Symbols: B samples, F frames, J joints, V visible
frames, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .pstmo import EncoderLayer, SpatialEncoder, Stack, StdNorm, TemporalEncoder, head


class Decoder(nn.Module):
    """The layers of the pre-training's decoder."""

    def __init__(self, depth: int, width: int, hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.model = Stack([EncoderLayer(width, hidden, heads, dropout) for _ in range(depth)], width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, D) -> (B, F, D)."""
        return self.model(x)


class PSTMOPretraining(nn.Module):
    """Masked pre-training: most frames and some joints are hidden, all 2D joints are to be guessed.

    Afterwards ``encoder.*`` and ``Transformer.*`` fit ``PSTMO`` of the same size
    (``tasks.checkpoint.start_from(network, path, may_miss=["Transformer_reduce.*", "fcn*"])``).

    Args:
        As ``PSTMO``; the decoder is half as wide and has a layer less.
    """

    def __init__(
        self,
        frames: int = 243,
        *,
        layers: int = 3,
        joints: int = 17,
        width: int = 256,
        hidden: int = 512,
        heads: int = 8,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.joints = joints
        self.encoder = SpatialEncoder(joints * 2, width, dropout)
        self.Transformer = TemporalEncoder(layers, width, hidden, heads, dropout, frames)
        self.encoder_LN = StdNorm(width)
        self.encoder_to_decoder = nn.Linear(width, width // 2, bias=False)
        self.Transformer_dec = Decoder(layers - 1, width // 2, hidden // 2, heads, dropout)
        self.fcn_dec = head(width // 2, joints * 2)
        self.dec_pos_embedding = nn.Parameter(torch.randn(1, frames, width // 2))
        self.mask_token = nn.Parameter(torch.randn(1, 1, width // 2))
        self.spatial_mask_token = nn.Parameter(torch.randn(1, 1, 2))

    def forward(self, keypoints: Tensor, hidden_frames: Tensor, hidden_joints: Tensor) -> Tensor:
        """2D keypoints of all frames, in their order (released: visible frames first).

        Args:
            keypoints: (B, F, J, 2), normalised.
            hidden_frames: (F,) bool, the same for the whole batch.
            hidden_joints: (F, J) bool.

        Returns:
            (B, F, J, 2).
        """
        x = torch.where(hidden_joints[..., None], self.spatial_mask_token, keypoints)
        seen = self.encoder_LN(self.Transformer(self.encoder(x), ~hidden_frames))  # (B, V, D)
        tokens = self.mask_token.repeat(x.shape[0], x.shape[1], 1)  # (B, F, D/2)
        tokens[:, ~hidden_frames] = self.encoder_to_decoder(seen)
        y = self.Transformer_dec(tokens + self.dec_pos_embedding)  # (B, F, D/2)
        return self.fcn_dec(y.transpose(1, 2)).transpose(1, 2).unflatten(-1, (self.joints, 2))


def draw_masks(
    frames: int,
    joints: int,
    *,
    frame_ratio: float,
    joints_per_frame: int,
    released: bool = False,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """What the pre-training hides.

    Args:
        frame_ratio: Part of the frames, 0.8 for P-STMO-S, 0.6 for P-STMO.
        joints_per_frame: 2 or 3 with detected, 7 with true 2D keypoints.
        released: The released code never hides the last joint; True repeats that.

    Returns:
        (F,) and (F, J) bool.
    """
    hidden_frames = torch.zeros(frames, dtype=torch.bool)
    chosen = torch.randperm(frames, generator=generator)[: int(frames * frame_ratio)]
    hidden_frames[chosen] = True
    order = torch.rand(frames, joints - 1 if released else joints, generator=generator).argsort(dim=1)
    hidden_joints = torch.zeros(frames, joints, dtype=torch.bool)
    hidden_joints.scatter_(1, order[:, :joints_per_frame], True)
    return hidden_frames, hidden_joints
