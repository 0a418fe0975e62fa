"""The 2D keypoint network, which paper B calls the detector: top-down, HRNet with attention modules."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from posemo_ros.inference.manifest import KeypointSpec
from posemo_ros.keypoints.codecs import codec_for
from posemo_ros.skeleton import COCO17
from train.data.augment import transform
from train.models.losses import heatmap_loss

from .task import Task


class Keypoints(Task):
    """Learns heatmaps.

    Logged for validation and test: COCO's ``AP``, ``AP50``, ``AP75``, ``APM``, ``APL``, ``AR`` and
    ``loss`` (where the boxes are the labels'), by ``metrics.coco_results``.

    Args:
        network, others: See ``Task``.
        flip_test: Average with the heatmaps of the mirror image.
    """

    def __init__(self, network: str = "hrnet", *, flip_test: bool = True, **others: Any) -> None:
        super().__init__(network, **others)
        self.flip_test = flip_test
        self.codec = codec_for(self.describe().spec(KeypointSpec))
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def fixed_settings(self) -> dict[str, Any]:
        """See ``Task``."""
        return {"flip_test": self.flip_test}

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Half the mean squared error of the heatmaps."""
        return heatmap_loss(self.network(batch["images"]), batch["target0"], batch["weights"])

    def answer(self, images: Tensor) -> tuple[NDArray[np.float32], Tensor]:
        """(B, 17, 3) crop px and score; the heatmaps without the flip test."""
        maps = self.network(images)
        outputs = [maps.float().cpu().numpy()]
        if self.flip_test:
            mirrored = self.network(images.flip(-1)).float().cpu().numpy()
            outputs = [(outputs[0] + self.codec.flip([mirrored], COCO17.flip_index)[0]) / 2]
        return self.codec.decode(outputs), maps

    def validation_step(self, batch: dict[str, Tensor], _: int) -> None:
        """Keep the answers."""
        self._keep(batch, "val")

    def test_step(self, batch: dict[str, Tensor], number: int) -> None:
        """Keep the answers."""
        self._keep(batch, "test")

    def predict_step(self, batch: dict[str, Tensor], number: int) -> dict[str, Tensor]:
        """``index`` and ``keypoints`` (B, 17, 3) photo px and score."""
        found, _ = self.answer(batch["images"])
        return {"index": batch["index"], "keypoints": in_photo(found, batch["matrices"])}

    def _keep(self, batch: dict[str, Tensor], part: str) -> None:
        found, maps = self.answer(batch["images"])
        scale = batch["matrices"][:, :, :2].flatten(1).norm(dim=1) / 2**0.5  # crop px per photo px
        area = batch["images"][0, 0].numel() / scale**2
        self.keep(index=batch["index"], keypoints=in_photo(found, batch["matrices"]), area=area)
        if batch["weights"].any():
            loss = heatmap_loss(maps, batch["target0"], batch["weights"])
            self.log(f"{part}/loss", loss, batch_size=len(batch["index"]), sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        """Log the results."""
        self._judge("val")

    def on_test_epoch_end(self) -> None:
        """Log the results."""
        self._judge("test")

    def _judge(self, part: str) -> None:
        rows = {name: value.numpy() for name, value in self.collect().items()}
        figures = self.datamodule.judge(part, rows["index"], rows["keypoints"], rows["area"])
        self.report(part, figures)


def in_photo(found: NDArray[np.float32], matrices: Tensor) -> Tensor:
    """(B, 17, 3) of the crops in photo px; (B, 2, 3) photo to crop px."""
    out = found.copy()
    for row, matrix in zip(out, matrices.cpu().numpy().astype(np.float64), strict=True):
        row[:, :2] = transform(cv2.invertAffineTransform(matrix), row[:, :2])
    return torch.from_numpy(out)
