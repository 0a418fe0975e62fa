"""Weights in checkpoints of this package's own training, and in released ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from posemo_ros.errors import InputError, ModelError, reason
from posemo_ros.text_files import json_of, yaml_of
from train.models.weights import fill, read_checkpoint, read_state

PREFIX = "network."
CONFIG = "config.yaml"  # what a command leaves beside its log
_NOT_OF_FIT = {"verbose", "return_predictions"}  # options of the other commands, which stand there
CONFIGS = Path(__file__).resolve().parent.parent / "configs"
LEARNED = "manifest"  # key of a checkpoint: settings that only the run can tell


def best_checkpoint(run: Path) -> Path:
    """The checkpoint of a run that was best by its ``checkpoint.monitor``; without one, the last.

    Raises:
        ModelError: The folder holds no run, or several, or the best checkpoint is gone.
    """
    last = run / "checkpoints" / "last.ckpt"
    if not last.is_file():
        raise ModelError(f"{run}: no checkpoints/last.ckpt; expected the folder of a run of `train fit`")
    if others := sorted(p.name for p in last.parent.glob("last-v*.ckpt")):
        raise ModelError(
            f"{last.parent} holds checkpoints of several trainings (last.ckpt, {', '.join(others)}, as older "
            "versions left them); name the file that is meant"
        )
    callbacks = _read(last).get("callbacks", {})
    states = [state for name, state in callbacks.items() if name.startswith("ModelCheckpoint")]
    named = next((Path(s["best_model_path"]).name for s in states if s.get("best_model_path")), "")
    if not named or states[0].get("best_model_score") is None:
        return last
    best = last.with_name(named)
    if not best.is_file():
        raise ModelError(f"{best}: the best checkpoint of the run is gone; name another one, such as {last}")
    return best


def configuration(run: Path) -> Path:
    """The configuration that a run was trained with, beside the newest log of a `fit`.

    Tests leave theirs beside logs too, and may say otherwise; they count where nothing was trained.

    Raises:
        ModelError: The folder holds no run, or its configuration cannot be read.
    """
    found = sorted(run.glob(f"csv/version_*/{CONFIG}"), key=lambda p: int(p.parent.name.split("_")[1]))
    if not found:
        raise ModelError(f"{run}: no csv/version_*/{CONFIG}; expected the folder of a run of `train fit`")
    trained = [path for path in found if not _NOT_OF_FIT & set(_saved(path))]
    return (trained or found)[-1]


def _saved(path: Path) -> dict[str, Any]:
    try:
        content = yaml_of(path)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: expected the configuration of a run ({reason(error)})") from error
    if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
        raise ModelError(f"{path}: expected the configuration of a run, with model and data")
    return content


def identity(path: Path) -> dict[str, Any]:
    """Which weights a file holds, as ``test.json`` says it: ``weights``, its name, and ``place_of``.

    Args:
        path: A checkpoint, or the folder of a run (then its best).

    Raises:
        ModelError: It cannot be read.
    """
    path = best_checkpoint(path) if path.is_dir() else path
    return {"weights": path.name, **place_of(_read(path))}


def read_result(run: Path) -> dict[str, Any]:
    """What `train test` left in the folder of a run, ``test.json``.

    Raises:
        InputError: It is missing, cannot be read or is something else.
    """
    path, expected = run / "test.json", "expected the results of `python -m train test`"
    try:
        result = json_of(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {expected} ({reason(error)})") from error
    parts = result if isinstance(result, dict) else {}
    known = isinstance(parts.get("metrics"), dict) and isinstance(parts.get("samples"), int)
    if not known or not all(isinstance(parts.get(name), str) for name in ("data", "device", "precision")):
        raise InputError(f"{path}: {expected}; test again")
    return parts


def place_of(checkpoint: Mapping[str, Any]) -> dict[str, int]:
    """Whole ``epochs`` and ``steps`` that a run of ours had taken; empty for a released checkpoint."""
    if not {"epoch", "global_step", "loops"} <= set(checkpoint):
        return {}
    batches = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    whole = int(checkpoint["epoch"]) + bool(batches.get("is_last_batch", True))
    return {"epochs": whole, "steps": int(checkpoint["global_step"])}


def same_weights(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two ``identity`` of one run are the same: ``last.ckpt`` may be the best."""
    key = "steps" if "steps" in one and "steps" in other else "weights"
    return bool(one.get(key) == other.get(key))


def _read(path: Path) -> dict[str, Any]:
    content = read_checkpoint(path)
    return content if isinstance(content, dict) else {}


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
    return dict(_read(best_checkpoint(path) if path.is_dir() else path).get(LEARNED, {}))


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
