"""The folder of a run: its checkpoints, and that nothing else writes between them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import ModelCheckpoint

from posemo_ros.errors import InputError
from posemo_ros.replay.run_folder import locked

LAST = "last.ckpt"
_KEYWORDS = ("last", "hpc", "best")  # of --ckpt_path: Lightning looks for the file
_PATHS = ("best_model_path", "kth_best_model_path", "last_model_path")


class Checkpoints(ModelCheckpoint):
    """Lightning's, for folders that may have been moved since: there it would forget which were the best."""

    @property
    def state_key(self) -> str:
        """That of Lightning's, as in checkpoints of before."""
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Of a checkpoint whose folder may have been moved since."""
        super().load_state_dict(_moved(state_dict, Path(str(self.dirpath))))


def _moved(state: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The state with its paths in ``folder``, if the best checkpoint lies there."""
    if not (folder / Path(state["best_model_path"]).name).is_file():
        return state
    paths = {name: str(folder / Path(state[name]).name) for name in _PATHS if state.get(name)}
    best = {str(folder / Path(path).name): score for path, score in state.get("best_k_models", {}).items()}
    return {**state, **paths, "best_k_models": best, "dirpath": str(folder)}


@contextmanager
def claimed(out: Path) -> Iterator[None]:
    """The folder of a run while a process trains in it; it is made.

    Raises:
        InputError: Another process trains in it.
    """
    out.mkdir(parents=True, exist_ok=True)
    handle = locked(out)
    try:
        yield
    finally:
        os.close(handle)


def refuse_another(out: Path, checkpoints: Path, resumed: str | None) -> None:
    """A training does not write between the files of another one.

    Args:
        out: Folder of the run.
        checkpoints: Folder of its checkpoints.
        resumed: ``--ckpt_path``.

    Raises:
        InputError: There is a run that this training does not go on with.
    """
    goes_on = resumed in _KEYWORDS or (resumed and Path(resumed).resolve().parent == checkpoints.resolve())
    if (checkpoints / LAST).exists() and not goes_on:
        raise InputError(
            f"{out} holds a run; go on with it (--ckpt_path last), remove it, or name another --out"
        )
