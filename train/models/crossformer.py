"""CrossFormer (Hassanin et al., arXiv 2203.13387): PoseFormer with two interaction modules.

Paper B's SAM and TAM are this network's Cross-Joint and Cross-Frame modules in other words; this
is the released form (mfawzy/CrossFormer), with its parameter names, so that its checkpoints load.
Symbols: B samples, F = 81 frames, J joints, d width of a joint, D = J * d.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

from .blocks import Attention, DropPath, Mlp, drop_path_rates

FRAMES = 81

# Parameters of the released class that its forward pass never reads.
UNUSED = re.compile(
    r"(Spatial_patch_to_embedding1|temporal_patch_to_embedding1|proj_norm1|proj|proj_norm2|proj_norm12|proj12"
    r"|proj_norm13|lins|Temporal_norm|channels_norm|Temporal|channels|weighted_mean1|weighted_mean2)\.\w+$"
    r"|(Temporal_pos_embed|chennels_pos_embed|top_pos_embed|outer_tokens|outer_pos|outer_temp|inner_pos"
    r"|inner_temp|spatial_embed|Temporal_embed)$"
    r"|(Spatial_blocks|blocks1)\.\d+\.(gamma4|norm4\.\w+|local_mp\.(bn|gn1|conv3)\.\w+)$"
)


class CrossJoint(nn.Module):
    """Dense convolutions along the joints: P = CONV(Norm(GELU(CONV(P)))) + P."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(width, width, 5, padding=2)
        self.gn = nn.GroupNorm(width, width)
        self.conv2 = nn.Conv1d(width, width, 5, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, J, d) -> (B, J, d)."""
        y = nn.functional.gelu(self.conv1(x.transpose(1, 2)))  # (B, d, J)
        return x + self.conv2(self.gn(y)).transpose(1, 2)


class CrossFrame(nn.Module):
    """Compact generalised non-local block with the frames as channels.

    In each of the three groups of frames one number, the product of ``p`` and ``g``, scales ``t``.
    """

    def __init__(self, frames: int, groups: int = 3) -> None:
        super().__init__()
        self.groups = groups
        self.t = nn.Conv1d(frames, frames, 3, padding=1, bias=False)
        self.p = nn.Conv1d(frames, frames, 3, padding=1, bias=False)
        self.g = nn.Conv1d(frames, frames, 3, padding=1, bias=False)
        self.z = nn.Conv1d(frames, frames, 3, padding=1, groups=groups, bias=False)
        self.gn = nn.GroupNorm(groups, frames)

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, D) -> (B, F, D)."""
        t, p, g = (conv(x).unflatten(1, (self.groups, -1)) for conv in (self.t, self.p, self.g))
        product = (p * g).sum(dim=(2, 3), keepdim=True)  # (B, groups, 1, 1)
        return x + self.gn(self.z((product * t).flatten(1, 2)))


class CrossBlock(nn.Module):
    """Attention, interaction, MLP; each branch with a norm before and a learned scale behind."""

    def __init__(self, width: int, heads: int, drop_path: float, frames: int | None = None) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width), Attention(width, heads, qkv_bias=False)
        self.norm2, self.mlp = nn.LayerNorm(width), Mlp(width, 4 * width)
        self.norm3 = nn.LayerNorm(width)
        self.local_name = "local_mp" if frames is None else "local"
        self.add_module(self.local_name, CrossJoint(width) if frames is None else CrossFrame(frames))
        self.gamma1 = nn.Parameter(torch.full((width,), 1e-5))
        self.gamma2 = nn.Parameter(torch.full((width,), 1e-5))
        self.gamma3 = nn.Parameter(torch.full((width,), 1e-5))
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        local = getattr(self, self.local_name)
        x = x + self.drop_path(self.gamma1 * self.attn(self.norm1(x)))
        x = x + self.drop_path(self.gamma3 * local(self.norm3(x)))
        return x + self.drop_path(self.gamma2 * self.mlp(self.norm2(x)))


class CrossFormer(nn.Module):
    """The released network, 81 frames, 17 joints.

    The released class has 14,790,259 parameters; 14,624,501 of them are read and stand here. The
    rest is dropped from a checkpoint when it is loaded.

    Args:
        drop_path: Rate of the last block. The released class sets it back to 0, whatever is asked.
        zero_frames: The released ``forward`` sets frames 10 to 15 to zero, which looks like a
            forgotten experiment; True repeats that (its checkpoints were perhaps trained with it).
    """

    def __init__(self, *, drop_path: float = 0.0, zero_frames: bool = False) -> None:
        super().__init__()
        width, joints, heads = 32, 17, 8
        full = joints * width
        rates = drop_path_rates(drop_path, 4)
        self.zero_frames = zero_frames
        self.Spatial_patch_to_embedding = nn.Linear(2, width)
        self.Spatial_pos_embed = nn.Parameter(torch.zeros(1, joints, width))
        self.Temporal_pos_embed1 = nn.Parameter(torch.zeros(1, full))
        self.Spatial_blocks = nn.ModuleList([CrossBlock(width, heads, r) for r in rates])
        self.blocks1 = nn.ModuleList([CrossBlock(full, heads, r, FRAMES) for r in rates])
        self.Spatial_norm = nn.LayerNorm(width)
        self.Temporal_norm1 = nn.LayerNorm(full)
        self.weighted_mean = nn.Conv1d(FRAMES, 1, 1)
        self.head = nn.Sequential(nn.LayerNorm(full), nn.Linear(full, joints * 3))
        self.register_load_state_dict_pre_hook(_drop_unused)

    def forward(self, keypoints: Tensor) -> Tensor:
        """3D pose of the centre frame relative to the pelvis, metres.

        Args:
            keypoints: (B, 81, 17, 2), normalised.

        Returns:
            (B, 1, 17, 3).
        """
        if self.zero_frames:
            keypoints = torch.cat([keypoints[:, :10], 0 * keypoints[:, 10:16], keypoints[:, 16:]], dim=1)
        x = self.Spatial_patch_to_embedding(keypoints.flatten(0, 1)) + self.Spatial_pos_embed  # (B*F, J, d)
        for block in self.Spatial_blocks:
            x = block(x)
        x = self.Spatial_norm(x).flatten(1).unflatten(0, (-1, FRAMES))  # (B, F, D)
        x = x + self.Temporal_pos_embed1
        for block in self.blocks1:
            x = block(x)
        x = self.weighted_mean(self.Temporal_norm1(x))  # (B, 1, D)
        return self.head(x).unflatten(-1, (-1, 3))


def _drop_unused(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    for key in [k for k in state if UNUSED.match(k.removeprefix(prefix))]:
        del state[key]
