"""MoEmo (paper A, arXiv 2310.09757): emotion from movement and the scene around it.

``MoEmoOfficial`` is the network of the released code, ``MoEmoX`` our own with the same idea:
movement tokens ask, context tokens answer. Both take poses and turn them into movement.
Symbols: B samples, T poses, J joints, K context images, P tokens of one image, C their width,
D width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import Attention, CrossAttention, Mlp, choose

EMOTION_CLASSES = 6
MOVEMENTS = {"pair": 6, "delta": 3, "both": 9}  # -> numbers per joint and step
OFFICIAL_FUSIONS = ("cross", "concat", "pose", "context")
FUSIONS = ("cross", "self", "concat", "pose", "context")
CONTEXT_TOKENS = ("all", "patch", "cls")

# H36M-17 indices. "no_head" also leaves out spine and thorax: the 13 limb joints and the pelvis.
JOINT_SUBSETS: dict[str, tuple[int, ...]] = {
    "all": tuple(range(17)),
    "no_head": (0, 1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16),
    "upper": (9, 10, 11, 12, 13, 14, 15, 16),
    "ends": (3, 6, 9, 10, 13, 16),
}


def movement_vectors(poses: Tensor, kind: str) -> Tensor:
    """What happens between consecutive poses.

    Args:
        poses: (B, T, J, 3) metres.
        kind: ``pair``: pose and next pose side by side (the released code's "movement
            vectors"), ``delta``: their difference, ``both``.

    Returns:
        (B, T-1, J, 6 | 3 | 9).
    """
    now, then = poses[:, :-1], poses[:, 1:]  # (B, T-1, J, 3)
    parts = {"pair": [now, then], "delta": [then - now], "both": [now, then, then - now]}
    return torch.cat(parts[kind], dim=-1)


class WindowAttention(nn.Module):
    """One-head attention over a grid of tokens with Swin's relative position bias.

    Args:
        width: D.
        grid: Rows and columns of the grid; N is their product.
        cross: Queries come from a second sequence (parameters ``q``, ``kv`` instead of ``qkv``).
    """

    relative_position_index: Tensor

    def __init__(self, width: int, grid: tuple[int, int], *, cross: bool = False) -> None:
        super().__init__()
        rows, columns = grid
        table = torch.empty((2 * rows - 1) * (2 * columns - 1), 1)
        self.relative_position_bias_table = nn.Parameter(nn.init.trunc_normal_(table, std=0.02))
        self.register_buffer("relative_position_index", relative_positions(rows, columns))
        self.cross = cross
        if cross:
            self.q = nn.Linear(width, width)
            self.kv = nn.Linear(width, 2 * width)
        else:
            self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, asking: Tensor | None = None) -> Tensor:
        """(B, N, D), asked by (B, N, D) where ``cross`` -> (B, N, D)."""
        if self.cross:
            q, (k, v) = self.q(asking), self.kv(x).chunk(2, dim=-1)  # (B, N, D)
        else:
            q, k, v = self.qkv(x).chunk(3, dim=-1)  # (B, N, D)
        bias = self.relative_position_bias_table[self.relative_position_index, 0]  # (N, N)
        q, k, v = (t[:, None] for t in (q, k, v))  # (B, 1, N, D): the ONNX exporter wants the head
        return self.proj(F.scaled_dot_product_attention(q, k, v, attn_mask=bias)[:, 0])


def relative_positions(rows: int, columns: int) -> Tensor:
    """(N, N) int64: which entry of the bias table belongs to a pair of cells (Swin, sec. 3.2)."""
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    cells = torch.stack([row.flatten(), column.flatten()])  # (2, N)
    apart = cells[:, :, None] - cells[:, None, :]  # (2, N, N)
    return (apart[0] + rows - 1) * (2 * columns - 1) + apart[1] + columns - 1


class MoEmoOfficial(nn.Module):
    """The released network with its parameter names: 16 frames, CLIP ViT-B/32 tokens.

    Five convolutions shrink the context to a grid of 17 x 24 cells with 15 numbers each, the
    movement is repeated to the same grid, and time is the width of every token. As released
    there is no residual around the attentions, and no activation between the convolutions.
    25,305 parameters; the released class has 231,891 more in an ``end_conv`` that nothing
    uses: they are dropped from a checkpoint when it is loaded.

    Args:
        fusion: ``cross`` as released. For the ablations of paper A, whose code has none: ``concat``:
            both grids side by side through one linear layer in place of the cross-attention;
            ``pose``: movement asks itself and the context is not read; ``context``: the other way
            round, the movement is not read.
    """

    FRAMES, GRID = 16, (17, 24)

    def __init__(self, fusion: str = "cross") -> None:
        super().__init__()
        self.fusion = choose("fusion", fusion, OFFICIAL_FUSIONS)
        steps = self.FRAMES - 1
        if fusion != "pose":
            self._make_convolutions(steps)
        if fusion == "concat":
            self.join = nn.Linear(2 * steps, steps)
        else:
            self.contextTransformer = WindowAttention(steps, self.GRID, cross=True)
        self.norm, self.mlp = nn.LayerNorm(steps), Mlp(steps, steps)
        self.transformer1 = WindowAttention(steps, self.GRID)
        self.norm1, self.mlp1 = nn.LayerNorm(steps), Mlp(steps, steps)
        self.transformer2 = WindowAttention(steps, self.GRID)
        self.norm2, self.mlp2 = nn.LayerNorm(steps), Mlp(steps, steps)
        self.transformer3 = WindowAttention(steps, self.GRID)
        self.norm3, self.mlp3 = nn.LayerNorm(steps), Mlp(steps, steps)
        self.head = nn.Linear(steps, EMOTION_CLASSES)
        self.register_load_state_dict_pre_hook(_drop_end_conv)

    def forward(self, poses: Tensor, context: Tensor | None = None) -> Tensor:
        """Logits in the released order: angry, happy, sad, fear, surprise, disgust.

        Args:
            poses: (B, 16, 17, 3) metres, relative to the pelvis.
            context: (B, 16, 50, 768) CLIP's last hidden states; not read by ``pose``.

        Returns:
            (B, 6).
        """
        movement = movement_vectors(poses, "pair").repeat(1, 1, 1, 4)  # (B, 15, 17, 24)
        asking = _cells_to_tokens(movement)  # (B, 408, 15)
        scene = asking if self.fusion == "pose" else _cells_to_tokens(self._shrink(context))  # (B, 408, 15)
        if self.fusion == "context":
            asking = scene
        if self.fusion == "concat":
            y = self.join(torch.cat([asking, scene], dim=-1))
        else:
            y = self.contextTransformer(scene, asking)
        y = y + self.mlp(self.norm(y))
        for i in (1, 2, 3):
            y = getattr(self, f"transformer{i}")(y)
            y = y + getattr(self, f"mlp{i}")(getattr(self, f"norm{i}")(y))
        return self.head((scene + y).mean(dim=1))

    def _make_convolutions(self, steps: int) -> None:
        self.context_conv1 = nn.Conv2d(self.FRAMES, steps, (3, 5), padding=(1, 2), stride=(1, 2))
        self.context_conv2 = nn.Conv2d(steps, steps, (3, 5), padding=(1, 2), stride=(1, 2))
        self.context_conv3 = nn.Conv2d(steps, steps, 3, padding=1, stride=2)
        self.context_conv4 = nn.Conv2d(steps, steps, 3, padding=1, stride=(1, 2))
        self.context_conv5 = nn.Conv2d(steps, steps, 3, padding=(5, 1), stride=2)

    def _shrink(self, context: Tensor | None) -> Tensor:
        if context is None:
            raise ValueError(f"fusion: {self.fusion!r} looks at the context, and none is given")
        x = self.context_conv1(context)  # (B, 15, 50, 384)
        x = self.context_conv2(x)  # (B, 15, 50, 192)
        x = self.context_conv3(x)  # (B, 15, 25, 96)
        x = self.context_conv4(x)  # (B, 15, 25, 48)
        return self.context_conv5(x)  # (B, 15, 17, 24)


def _cells_to_tokens(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2)  # (B, D, rows, columns) -> (B, N, D)


def _drop_end_conv(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    for key in [k for k in state if k.startswith(f"{prefix}end_conv.")]:
        del state[key]


class SelfLayer(nn.Module):
    """Pre-norm self-attention and MLP, both with residuals."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width), Attention(width, heads, dropout)
        self.norm2, self.mlp = nn.LayerNorm(width), Mlp(width, 4 * width, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class CrossLayer(nn.Module):
    """As ``SelfLayer``, but the tokens ask a second sequence."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width), CrossAttention(width, heads, dropout)
        self.norm2, self.mlp = nn.LayerNorm(width), Mlp(width, 4 * width, dropout)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """(B, N, D) asks (B, M, D) -> (B, N, D)."""
        x = x + self.attn(self.norm1(x), other)
        return x + self.mlp(self.norm2(x))


class MovementTokens(nn.Module):
    """Poses to one token per joint and step, with joint and time embeddings."""

    subset: Tensor

    def __init__(self, frames: int, joints: str, movement: str, width: int) -> None:
        super().__init__()
        subset = JOINT_SUBSETS[joints]
        self.kind = movement
        self.register_buffer("subset", torch.tensor(subset), persistent=False)
        self.embed = nn.Linear(MOVEMENTS[movement], width)
        self.joint = nn.Parameter(torch.randn(1, 1, len(subset), width) * 0.02)
        self.time = nn.Parameter(torch.randn(1, frames - 1, 1, width) * 0.02)

    def forward(self, poses: Tensor) -> Tensor:
        """(B, T, 17, 3) -> (B, (T-1)*J, D)."""
        steps = movement_vectors(poses.index_select(2, self.subset), self.kind)  # (B, T-1, J, m)
        return (self.embed(steps) + self.joint + self.time).flatten(1, 2)


class ContextTokens(nn.Module):
    """Image encoder tokens to the width of the network, with patch and time embeddings."""

    def __init__(self, images: int, tokens: int, channels: int, kind: str, width: int) -> None:
        super().__init__()
        self.kind = kind
        used = {"all": tokens, "patch": tokens - 1, "cls": 1}[kind]
        self.norm = nn.LayerNorm(channels)
        self.embed = nn.Linear(channels, width)
        self.patch = nn.Parameter(torch.randn(1, 1, used, width) * 0.02)
        self.time = nn.Parameter(torch.randn(1, images, 1, width) * 0.02)

    def forward(self, context: Tensor) -> Tensor:
        """(B, K, P, C), class token first -> (B, K*used, D)."""
        if self.kind == "patch":
            context = context[:, :, 1:]
        elif self.kind == "cls":
            context = context[:, :, :1]
        return (self.embed(self.norm(context)) + self.patch + self.time).flatten(1, 2)


class MoEmoX(nn.Module):
    """Our fusion: pre-norm transformer, movement tokens ask context tokens.

    With the defaults 6.55 M parameters; ``self`` and ``concat`` have 3.39 M. A small network
    for some thousand clips: ``width=64, depth=2, heads=4, dropout=0.2``.

    Args:
        frames: T poses.
        fusion: ``cross``: each layer lets movement ask context, then itself. ``self``: one
            sequence of both kinds of tokens. ``concat``: the mean context token joins at the
            head. ``pose``, ``context``: one of the two alone.
        movement: One of ``MOVEMENTS``.
        joints: One of ``JOINT_SUBSETS``; the input has all 17 in any case.
        context: Which context tokens to use: ``all``, ``patch`` (no class token) or ``cls``.
        context_frames, context_tokens, context_width: K, P, C of the input; 50 x 768 is CLIP
            ViT-B/32.
        width, depth, heads, dropout: Of the transformer.
        neutral: A seventh class, movement that shows no emotion.

    A run "without context" is ``fusion="pose"``; one with shuffled context is a matter of the
    data, not of the network.
    """

    def __init__(
        self,
        frames: int = 16,
        *,
        fusion: str = "cross",
        movement: str = "pair",
        joints: str = "all",
        context: str = "all",
        context_frames: int = 16,
        context_tokens: int = 50,
        context_width: int = 768,
        width: int = 256,
        depth: int = 4,
        heads: int = 8,
        dropout: float = 0.1,
        neutral: bool = False,
    ) -> None:
        super().__init__()
        self.fusion = choose("fusion", fusion, FUSIONS)
        choose("movement", movement, tuple(MOVEMENTS))
        choose("joints", joints, tuple(JOINT_SUBSETS))
        choose("context", context, CONTEXT_TOKENS)
        self.cls = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        if fusion != "context":
            self.movement = MovementTokens(frames, joints, movement, width)
        if fusion != "pose":
            self.context = ContextTokens(context_frames, context_tokens, context_width, context, width)
        if fusion == "cross":
            self.cross = nn.ModuleList([CrossLayer(width, heads, dropout) for _ in range(depth)])
        self.layers = nn.ModuleList([SelfLayer(width, heads, dropout) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        classes = EMOTION_CLASSES + neutral
        self.head = nn.Linear(2 * width if fusion == "concat" else width, classes)

    def forward(self, poses: Tensor, context: Tensor | None = None) -> Tensor:
        """Logits in the order of ``posemo_ros.types.EMOTIONS``, then of neutral where it is a class.

        Args:
            poses: (B, T, 17, 3) metres, relative to the pelvis; not read by ``context``.
            context: (B, K, P, C); not read by ``pose``.

        Returns:
            (B, 6), (B, 7) with neutral.
        """
        tokens = [self.cls.expand(poses.shape[0], -1, -1)]
        if self.fusion != "context":
            tokens.append(self.movement(poses))  # (B, (T-1)*J, D)
        if self.fusion != "pose":
            scene: Tensor = self.context(context)  # (B, K*P, D)
        if self.fusion in ("self", "context"):
            tokens.append(scene)
        x = torch.cat(tokens, dim=1)  # (B, 1+N, D)
        for i, layer in enumerate(self.layers):
            if self.fusion == "cross":
                x = self.cross[i](x, scene)
            x = layer(x)
        answer = self.norm(x[:, 0])  # (B, D)
        if self.fusion == "concat":
            answer = torch.cat([answer, scene.mean(dim=1)], dim=-1)  # (B, 2D)
        return self.head(answer)
