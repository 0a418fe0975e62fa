"""The 3D lifting network: PoseFormer with and without SAM and TAM, P-STMO, and others of the zoo."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posemo_ros import metrics
from posemo_ros.skeleton import H36M17
from train.data.sequences import Windows
from train.models.losses import (
    bone_error,
    certainty_loss,
    lifting_loss,
    position_error,
    scaled_error,
    velocity_error,
    weighted_error,
)
from train.models.pstmo_pretraining import PSTMOPretraining, draw_masks

from .task import Task

MM = 1000.0
SURE_M = 0.1  # a joint so near the truth is called right


class Lifter(Task):
    """Learns the 3D pose of the middle frame, and of all frames where the network gives them.

    Logged for validation and test: ``mpjpe_mm`` (protocol 1), ``p_mpjpe_mm`` (protocol 2),
    ``mpjve_mm`` (test alone: it needs every frame), each the unweighted mean of the actions' means;
    ``pck``, ``auc`` over all frames, the root not counted. After the test the tables by action and by
    camera are in ``per_action`` and ``per_camera``, MPJPE by action and joint in ``per_joint``.

    Args:
        network, task options: See ``Task``.
        sequence_weight, centre_weight: Of the two sums of paper B's loss, where there are two.
        scale_weight, velocity_weight: Of MotionAGFormer's further terms over all frames
            (``losses.scaled_error``, ``losses.velocity_error``); 0.5 and 20 in its recipe.
            Networks of one answer have the velocity between neighbouring windows instead, where the data
            give those (``train.data.lifting``).
        bone_weight, contact_weight: Of the bones' lengths, and of the ankles that stand on the ground.
        score_weight: Of the fourth number of networks that say how sure they are.
        flip_test: Average with the answer for the mirror image, as the papers do.
    """

    def __init__(
        self,
        network: str,
        *,
        sequence_weight: float = 1.0,
        centre_weight: float = 1.0,
        scale_weight: float = 0.0,
        velocity_weight: float = 0.0,
        bone_weight: float = 0.0,
        contact_weight: float = 0.0,
        score_weight: float = 0.0,
        flip_test: bool = True,
        **others: Any,
    ) -> None:
        super().__init__(network, **others)
        self.sequence_weight, self.centre_weight = sequence_weight, centre_weight
        self.scale_weight, self.velocity_weight = scale_weight, velocity_weight
        self.bone_weight, self.contact_weight = bone_weight, contact_weight
        self.score_weight = score_weight
        self.flip_test = flip_test
        self.per_action: dict[str, dict[str, float]] = {}
        self.per_camera: dict[str, dict[str, float]] = {}
        self.per_joint: dict[str, dict[str, float]] = {}

    @property
    def fixed_settings(self) -> dict[str, Any]:
        """See ``Task``."""
        return {"flip_test": self.flip_test}

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Mean distance in metres; see ``losses.lifting_loss`` where there are poses of all frames."""
        answer, truth = self.network(batch["keypoints"]), batch["joints"]
        middle = truth.shape[1] // 2
        centre, sequence = _parts(answer, truth.shape[1])
        if sequence is None:
            return self._centre_loss(centre, truth[:, middle : middle + 1], batch)
        loss = lifting_loss(
            sequence,
            centre,
            truth,
            sequence_weight=self.sequence_weight,
            centre_weight=self.centre_weight,
        )
        if self.scale_weight:
            loss = loss + self.scale_weight * scaled_error(sequence, truth)
        if self.velocity_weight:
            loss = loss + self.velocity_weight * velocity_error(sequence, truth)
        return loss

    def _centre_loss(self, answer: Tensor, truth: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Of networks that give the middle frame alone; (B, 1, J, 3 or 4) and (B, 1, J, 3)."""
        answer = answer.float()
        pose = answer[..., :3]
        loss = position_error(pose, truth)
        if self.bone_weight:
            loss = loss + self.bone_weight * bone_error(pose, truth, H36M17.bones)
        if self.contact_weight:
            loss = loss + self.contact_weight * weighted_error(pose, truth, batch["stands"][:, None])
        if self.velocity_weight:
            turned = (p[:, 0] @ batch["rotation"] for p in (pose, truth))
            both = (p.unflatten(0, (2, -1)).transpose(0, 1) for p in turned)
            loss = loss + self.velocity_weight * velocity_error(*both)
        if self.score_weight:
            away = torch.linalg.vector_norm(pose - truth, dim=-1)
            loss = loss + self.score_weight * certainty_loss(answer[..., 3], away, SURE_M)
        return loss

    def answer(self, keypoints: Tensor) -> Tensor:
        """(B, J, 3) float32 the middle frame's pose for (B, F, J, C) keypoints, flip test included.

        The root lies at the origin, as in the station's answers. PoseFormer's own script judges it where
        the network put it, P-STMO's sets it to zero; for trained networks that is 0.01 mm.
        """
        frames, layout = keypoints.shape[1], self.datamodule.layout
        pose = _parts(self.network(keypoints), frames)[0][:, 0, :, :3].float()
        if self.flip_test:
            mirrored = self.network(_mirror(keypoints, layout.keypoints_flip))
            pose = (pose + _mirror(_parts(mirrored, frames)[0][:, 0, :, :3], layout.joints_flip)) / 2
        return pose - pose[:, layout.root : layout.root + 1]

    def validation_step(self, batch: dict[str, Tensor], _: int) -> None:
        """Keep the answers."""
        self._keep(batch)

    def test_step(self, batch: dict[str, Tensor], number: int) -> None:
        """Keep the answers."""
        self._keep(batch)

    def predict_step(self, batch: dict[str, Tensor], _: int) -> dict[str, Tensor]:
        """``index`` and ``joints`` (B, J, 3), metres relative to the root."""
        return {"index": batch["index"], "joints": self.answer(batch["keypoints"])}

    def _keep(self, batch: dict[str, Tensor]) -> None:
        truth = batch["joints"][:, batch["joints"].shape[1] // 2]
        answer = self.answer(batch["keypoints"])
        if "rotation" in batch:  # each window has axes of its own
            with torch.autocast(truth.device.type, enabled=False):  # which multiplies in half precision
                truth, answer = truth @ batch["rotation"], answer @ batch["rotation"]
        self.keep(index=batch["index"], predicted=answer, truth=truth)

    def on_validation_epoch_end(self) -> None:
        """Log the results."""
        self._judge("val")

    def on_test_epoch_end(self) -> None:
        """Log the results."""
        self._judge("test")

    def _judge(self, part: str) -> None:
        rows = self.collect()
        windows = self.datamodule.datasets[part]
        table = by_action(rows["predicted"].numpy(), rows["truth"].numpy(), rows["index"].numpy(), windows)
        self.per_action = table
        answers = rows["predicted"].numpy(), rows["truth"].numpy(), rows["index"].numpy()
        self.per_camera = by_camera(*answers, windows)
        self.per_joint = by_joint(*answers, windows)
        self.report(part, {name: value for name, value in table["average"].items() if np.isfinite(value)})


def _parts(answer: Tensor | tuple[Tensor, Tensor], frames: int) -> tuple[Tensor, Tensor | None]:
    """(B, 1, J, 3) of the middle frame, and (B, F, J, 3) of all frames where the network gives them."""
    if isinstance(answer, tuple):  # P-STMO
        return answer
    if answer.shape[1] == frames and frames > 1:
        middle = frames // 2
        return answer[:, middle : middle + 1], answer
    return answer, None


def _mirror(points: Tensor, flip: NDArray[np.int64]) -> Tensor:
    turned = points[..., torch.as_tensor(flip, device=points.device), :]
    turned[..., 0] *= -1
    return turned


def by_action(
    predicted: NDArray[np.float32],
    truth: NDArray[np.float32],
    index: NDArray[np.int64],
    windows: Windows,
) -> dict[str, dict[str, float]]:
    """The data set's protocol: every measure per action, and the average.

    Human3.6M: the unweighted mean of the actions. MPI-INF-3DHP: all frames alike, PCK and AUC over
    14 joints (``Layout``).

    Args:
        predicted, truth: (N, J, 3) metres relative to the root.
        index: (N,) which of the windows each is.
        windows: Tells which frame of which video that was.

    Returns:
        Action (and ``average``) -> ``mpjpe_mm``, ``p_mpjpe_mm``, ``mpjve_mm`` (NaN where no two
        consecutive frames were judged), ``pck``, ``auc`` (0..1).
    """
    table = _by(np.array([v.action for v in windows.videos]), predicted, truth, index, windows)
    average = _figures(predicted, truth, index, windows)
    if not windows.layout.frame_mean:
        for name in ("mpjpe_mm", "p_mpjpe_mm", "mpjve_mm"):
            average[name] = float(np.mean([row[name] for row in table.values()]))
    return {**table, "average": {**average, "frames": float(len(predicted))}}


def by_camera(
    predicted: NDArray[np.float32], truth: NDArray[np.float32], index: NDArray[np.int64], windows: Windows
) -> dict[str, dict[str, float]]:
    """Camera -> the measures of ``by_action``, all its frames alike; nothing where no camera has a name."""
    cameras = [v.camera for v in windows.videos]
    return _by(np.array(cameras), predicted, truth, index, windows) if any(cameras) else {}


def by_joint(
    predicted: NDArray[np.float32], truth: NDArray[np.float32], index: NDArray[np.int64], windows: Windows
) -> dict[str, dict[str, float]]:
    """Action (and ``average``, their unweighted mean) -> joint -> mean error in mm."""
    errors = MM * np.linalg.norm(predicted - truth, axis=-1)  # (N, J)
    actions = np.array([v.action for v in windows.videos])[windows.video_of[index]]
    means = {str(a): errors[actions == a].mean(0) for a in dict.fromkeys(actions)}
    means["average"] = errors.mean(0) if windows.layout.frame_mean else np.mean(list(means.values()), 0)
    names = windows.layout.names
    return {a: dict(zip(names, map(float, row), strict=True)) for a, row in means.items()}


def _by(
    groups: NDArray[np.str_],
    predicted: NDArray[np.float32],
    truth: NDArray[np.float32],
    index: NDArray[np.int64],
    windows: Windows,
) -> dict[str, dict[str, float]]:
    """The measures by a group (videos,) of the videos."""
    of = groups[windows.video_of[index]]
    return {
        str(g): _figures(predicted[of == g], truth[of == g], index[of == g], windows)
        for g in dict.fromkeys(of)
    }


def _figures(
    predicted: NDArray[np.float32], truth: NDArray[np.float32], index: NDArray[np.int64], windows: Windows
) -> dict[str, float]:
    video, frame, judged = windows.video_of[index], windows.centres[index], windows.layout.judged
    follows = (np.diff(video) == 0) & (np.diff(frame) == 1)
    return {
        "mpjpe_mm": MM * metrics.mpjpe(predicted, truth),
        "p_mpjpe_mm": MM * metrics.p_mpjpe(predicted, truth),
        "mpjve_mm": MM * metrics.mpjve(predicted, truth, follows),
        "pck": metrics.pck(predicted[:, judged], truth[:, judged]),
        "auc": metrics.auc(predicted[:, judged], truth[:, judged]),
    }


class LifterPretraining(Task):
    """P-STMO's masked pre-training: guess all 2D keypoints from a few frames and joints.

    Afterwards a ``Lifter`` of the same size takes the checkpoint as its ``weights`` with
    ``may_miss: [Transformer_reduce.*, fcn*]`` and ``may_have`` what only the pre-training has
    (``train/configs/table_2/pstmo.yaml``).

    Args:
        network, options, others: See ``Task``; ``pstmo`` with its options.
        frame_ratio: Share of the frames that are hidden: 0.8 for P-STMO-S, 0.6 for P-STMO.
        joints_per_frame: Hidden joints of the others: 2 or 3 with detected keypoints, 7 with the true
            ones of Human3.6M.
        released_masks: See ``draw_masks``.
    """

    def __init__(
        self,
        network: str = "pstmo",
        *,
        options: dict[str, Any] | None = None,
        frame_ratio: float = 0.8,
        joints_per_frame: int = 2,
        released_masks: bool = True,
        **others: Any,
    ) -> None:
        super().__init__(network, options=options, **others)
        self.released_masks = released_masks
        self.network = PSTMOPretraining(**(options or {}))
        self.frame_ratio, self.joints_per_frame = frame_ratio, joints_per_frame

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Mean distance of the guessed keypoints, with random masks."""
        return self._distance(batch["keypoints"])

    def validation_step(self, batch: dict[str, Tensor], number: int) -> None:
        """The same with masks that stay the same."""
        loss = self._distance(batch["keypoints"], torch.Generator().manual_seed(number))
        self.log("val/loss", loss, prog_bar=True, batch_size=len(batch["index"]), sync_dist=True)

    def _distance(self, keypoints: Tensor, generator: torch.Generator | None = None) -> Tensor:
        keypoints = keypoints[..., :2]
        frames, joints = draw_masks(
            keypoints.shape[1],
            keypoints.shape[2],
            frame_ratio=self.frame_ratio,
            joints_per_frame=self.joints_per_frame,
            released=self.released_masks,
            generator=generator,
        )
        guessed = self.network(keypoints, frames.to(keypoints.device), joints.to(keypoints.device))
        return torch.linalg.vector_norm(guessed - keypoints, dim=-1).mean()
