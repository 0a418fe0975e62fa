"""The shipped network and people who keep still: who waits, reads or sits shows a posture, not an emotion."""

from __future__ import annotations

import numpy as np
import pytest

from posemo_ros.inference.store import ModelStore
from posemo_ros.pipeline import Models, build_emotion
from posemo_ros.types import EmotionStatus, Skeletons3D, View


def bowed(lean: float, head: float) -> np.ndarray:
    """(17, 3) H36M-17 in a level camera's axes (y down): somebody in front, trunk and head bent (radians)."""
    out = np.zeros((17, 3), np.float32)
    for side, hip, knee, ankle in ((-1, 1, 2, 3), (1, 4, 5, 6)):
        out[[hip, knee, ankle]] = [[0.13 * side, 0, 0], [0.13 * side, 0.42, 0], [0.13 * side, 0.84, 0]]
    trunk = np.array([0, -np.cos(lean), -np.sin(lean)])
    out[7], out[8] = 0.24 * trunk, 0.48 * trunk
    out[9] = out[8] + 0.1 * trunk
    out[10] = out[9] + 0.11 * np.array([0, -np.cos(head), -np.sin(head)])
    for side, shoulder, elbow, wrist in ((1, 11, 12, 13), (-1, 14, 15, 16)):
        out[shoulder] = out[8] + [0.17 * side, 0.03, 0]
        out[elbow] = out[shoulder] + [0.02 * side, 0.28, 0]
        out[wrist] = out[elbow] + [0, 0.27, -0.05]
    return out


@pytest.mark.parametrize(("lean", "head"), [(0.0, 0.9), (0.3, 1.0), (0.7, 1.2), (1.2, 1.3)])
def test_a_bowed_head_alone_is_no_emotion(lean: float, head: float) -> None:
    """Standing and looking down for 6 s, with the trembling of a lifter."""
    station = build_emotion(Models(runtime="onnxruntime", threads=1), ModelStore())
    assert station is not None
    rng, pose, said = np.random.default_rng(0), bowed(lean, head), set[EmotionStatus]()
    for index in range(180):
        relative = (pose + rng.normal(0, 0.002, pose.shape)).astype(np.float32)[None]
        where = np.float32([[0, 0, 4]])
        view = View(round(index / 30 * 1e9))
        said |= set(
            station.judge(
                Skeletons3D(("p1",), relative, where, np.ones((1, 17), np.float32), view=view)
            ).status
        )
    assert said == {EmotionStatus.TOO_FEW_FRAMES, EmotionStatus.NOT_ENOUGH_EVIDENCE}
