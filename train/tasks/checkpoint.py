"""Weights in checkpoints of this package's own training, and in released ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from posemo_ros.errors import ModelError
from train.models.weights import fill, read_state

PREFIX = "network."
CONFIGS = Path(__file__).resolve().parent.parent / "configs"
LEARNED = "manifest"  # key of a checkpoint: settings that only the run can tell


def best_checkpoint(run: Path) -> Path:
    """The checkpoint of a run that was best by its ``checkpoint.monitor``; without one, the last.

    Raises:
        ModelError: The folder holds no run, or the best checkpoint is gone.
    """
    last = run / "checkpoints" / "last.ckpt"
    if not last.is_file():
        raise ModelError(f"{run}: no checkpoints/last.ckpt; expected the folder of a run of `train fit`")
    try:
        callbacks = torch.load(last, map_location="cpu", weights_only=True, mmap=True).get("callbacks", {})
    except Exception as error:  # torch raises many kinds for a damaged file
        raise ModelError(f"cannot read the checkpoint {last}: {error}") from error
    states = [state for name, state in callbacks.items() if name.startswith("ModelCheckpoint")]
    named = next((Path(s["best_model_path"]).name for s in states if s.get("best_model_path")), "")
    if not named or not states[0].get("best_model_score"):
        return last
    best = last.with_name(named)
    if not best.is_file():
        raise ModelError(f"{best}: the best checkpoint of the run is gone; name another one, such as {last}")
    return best


def network_state(path: Path) -> dict[str, Tensor]:
    """The network's parameters by its own names.

    Args:
        path: A released checkpoint, or one of a task here (then the averaged weights), or the folder
            of a run (then its best checkpoint).

    Raises:
        ModelError: The file is missing, cannot be read or holds no weights.
    """
    if not path.exists():
        advice = "expected a checkpoint or the folder of a run"
        if path.parts[:1] == ("runs",) and CONFIGS.joinpath(*path.parts[1:]).with_suffix(".yaml").exists():
            advice = (
                f"train it first: python -m train fit --config train/configs/{'/'.join(path.parts[1:])}.yaml"
            )
        raise ModelError(f"{path} not found; {advice}")
    state = read_state(best_checkpoint(path) if path.is_dir() else path)
    own = {k.removeprefix(PREFIX): v for k, v in state.items() if k.startswith(PREFIX)}
    return own or state


def learned_settings(path: Path) -> dict[str, Any]:
    """Settings of the manifest that a run of ours found out; none in released checkpoints.

    Args:
        path: A checkpoint, or the folder of a run (then its best).
    """
    path = best_checkpoint(path) if path.is_dir() else path
    state = torch.load(path, map_location="cpu", weights_only=True)
    return dict(state.get(LEARNED, {})) if isinstance(state, dict) else {}


def start_from(
    network: nn.Module, path: Path, *, may_miss: Iterable[str] = (), may_have: Iterable[str] = ()
) -> None:
    """Fill a network.

    Args:
        network: Changed in place.
        path: See ``network_state``; a file or the folder of a run.
        may_miss, may_have: See ``weights.fill``.

    Raises:
        ModelError: The names or shapes do not fit; it lists them.
    """
    fill(network, network_state(path), str(path), may_miss=may_miss, may_have=may_have)
