"""Emotion from movement and context: MoEmo as released, ours, and its ablations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from posemo_ros import metrics
from posemo_ros.types import EMOTIONS, NEUTRAL
from train.models.zoo import Entry

from .task import Task

NEUTRAL_REFUSED = 0.95  # share of the neutral movements that min_confidence turns away
Doubles = NDArray[np.float64]
_CONTEXT = ("context_model", "context_rate_hz")
# Fusion -> sources that change nothing.
_UNREAD = {"context": ("poses", "detector", "keypoints", "lifter"), "pose": ("context",)}


class Fusion(Task):
    """Learns the six emotions.

    Logged for validation and test: ``accuracy``, ``macro_f1``, ``ece`` (calibration error, 15 bins),
    ``recall_<emotion>``, ``loss``; after the evaluation ``confusion`` holds the (6, 6) counts, rows
    and columns in the order of ``EMOTIONS``.

    Args:
        network, others: See ``Task``.
        label_smoothing: Of the cross-entropy (paper A: 0).
        calibrate: Fit the temperature on the validation set, and there, if it has neutral movements
            (label -1), the confidence that 95 % of them do not reach; the test and the manifest
            entry use both. Of a network that reads descriptors the entry also gets the mean of the
            neutral ones, which answers are explained against. The test then also has
            ``neutral_refused``, ``expressive_answered`` and
            ``accuracy_of_answers``.
    """

    def __init__(
        self,
        network: str = "moemo_x",
        *,
        label_smoothing: float = 0.0,
        calibrate: bool = False,
        **others: Any,
    ) -> None:
        super().__init__(network, **others)
        self.label_smoothing, self.calibrate = label_smoothing, calibrate
        labels = self.describe().settings["labels"]
        classes = [*EMOTIONS, *(name for name in labels if name == NEUTRAL)]
        order = [labels.index(name) for name in classes]
        self.register_buffer("order", torch.tensor(order), persistent=False)
        self.confusion = np.zeros((len(EMOTIONS), len(EMOTIONS)), np.int64)

    def describe(self, data: Mapping[str, Any] | None = None) -> Entry:
        """See ``Task``; a network that looks at movement alone needs no encoder, whatever the data have."""
        entry = super().describe(data)
        if entry.settings.get("context_frames"):
            return entry
        return replace(entry, settings={k: v for k, v in entry.settings.items() if k not in _CONTEXT})

    @property
    def temperature(self) -> float:
        """What the logits are divided by; 1 where nothing was calibrated."""
        return float(self.learned.get("temperature", 1.0))

    def on_fit_start(self) -> None:
        """Note whose poses and encodings are learned from, as far as they are read: the chain compares."""
        unread = _UNREAD.get(getattr(self.network, "fusion", ""), ())
        sources = {k: v for k, v in self.datamodule.sources.items() if k not in unread}
        if "trained_behind" in sources:
            files = sources["trained_behind"].items()
            sources["trained_behind"] = {
                station: digest for station, digest in files if station not in unread
            }
        self.learned |= sources

    def logits(self, batch: dict[str, Tensor]) -> Tensor:
        """(B, K) in the order of ``EMOTIONS``, then neutral; whatever the network's own order is."""
        if "images" in batch:  # of a baseline that sees pixels alone
            return self.network(batch["images"])[:, self.order]
        inputs = [batch["movement"]] + ([batch["context"]] if "context" in batch else [])
        return self.network(*inputs)[:, self.order]

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Cross-entropy with the label, or with the soft ``target`` (B, 6) where there is one."""
        target = batch["target"] if "target" in batch else batch["label"]
        return F.cross_entropy(self.logits(batch), target, label_smoothing=self.label_smoothing)

    def validation_step(self, batch: dict[str, Tensor], _: int) -> None:
        """Keep the answers, and descriptors, which are few."""
        movement = batch.get("movement")  # baselines see images alone
        few = {"descriptors": movement} if movement is not None and movement.ndim == 2 else {}
        few |= {"target": batch["target"]} if "target" in batch else {}
        self.keep(index=batch["index"], logits=self.logits(batch).float(), label=batch["label"], **few)

    def test_step(self, batch: dict[str, Tensor], number: int) -> None:
        """Keep the answers."""
        self.validation_step(batch, number)

    def predict_step(self, batch: dict[str, Tensor], _: int) -> dict[str, Tensor]:
        """``index`` and ``probabilities`` (B, 6), with neutral (B, 7), at the temperature of the test."""
        logits = self.logits(batch).float() / self.temperature
        return {"index": batch["index"], "probabilities": logits.softmax(1)}

    def on_validation_epoch_end(self) -> None:
        """Log the results."""
        self._judge("val")

    def on_test_epoch_end(self) -> None:
        """Log the results."""
        self._judge("test")

    def _judge(self, part: str) -> None:
        rows = self.collect()
        logits, label = rows["logits"].double().numpy(), rows["label"].numpy()
        if part == "val" and self.calibrate:
            target = rows["target"].double().numpy() if "target" in rows else None
            self.learned |= calibration(logits, label, target)
            if "descriptors" in rows:
                mean = rows["descriptors"].double().numpy()[label < 0].mean(0)
                self.learned["neutral"] = mean.round(4).tolist()
        probabilities = softmax(logits / self.temperature)
        self.confusion = confusion(probabilities, label)
        self.report(part, figures(probabilities, label, self.learned.get("min_confidence", 0.0)))


def confusion(probabilities: Doubles, label: NDArray[np.int64]) -> NDArray[np.int64]:
    """(6, 6) counts of the expressive movements, true emotion by likeliest one."""
    expressive = label >= 0
    likeliest = probabilities[expressive, : len(EMOTIONS)].argmax(1)
    return metrics.confusion(likeliest, label[expressive], len(EMOTIONS))


def figures(probabilities: Doubles, label: NDArray[np.int64], threshold: float) -> dict[str, float]:
    """How right the answers are, see ``Fusion``.

    Args:
        probabilities: (N, 6), or (N, 7) with neutral; the figures on emotions are of the six among them.
        label: (N,); -1: neutral.
        threshold: Confidence below which the answer is "not enough evidence".
    """
    counts, expressive = confusion(probabilities, label), label >= 0
    rows, truth = probabilities[expressive, : len(EMOTIONS)], label[expressive]
    rows = rows / rows.sum(1, keepdims=True)
    recalls = zip(EMOTIONS, metrics.recall(counts), strict=True)
    return {
        "accuracy": metrics.accuracy(counts),
        "macro_f1": metrics.macro_f1(counts),
        "ece": metrics.expected_calibration_error(rows, truth),
        "loss": float(-np.log(rows[np.arange(len(rows)), truth] + 1e-12).mean()),
        **{f"recall_{name}": float(value) for name, value in recalls if np.isfinite(value)},
        **_refused(probabilities, label, threshold),
    }


def softmax(logits: Doubles) -> Doubles:
    """(N, K) probabilities."""
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(odds / odds.sum(1, keepdims=True))


def calibration(logits: Doubles, label: NDArray[np.int64], target: Doubles | None = None) -> dict[str, Any]:
    """What the manifest says about an emotion network's answers.

    Args:
        logits: (N, 6), or (N, 7) with neutral.
        label: (N,); -1: neutral.
        target: Of ``logits``' shape, what the network was taught; needed where movements are neutral
            or an emotion is weak. None: the label.

    Returns:
        ``temperature`` with the lowest cross-entropy (Guo et al., 2017), to 2 %; with neutral
        movements ``min_confidence``, which ``NEUTRAL_REFUSED`` of them do not reach.
    """
    truth = np.eye(logits.shape[1])[label] if target is None else target
    candidates = np.exp(np.arange(-1.5, 1.5, 0.02))
    losses = [-(truth * np.log(softmax(logits / t) + 1e-12)).sum(1).mean() for t in candidates]
    temperature = float(candidates[int(np.argmin(losses))])
    found = {"temperature": round(temperature, 3)}
    if (label < 0).any():
        confidence = softmax(logits / temperature)[label < 0, : len(EMOTIONS)].max(1)
        found["min_confidence"] = round(float(np.quantile(confidence, NEUTRAL_REFUSED)), 3)
    return found


def _refused(probabilities: Doubles, label: NDArray[np.int64], threshold: float) -> dict[str, float]:
    """What "not enough evidence" below a confidence does to neutral and expressive movements, 0..1."""
    emotions = probabilities[:, : len(EMOTIONS)]
    answered, expressive = emotions.max(1) >= threshold, label >= 0
    if expressive.all():
        return {}
    right = emotions.argmax(1) == label
    figures = {
        "neutral_refused": float((~answered[~expressive]).mean()),
        "expressive_answered": float(answered[expressive].mean()),
    }
    if (answered & expressive).any():
        figures["accuracy_of_answers"] = float(right[answered & expressive].mean())
    return figures
