"""Run one network on one runtime in a process of its own, and time it.

A runtime that crashes, hangs or needs all memory takes only this process with it. The parent
calls ``try_runtime``; the child is ``python -m posemo_ros.inference.trial FOLDER``.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import ModelError, PosemoError, reason
from .session import Feeds, Outputs, one_by_one

TIMEOUT_S = 900.0  # the first run on TensorRT builds an engine
RUNS, BUDGET_S = 20, 1.0


@dataclass(frozen=True, eq=False)
class Trial:
    """What a runtime answered.

    Attributes:
        outputs: One dictionary per dictionary of feeds.
        alone: The same where every person was asked about alone; empty where the network's batch is
            not free.
        ms: Milliseconds for all feeds, the fastest of up to 20 rounds: what else the machine
            does can only add to it.
    """

    outputs: list[Outputs]
    ms: float
    alone: list[Outputs] = field(default_factory=list)


def try_runtime(
    path: Path,
    runtime: str,
    feeds: Sequence[Feeds],
    *,
    threads: int,
    shapes: Sequence[tuple[int, ...]],
    cache_dir: Path,
    timeout_s: float = TIMEOUT_S,
) -> Trial:
    """Run a network on a runtime, in a process of its own.

    Args:
        path: ONNX file.
        runtime: One of ``runtimes.RUNTIMES``.
        feeds: Inputs to run one after the other.
        threads, shapes, cache_dir: See ``open_session``.
        timeout_s: How long it may take, building an engine included.

    Raises:
        ModelError: The runtime cannot load or run it, crashed, or did not come to an end.
    """
    with tempfile.TemporaryDirectory(prefix="posemo_trial_") as name:
        folder = Path(name)
        request = {
            "path": str(path.resolve()),
            "runtime": runtime,
            "threads": threads,
            "shapes": [list(shape) for shape in shapes],
            "cache_dir": str(cache_dir),
        }
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        _save(folder / "feeds.npz", feeds)
        _run_child(folder, timeout_s)
        answer = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
        alone = _load(folder / "alone.npz")
        return Trial(_load(folder / "outputs.npz"), float(answer["ms"]), alone)


def _run_child(folder: Path, timeout_s: float) -> None:
    command = [sys.executable, "-m", __name__, str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        raise ModelError(f"did not come to an end within {timeout_s:.0f} s") from None
    if done.returncode < 0:
        raise ModelError(f"crashed ({signal.Signals(-done.returncode).name})")
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise ModelError(lines[-1] if lines else f"ended with exit code {done.returncode}")


def _save(path: Path, dictionaries: Sequence[Feeds]) -> None:
    arrays = {f"{i}:{name}": array for i, feeds in enumerate(dictionaries) for name, array in feeds.items()}
    np.savez(path, **arrays)  # type: ignore[arg-type]


def _load(path: Path) -> list[Outputs]:
    found: dict[int, Outputs] = {}
    with np.load(path, allow_pickle=False) as archive:
        for key in archive.files:
            number, name = key.split(":", 1)
            found.setdefault(int(number), {})[name] = archive[key]
    return [found[i] for i in sorted(found)]


def main(folder: Path) -> int:
    """Entry of the child."""
    from .sessions import open_session

    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    feeds = _load(folder / "feeds.npz")
    try:
        session = open_session(
            request["path"],
            runtime=request["runtime"],
            threads=request["threads"],
            shapes=[tuple(shape) for shape in request["shapes"]],
            cache_dir=Path(request["cache_dir"]),
        )
        outputs = [session.run(f) for f in feeds]
        free = all(spec.shape[0] == -1 for spec in (*session.inputs, *session.outputs))
        alone = [one_by_one(session, f) for f in feeds] if free else []
        times: list[float] = []
        while len(times) < RUNS and sum(times) < BUDGET_S:
            start = time.perf_counter()
            for f in feeds:
                session.run(f)
            times.append(time.perf_counter() - start)
    except PosemoError as error:
        print(reason(error), file=sys.stderr)
        return 1
    except Exception as error:  # whatever a runtime raises: one line, not the last of a traceback
        print(f"{type(error).__name__}: {reason(error)}", file=sys.stderr)
        return 1
    _save(folder / "outputs.npz", outputs)
    _save(folder / "alone.npz", alone)
    (folder / "answer.json").write_text(json.dumps({"ms": min(times) * 1e3}), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
