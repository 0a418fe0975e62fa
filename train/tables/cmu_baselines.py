"""What answers the CMU comparison without training: the zero pose, the mean pose, a ridge regression."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train.data.modules import Cmu
from train.data.sequences import Windows
from train.tasks.lifter import by_action

from .cmu_runs import METRICS, Budget, data_options

_RIDGE = 1e-3


def baselines(
    data: Path, budget: Budget, frames: Sequence[int], max_videos: int | None
) -> list[dict[str, Any]]:
    """The zero pose, the mean pose, and a ridge regression for every window length."""
    source = Cmu(**{**data_options(data, budget, max_videos), "folder": data})
    train, test = source.videos("train"), source.videos("test")
    windows = Windows(test, 1, source.layout)
    truth = windows.joints[windows.centres]
    mean = Windows(train, 1, source.layout).joints.mean(0)
    rows = []
    for name, pose in (("zero pose", np.zeros_like(mean)), ("mean pose", mean)):
        answer = np.broadcast_to(pose, truth.shape).astype(np.float32)
        rows.append(_baseline(name, "-", answer, truth, windows))
    for f in frames:
        learn = Windows(train, f, source.layout, stride=max(1, f // 9))
        ask = Windows(test, f, source.layout)
        answer = ridge(learn, ask)
        rows.append(_baseline("linear", f, answer, truth, windows))
    return rows


def ridge(learn: Windows, ask: Windows) -> NDArray[np.float32]:
    """(N, 17, 3) poses from a linear map of the windows, fitted by ridge regression."""
    size = learn.frames * int(np.prod(learn.keypoints.shape[1:])) + 1
    square, product = np.zeros((size, size)), np.zeros((size, 51))
    for x, y in _parts(learn):
        square += x.T @ x
        product += x.T @ y
    weights = np.linalg.solve(square + _RIDGE * len(learn) * np.eye(size), product)
    return np.concatenate([(x @ weights).reshape(-1, 17, 3) for x, _ in _parts(ask)]).astype(np.float32)


def _parts(windows: Windows) -> Iterable[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    for start in range(0, len(windows), 2048):
        batch = windows[list(range(start, min(start + 2048, len(windows))))]
        flat = batch["keypoints"].reshape(len(batch["index"]), -1).astype(np.float64)
        target = batch["joints"][:, windows.frames // 2].reshape(len(flat), -1).astype(np.float64)
        yield np.concatenate([flat, np.ones((len(flat), 1))], 1), target


def _baseline(
    name: str, frames: int | str, answer: NDArray[np.float32], truth: NDArray[np.float32], windows: Windows
) -> dict[str, Any]:
    average = by_action(answer, truth, np.arange(len(truth)), windows)["average"]
    measured = {m: average[m] for m in METRICS}
    return {"frames": frames, "variant": name, "frames_tested": average["frames"], **measured}
