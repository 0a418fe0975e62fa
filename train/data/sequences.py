"""What the lifting task trains and tests on: videos of 2D keypoints with true 3D joints.

Symbols: N frames of all videos, T of one, F of a window, J = 17 joints, C input channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posemo_ros.errors import InputError
from posemo_ros.inference.manifest import LiftSpec
from posemo_ros.lift.lifter import encode
from posemo_ros.skeleton import COCO17, H36M17

Floats = NDArray[np.float32]
Index = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Layout:
    """Joint orders of a data set, and what its protocol judges.

    Attributes:
        keypoints_flip, joints_flip: (J,) index arrays that swap left and right, 2D and 3D.
        root: Index of the 3D joint at the origin.
        pck_joints: The 3D joints that PCK and AUC count; None: all but the root, which is never wrong.
        frame_mean: Errors are averaged over all frames, not over the means of the actions.
        names: J names of the 3D joints.
    """

    keypoints_flip: Index
    joints_flip: Index
    root: int
    pck_joints: Index | None = None
    frame_mean: bool = False
    names: tuple[str, ...] = H36M17.joints

    @property
    def judged(self) -> Index:
        """See ``pck_joints``."""
        every = np.arange(len(self.joints_flip))
        return every[every != self.root] if self.pck_joints is None else self.pck_joints


H36M = Layout(H36M17.flip_index, H36M17.flip_index, 0)
COCO_TO_H36M = Layout(COCO17.flip_index, H36M17.flip_index, 0)
NOSE = 9  # of H36M-17; stacked hourglass (trained on MPII) does not find it


def without(flip: Index, joint: int) -> Index:
    """The flip order of the joints that are left when a joint of the middle is taken away."""
    kept = np.delete(flip, joint)
    return np.asarray(kept - (kept > joint), np.int64)


H36M_NO_NOSE = Layout(
    without(H36M17.flip_index, NOSE),
    without(H36M17.flip_index, NOSE),
    0,
    names=(*H36M17.joints[:NOSE], *H36M17.joints[NOSE + 1 :]),
)


@dataclass(frozen=True, eq=False)
class Video:
    """One person in front of one camera.

    Attributes:
        name: Unique, for messages and logs.
        action: What the results are grouped by.
        keypoints: (T, J, C) float32, normalised as the network sees them; C = 2 or 3 (score).
        joints: (T, J, 3) float32 metres, camera axes, relative to the root.
        valid: (T,) frames that are trained on and tested on; the others are context only.
        camera: Which one; errors are also told by camera.
    """

    name: str
    action: str
    keypoints: Floats
    joints: Floats
    valid: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    camera: str = ""

    def __post_init__(self) -> None:
        if not len(self.valid):
            object.__setattr__(self, "valid", np.ones(len(self.keypoints), bool))
        lengths = {len(self.keypoints), len(self.joints), len(self.valid)}
        if len(lengths) != 1 or not len(self.keypoints):
            raise InputError(f"{self.name}: {sorted(lengths)} frames of keypoints, joints and valid flags")


class Windows:
    """Windows of F frames around every valid frame; the first and last frame stand still at the ends.

    A torch data set that is asked for whole batches (``sampling.EpochSampler``).

    Args:
        videos: Where to take them from.
        frames: F, odd.
        layout: Joint orders.
        stride: Every so many valid frames.
        step: Frames of the video from one frame of a window to the next.
        flip: Also the mirror image of every window (the data set is twice as long).
    """

    def __init__(
        self,
        videos: Sequence[Video],
        frames: int,
        layout: Layout,
        *,
        stride: int = 1,
        step: int = 1,
        flip: bool = False,
    ) -> None:
        if not videos:
            raise InputError("no videos to make windows of")
        if frames % 2 != 1:
            raise InputError(f"frames: {frames} is even; the pose of the middle frame is asked for")
        if step < 1:
            raise InputError(f"step: {step}; expected 1 or more frames between the frames of a window")
        self.videos, self.frames, self.layout, self.flip = tuple(videos), frames, layout, flip
        self.step = step
        self.keypoints = np.concatenate([v.keypoints for v in videos])  # (N, J, C)
        self.joints = np.concatenate([v.joints for v in videos])  # (N, J, 3)
        self.bounds = np.cumsum([0, *(len(v.keypoints) for v in videos)])
        centres = [
            start + np.flatnonzero(v.valid)[::stride] for v, start in zip(videos, self.bounds, strict=False)
        ]
        self.centres = np.concatenate(centres)  # (N valid,)
        if not len(self.centres):
            raise InputError(f"{len(videos)} videos such as {videos[0].name}: no frame is marked as valid")
        self.video_of = np.repeat(np.arange(len(videos)), [len(c) for c in centres])

    def __len__(self) -> int:
        return len(self.centres) * (2 if self.flip else 1)

    def __getitem__(self, indices: Sequence[int]) -> dict[str, NDArray[np.generic]]:
        """A batch.

        Returns:
            ``keypoints`` (B, F, J, C), ``joints`` (B, F, J, 3) float32, ``index`` (B,) int64 place
            in ``centres``.
        """
        asked = np.asarray(indices, np.int64)
        mirrored, index = np.divmod(asked, len(self.centres))
        video = self.video_of[index]
        offsets = self.step * (np.arange(self.frames) - self.frames // 2)
        first, last = self.bounds[video], self.bounds[video + 1] - 1
        at = np.clip(self.centres[index, None] + offsets, first[:, None], last[:, None])  # (B, F)
        keypoints, joints = self.keypoints[at], self.joints[at]
        turned = mirrored.astype(bool)
        if turned.any():
            keypoints[turned] = mirror(keypoints[turned], self.layout.keypoints_flip)
            joints[turned] = mirror(joints[turned], self.layout.joints_flip)
        return {"keypoints": keypoints, "joints": joints, "index": index}


class PersonWindows(Windows):
    """Windows of viewing rays as the ``person`` normalisation shows them, see ``lift.normalise``.

    Args:
        videos: Their keypoints are rays at z = 1 with scores, COCO-17 or H36M-17.
        spec: Of the network: frames, joint set, channels.
        layout, others: See ``Windows``.
    """

    def __init__(self, videos: Sequence[Video], spec: LiftSpec, layout: Layout, **others: Any) -> None:
        super().__init__(videos, spec.frames, layout, **others)
        self.spec = spec

    def __getitem__(self, indices: Sequence[int]) -> dict[str, NDArray[np.generic]]:
        """A batch as of ``Windows``; joints in the axes of each window's virtual camera.

        ``rotation`` (B, 3, 3) turns them back: joints @ rotation.
        """
        batch = super().__getitem__(indices)
        rays = np.asarray(batch["keypoints"], np.float32)
        keypoints, rotation = encode(rays[..., :2], rays[..., 2], self.spec)
        assert rotation is not None  # ``spec`` says "person"
        joints = np.asarray(batch["joints"], np.float32) @ np.swapaxes(rotation, -1, -2)[:, None]
        turned = {"joints": joints.astype(np.float32), "rotation": np.asarray(rotation, np.float32)}
        return {**batch, "keypoints": keypoints, **turned}


def mirror(points: Floats, flip: Index) -> Floats:
    """(..., J, C) as seen in a mirror: x changes its sign, left and right change their names."""
    out = points[..., flip, :].copy()
    out[..., 0] *= -1
    return out
