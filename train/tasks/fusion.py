"""Emotion from movement and context: MoEmo as released, ours, and its ablations."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from posemo_ros import metrics
from posemo_ros.types import EMOTIONS

from .task import Task


class Fusion(Task):
    """Learns the six emotions.

    Logged for validation and test: ``accuracy``, ``macro_f1``, ``ece`` (calibration error, 15 bins),
    ``recall_<emotion>``, ``loss``; after the evaluation ``confusion`` holds the (6, 6) counts, rows
    and columns in the order of ``EMOTIONS``.

    Args:
        network, others: See ``Task``.
        label_smoothing: Of the cross-entropy (paper A: 0).
    """

    def __init__(self, network: str = "moemo_x", *, label_smoothing: float = 0.0, **others: Any) -> None:
        super().__init__(network, **others)
        self.label_smoothing = label_smoothing
        order = [self.describe().settings["labels"].index(name) for name in EMOTIONS]
        self.register_buffer("order", torch.tensor(order), persistent=False)
        self.confusion = np.zeros((len(EMOTIONS), len(EMOTIONS)), np.int64)

    def logits(self, batch: dict[str, Tensor]) -> Tensor:
        """(B, 6) in the order of ``EMOTIONS``, whatever the network's own order is."""
        inputs = [batch["poses"]] + ([batch["context"]] if "context" in batch else [])
        return self.network(*inputs)[:, self.order]

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Cross-entropy."""
        return F.cross_entropy(self.logits(batch), batch["label"], label_smoothing=self.label_smoothing)

    def validation_step(self, batch: dict[str, Tensor], _: int) -> None:
        """Keep the answers."""
        self.keep(index=batch["index"], logits=self.logits(batch).float(), label=batch["label"])

    def test_step(self, batch: dict[str, Tensor], number: int) -> None:
        """Keep the answers."""
        self.validation_step(batch, number)

    def predict_step(self, batch: dict[str, Tensor], _: int) -> dict[str, Tensor]:
        """``index`` and ``probabilities`` (B, 6)."""
        return {"index": batch["index"], "probabilities": self.logits(batch).float().softmax(1)}

    def on_validation_epoch_end(self) -> None:
        """Log the results."""
        self._judge("val")

    def on_test_epoch_end(self) -> None:
        """Log the results."""
        self._judge("test")

    def _judge(self, part: str) -> None:
        rows = self.collect()
        logits, label = rows["logits"], rows["label"]
        probabilities = logits.double().softmax(1).numpy()
        self.confusion = metrics.confusion(probabilities.argmax(1), label.numpy(), len(EMOTIONS))
        recalls = zip(EMOTIONS, metrics.recall(self.confusion), strict=True)
        self.report(
            part,
            {
                "accuracy": metrics.accuracy(self.confusion),
                "macro_f1": metrics.macro_f1(self.confusion),
                "ece": metrics.expected_calibration_error(probabilities, label.numpy()),
                "loss": float(F.cross_entropy(logits, label)),
                **{f"recall_{name}": float(value) for name, value in recalls if np.isfinite(value)},
            },
        )
