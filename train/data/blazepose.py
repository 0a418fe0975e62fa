"""An independent 3D pose network to compare skeletons with: BlazePose GHUM.

Grishchenko et al., "BlazePose GHUM Holistic: Real-time 3D Human Landmarks and Pose Estimation",
2022. The npm package ``@mediapipe/pose`` 0.5.1675469404 (Apache-2.0) has the networks as
``pose_landmark_{lite,full,heavy}.tflite``; ``npm pack @mediapipe/pose@0.5.1675469404`` brings it. It
saw other data than ours and has errors of its own: a peer, no truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from posemo_ros.errors import InputError, reason
from posemo_ros.types import Floats

SIDE = 256
_ENLARGE = 1.25
_ROUNDS = 2  # the second crop follows the landmarks of the first, as on video
_CENTRE, _EDGE = 33, 34  # landmarks that say where the next crop lies
# BlazePose's landmark of each limb joint that both sets have, by the joint's number in H36M-17.
LANDMARKS = {1: 24, 2: 26, 3: 28, 4: 23, 5: 25, 6: 27, 11: 11, 12: 13, 13: 15, 14: 12, 15: 14, 16: 16}
JOINTS = np.array(list(LANDMARKS))
_POINTS = np.array(list(LANDMARKS.values()))
_HIPS = (11, 12)


@dataclass(frozen=True, eq=False)
class Pose:
    """What the peer says of one person.

    Attributes:
        joints: (12, 3) metres about the middle of the hips, x right, y down, z away; those of ``JOINTS``.
        visible: (12,) 0..1.
        present: Whether a person is seen at all, 0..1.
    """

    joints: Floats
    visible: Floats
    present: float


class BlazePose:
    """The landmark network on crops that are placed by our keypoints.

    Args:
        path: ``pose_landmark_full.tflite`` or another of them.

    Raises:
        InputError: The file is missing.
    """

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        if not path.is_file():
            raise InputError(
                f"{path}: not there; `npm pack @mediapipe/pose@0.5.1675469404` brings such a file"
            )
        try:
            self._network: Any = Interpreter(str(path), num_threads=1)
            self._network.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise InputError(f"{path}: expected a network of LiteRT ({reason(error)})") from error
        self._input = self._network.get_input_details()[0]["index"]
        self._outputs = {d["name"]: d["index"] for d in self._network.get_output_details()}

    def pose(self, image: NDArray[np.uint8], keypoints: Floats) -> Pose:
        """Of one person.

        Args:
            image: (H, W, 3) BGR.
            keypoints: (17, 3) COCO-17: x px, y px, score; at least the hips must be known.
        """
        seen = keypoints[np.isfinite(keypoints).all(1)]
        centre = keypoints[_HIPS, :2].mean(0)
        edge = centre - np.array([0, np.linalg.norm(seen[:, :2] - centre, axis=1).max()])
        for _ in range(_ROUNDS):
            matrix = _crop(centre, edge)
            landmarks, world, present = self._run(image, matrix)
            back = cv2.invertAffineTransform(matrix)
            centre, edge = landmarks[[_CENTRE, _EDGE], :2] @ back[:, :2].T + back[:, 2]
        visible = 1 / (1 + np.exp(-landmarks[_POINTS, 3]))
        return Pose(world[_POINTS].astype(np.float32), visible.astype(np.float32), present)

    def _run(
        self, image: NDArray[np.uint8], matrix: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], float]:
        """(39, 5) landmarks in the crop, (39, 3) metres, presence."""
        crop = cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
        self._network.set_tensor(self._input, np.float32(crop[None, :, :, ::-1] / 255))
        self._network.invoke()
        landmarks, present, world = (
            self._network.get_tensor(self._outputs[name])[0]
            for name in ("Identity", "Identity_1", "Identity_4")
        )
        return landmarks.reshape(-1, 5), world.reshape(-1, 3), float(present[0])


def _crop(centre: NDArray[Any], edge: NDArray[Any]) -> NDArray[np.float64]:
    """(2, 3) photo px to crop px: an upright square about the centre that holds the edge, and some more."""
    scale = SIDE / (2 * _ENLARGE * max(float(np.linalg.norm(edge - centre)), 1.0))
    return np.array([[scale, 0, SIDE / 2 - scale * centre[0]], [0, scale, SIDE / 2 - scale * centre[1]]])
