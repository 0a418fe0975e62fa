"""Weights of an exported lifter as a checkpoint to train further.

The export folds batch normalisation into the convolutions. Here it comes back: each layer gets the mean
and spread that its sums have on a batch, so that it computes what the file computes, and trains on.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from posemo_ros.errors import ModelError

from .temporal import TemporalLifter
from .weights import read_onnx

INPUT = "expand.0.weight"
Hook = Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]


def channels_of(path: Path) -> int:
    """Numbers per keypoint that an exported lifter reads.

    Raises:
        ModelError: The file is of another network.
    """
    first = _weights(path).get(INPUT)
    if first is None or first.dim() != 3:
        raise ModelError(f"{path}: has no {INPUT}; expected a lifter written by 'python -m train export'")
    return first.shape[1] // 17


def _weights(path: Path) -> dict[str, Tensor]:
    from onnx import numpy_helper

    arrays = {i.name: numpy_helper.to_array(i).copy() for i in read_onnx(path).graph.initializer}
    return {name.removeprefix("network."): torch.from_numpy(array) for name, array in arrays.items()}


def load_exported(network: TemporalLifter, path: Path, keypoints: Tensor) -> None:
    """Fill a lifter from its ONNX file.

    Args:
        network: Changed in place; heads that the file lacks stay as they are.
        path: Written by ``python -m train export``.
        keypoints: (B, F, 17, C) as the network sees them, such as a batch to train on.

    Raises:
        ModelError: The file is of another network.
    """
    file = _weights(path)
    units = {
        name: (unit[0], unit[1])
        for name, unit in network.named_modules()
        if isinstance(unit, nn.Sequential) and isinstance(unit[1], nn.BatchNorm1d)
    }
    state: dict[str, Tensor] = {
        f"{name}.0.weight": conv.get_parameter("weight") for name, (conv, _) in units.items()
    }
    state |= {name: value for name, value in network.named_parameters() if name.startswith("head.")}
    state |= {n: v for n, v in network.named_parameters() if n.startswith("scores.") and n in file}
    odd = [k for k, v in state.items() if k not in file or file[k].shape != v.shape]
    if odd:
        raise ModelError(
            f"{path}: has no {odd[0]} of shape {list(state[odd[0]].shape)}; expected such a lifter"
        )
    with torch.no_grad():
        for name, parameter in state.items():
            parameter.copy_(file[name])
        hooks = [
            conv.register_forward_hook(_normaliser(norm, file[f"{name}.0.weight_bias"]))
            for name, (conv, norm) in units.items()
        ]
        network.eval().forward(keypoints)
    for hook in hooks:
        hook.remove()


def _normaliser(norm: nn.BatchNorm1d, bias: Tensor) -> Hook:
    """A hook that sets a batch normalisation so that it adds ``bias`` and nothing else."""

    def hook(_: nn.Module, __: tuple[Tensor, ...], sums: Tensor) -> None:
        mean, variance = sums.mean((0, 2)), sums.var((0, 2))
        norm.load_state_dict(
            {
                "running_mean": mean,
                "running_var": variance,
                "weight": (variance + norm.eps).sqrt(),
                "bias": mean + bias,
                "num_batches_tracked": torch.tensor(0),
            }
        )

    return hook
