"""The starter detector: RTMDet-nano trained further on photos and the boxes of their people."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posemo_ros.detect.boxes import iou
from posemo_ros.detect.codecs import decode
from posemo_ros.inference.manifest import DetectSpec
from train.data.detect_modules import Letterboxed, Scene
from train.models.cspnext import RtmDet
from train.models.rtmdet_loss import loss_of

from .images import normalise
from .task import Task

THRESHOLDS = (0.35, 0.4, 0.45, 0.5, 0.6)
LOWEST = 0.05  # weaker boxes are not looked at
MOST = 100  # boxes of a photo that are looked at
TALL = 60  # px; smaller labelled people are not counted
FOUND = 0.5  # IoU
CLEAN = 0.98  # share of the empty photos that ``recall_clean`` leaves alone


class Detector(Task):
    """Learns where people are.

    Logged for validation and test: ``recall_0.5``, the share of the labelled people at least 60 px high on
    whom there is a box (IoU of at least one half) that scores 0.5 or more, likewise at other thresholds,
    and ``demo_recall_0.5`` for the demo clip's; ``clean_0.5``, the share of photos without people that have
    no such box; ``recall_clean``, the recall at the threshold that leaves 98 % of those photos alone.

    Args:
        network, others: See ``Task``.
    """

    network: RtmDet

    def __init__(self, network: str = "rtmdet_nano", **others: Any) -> None:
        super().__init__(network, **others)
        self.spec = self.describe().spec(DetectSpec)

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Of scores and boxes."""
        people = [boxes[boxes.isfinite().all(1)] for boxes in batch["boxes"]]
        scores, sides = loss_of(self.network, normalise(batch["images"], self.spec.input), people)
        self.log("train/score_loss", scores, batch_size=len(people))
        self.log("train/box_loss", sides, batch_size=len(people))
        return scores + sides

    def validation_step(self, batch: dict[str, Tensor], _: int) -> None:
        """Keep the boxes."""
        self.keep(**self.predict_step(batch, 0))

    def test_step(self, batch: dict[str, Tensor], number: int) -> None:
        """Keep the boxes."""
        self.keep(**self.predict_step(batch, 0))

    def predict_step(self, batch: dict[str, Tensor], _: int) -> dict[str, Tensor]:
        """``index`` and ``boxes`` (B, 100, 5) xyxy in photo px and score, best first, then scores of 0."""
        outputs = [o.float().cpu().numpy() for o in self.network(normalise(batch["images"], self.spec.input))]
        boxes = np.zeros((len(batch["index"]), MOST, 5), np.float32)
        for row, scale in enumerate(batch["scales"].tolist()):
            maps = {str(i): o[row : row + 1] for i, o in enumerate(outputs)}
            found = decode(maps, self.spec, LOWEST)
            count = min(MOST, len(found))
            boxes[row, :count, :4] = found.boxes[:count] / np.float32(scale)
            boxes[row, :count, 4] = found.scores[:count]
        return {"index": batch["index"], "boxes": torch.from_numpy(boxes)}

    def on_validation_epoch_end(self) -> None:
        """Log the results."""
        self._judge("val")

    def on_test_epoch_end(self) -> None:
        """Log the results."""
        self._judge("test")

    def _judge(self, part: str) -> None:
        scenes: Letterboxed = self.datamodule.datasets[part]
        self.report(part, figures(scenes, self.collect()["boxes"].numpy()))


def figures(scenes: Letterboxed, found: NDArray[np.float32]) -> dict[str, float]:
    """See ``Detector``.

    Args:
        scenes: N photos.
        found: (N, M, 5) xyxy px and score; boxes that score 0 are none.
    """
    best = {name: best_scores(photos, found[rows]) for name, photos, rows in scenes.groups()}
    empty, out = best.pop("empty"), {}
    limit = float(np.quantile(empty, CLEAN, method="higher")) if len(empty) else 0.0
    for name, scores in best.items():
        prefix = "" if name == "coco" else f"{name}_"
        out[f"{prefix}recall_clean"] = float((scores > limit).mean())
        out |= {f"{prefix}recall_{t:g}": float((scores >= t).mean()) for t in THRESHOLDS}
    return {**out, **{f"clean_{t:g}": float((empty < t).mean()) for t in THRESHOLDS}}


def best_scores(scenes: list[Scene], found: NDArray[np.float32]) -> NDArray[np.float32]:
    """Highest score of a box on each tall labelled person (0: none), or in each photo without people."""
    scores = []
    for scene, boxes in zip(scenes, found, strict=True):
        if not len(scene.boxes):
            scores.append(boxes[:, 4].max(initial=0))
        tall = scene.boxes[scene.boxes[:, 3] - scene.boxes[:, 1] >= TALL]
        on = iou(tall, boxes[:, :4]) >= FOUND
        scores += list(np.where(on, boxes[:, 4], 0).max(axis=1, initial=0))
    return np.array(scores, np.float32)
