"""The losses of both papers. Symbols: B samples, J joints, F frames."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def heatmap_loss(predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean squared error of the heatmaps (paper B, eq. 9; the released code halves it).

    Args:
        predicted, target: (B, J, H, W).
        weight: (B, J), multiplies both, so joints with 0 count as perfect.

    Returns:
        Scalar: half the mean over samples, joints and cells.
    """
    return 0.5 * ((predicted - target) * weight[..., None, None]).square().mean()


def position_error(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean distance per joint (MPJPE), eq. 10 and 11 divided by their number of terms.

    Args:
        predicted, target: (..., J, 3).

    Returns:
        Scalar, in their unit.
    """
    return torch.linalg.vector_norm(predicted - target, dim=-1).mean()


def scaled_error(predicted: Tensor, target: Tensor) -> Tensor:
    """MPJPE after the best scale of every pose (N-MPJPE, Rhodin et al., 2018).

    Args:
        predicted, target: (B, F, J, 3).

    Returns:
        Scalar.
    """
    agreement = (predicted * target).sum(dim=(-1, -2), keepdim=True)
    scale = agreement / predicted.square().sum(dim=(-1, -2), keepdim=True).clamp_min(1e-12)
    return position_error(scale * predicted, target)


def velocity_error(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean distance of the movements from frame to frame; 0 for a single frame.

    Args:
        predicted, target: (B, F, J, 3).

    Returns:
        Scalar, per frame.
    """
    if target.shape[1] < 2:
        return predicted.new_zeros(())
    return position_error(predicted.diff(dim=1), target.diff(dim=1))


def lifting_loss(
    sequence: Tensor,
    centre: Tensor,
    target: Tensor,
    *,
    sequence_weight: float = 1.0,
    centre_weight: float = 1.0,
) -> Tensor:
    """Paper B, eq. 12: L = lambda_s L_s + lambda_t L_t.

    The paper does not say over which poses the two sums run. As in P-STMO: all frames, and the
    centre frame once more, both with weight 1.

    Args:
        sequence: (B, F, J, 3), a pose per frame.
        centre: (B, 1, J, 3), the pose of the centre frame; ``sequence[:, F//2 : F//2 + 1]`` for a
            network that has no separate answer.
        target: (B, F, J, 3).

    Returns:
        Scalar.
    """
    middle = target.shape[1] // 2
    return sequence_weight * position_error(sequence, target) + centre_weight * position_error(
        centre, target[:, middle : middle + 1]
    )


def bone_error(predicted: Tensor, target: Tensor, bones: Sequence[tuple[int, int]]) -> Tensor:
    """Mean difference of the bones' lengths.

    Args:
        predicted, target: (..., J, 3).
        bones: Pairs of joints.

    Returns:
        Scalar, in their unit.
    """
    a, b = torch.tensor(bones, device=target.device).T
    lengths = [torch.linalg.vector_norm(p[..., a, :] - p[..., b, :], dim=-1) for p in (predicted, target)]
    return (lengths[0] - lengths[1]).abs().mean()


def weighted_error(predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean distance of the joints with a weight; 0 without any.

    Args:
        predicted, target: (..., J, 3).
        weight: (..., J).
    """
    away = torch.linalg.vector_norm(predicted - target, dim=-1)
    return (away * weight).sum() / weight.sum().clamp_min(1)


def certainty_loss(scores: Tensor, away: Tensor, within: float) -> Tensor:
    """Cross-entropy of "less than ``within`` off" with the scores.

    Args:
        scores: (..., J) in 0..1.
        away: (..., J) distances from the truth; nothing is learned from them here.
        within: In their unit.
    """
    return torch.nn.functional.binary_cross_entropy(scores, (away.detach() < within).to(scores))
