"""The starter 2D keypoint networks: MoveNet trained further, places and scores at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posemo_ros.inference.manifest import KeypointSpec
from posemo_ros.keypoints.codecs import codec_for
from train.data.keypoint_protocol import by_group, similarities
from train.models.keypoint_net import KeypointNet
from train.models.movenet_pose import MoveNetPose
from train.models.pose_losses import Labels
from train.models.zoo import build

from .checkpoint import start_from
from .images import normalise
from .keypoints import in_photo
from .task import Task


class Pose(Task):
    """Learns where the joints of the person in the middle are, and how sure that is.

    Logged for validation and test: COCO's ``AP``, ``AP50``, ``AP75``, ``AR`` and the mean similarity
    ``oks`` of the people kept apart, label boxes; ``lspet_oks`` and ``lspet_ap``; ``empty_score``, the
    mean score in the middle of photos without people.

    Args:
        network, others: See ``Task``.
        frozen_stem: Leave the layers before stride 4 as they were.
        score_weight: Of the scores' loss beside that of the places.
        new_rate: Highest learning rate of the scores' layers, which begin at nothing; the optimiser's
            own is for those that were published.
    """

    network: MoveNetPose | KeypointNet

    def __init__(
        self,
        network: str = "thunder",
        *,
        frozen_stem: bool = True,
        score_weight: float = 0.3,
        new_rate: float = 1e-3,
        **others: Any,
    ) -> None:
        super().__init__(network, **others)
        self.score_weight, self.new_rate = score_weight, new_rate
        self.spec = self.describe().spec(KeypointSpec)
        self.codec = codec_for(self.spec)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if frozen_stem:
            self.network.movenet.backbone.freeze_stem()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """See ``Task``."""
        learning = {n: p for n, p in self.network.named_parameters() if p.requires_grad}
        old = [p for n, p in learning.items() if n.startswith("movenet.")]
        new = [p for n, p in learning.items() if not n.startswith("movenet.")]
        return [{"params": old}, {"params": new, "lr": self.new_rate}]

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Of places and scores."""
        places, scores = self.network.losses(normalise(batch["images"], self.spec.input), Labels.of(batch))
        self.log("train/place_loss", places, batch_size=len(batch["images"]))
        self.log("train/score_loss", scores, batch_size=len(batch["images"]))
        return places + self.score_weight * scores

    def validation_step(self, batch: dict[str, Tensor], _: int) -> None:
        """Keep the answers."""
        self._keep(batch)

    def test_step(self, batch: dict[str, Tensor], number: int) -> None:
        """Keep the answers."""
        self._keep(batch)

    def predict_step(self, batch: dict[str, Tensor], _: int) -> dict[str, Tensor]:
        """``index`` and ``keypoints`` (B, 17, 3) photo px and score."""
        answers = self.network(normalise(batch["images"], self.spec.input))
        found = self.codec.decode([answers.float().cpu().numpy()])
        return {"index": batch["index"], "keypoints": in_photo(found, batch["matrices"])}

    def _keep(self, batch: dict[str, Tensor]) -> None:
        self.keep(**self.predict_step(batch, 0))

    def on_validation_epoch_end(self) -> None:
        """Log the results."""
        self._judge("val")

    def on_test_epoch_end(self) -> None:
        """Log the results."""
        self._judge("test")

    def _judge(self, part: str) -> None:
        keypoints = self.collect()["keypoints"].numpy()
        crops = self.datamodule.datasets[part]
        figures: dict[str, float] = {}
        for name, people, rows in crops.groups():
            answers = keypoints[rows]
            if people:
                found = by_group(people, answers)["all"]
                prefix = "" if name == "coco" else f"{name}_"
                figures[f"{prefix}oks"] = float(np.nanmean(similarities(people, answers)))
                figures |= {f"{prefix}{k}": found[k] for k in ("AP", "AP50", "AP75", "AR")}
            else:
                figures[f"{name}_score"] = float(answers[..., 2].mean())
        self.report(part, figures)


def answers_of(network: str, weights: Path, side: int) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
    """A network of the zoo as a function of square crops (B, side, side, 3) BGR, to teach others.

    Raises:
        ModelError: The checkpoint does not fit the network.
    """
    entry = build(network, crop_width=side, crop_height=side)
    start_from(entry.network, weights)
    size = entry.spec(KeypointSpec).input
    net = entry.network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def answer(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            found: Tensor = net(normalise(torch.from_numpy(np.ascontiguousarray(crops)), size))
        return found.numpy()

    return answer
