"""The starter emotion model: two seconds of movement to the logits of six emotions.

    python -m train.starter.emotion --data ../shared/data --out models/emotion.onnx \\
        --lifter models/lifter.onnx

There is no recording of emotional movement to learn from: it learns made-up expression
(``train.data.expression``) on the train split of the CMU clips, and neutral movement as "all six
alike". Prints its quality on made-up expression of other clips; that is no measure of how well it
reads people. ``--evaluate`` only does the last; with ``--lifter`` also through noisy keypoints, the
lifting station and the emotion station. Loss: cross-entropy.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from posemo_ros import metrics
from posemo_ros.emotion.estimator import EmotionEstimator
from posemo_ros.inference.manifest import EmotionSpec
from posemo_ros.inference.sessions import open_session
from posemo_ros.types import EMOTIONS, EmotionStatus
from train.data import cmu
from train.data.cameras import random_poses, see
from train.data.emotion import Movements, as_lifted, movements
from train.data.noise import Noise
from train.models.temporal import TemporalEmotion

from . import lifter as lifting
from .fitting import Batch, Plan, export, fit

SPEC = EmotionSpec(frames=27, rate_hz=12.0, axes="upright")
NEUTRAL_REFUSED = 0.95  # share of neutral movements that min_confidence turns away
HELD_OUT = 6000  # movements to calibrate on, and as many to test on

Rows = NDArray[np.float64]


def targets(samples: Movements) -> NDArray[np.float32]:
    """(B, 6): one for the emotion; a sixth for each where the movement is neutral."""
    rows = np.eye(len(EMOTIONS), dtype=np.float32)[samples.emotions]
    rows[samples.intensity == 0] = 1 / len(EMOTIONS)
    return rows


def train(data: Path, out: Path, run: Path, plan: Plan, *, batch: int, seed: int) -> None:
    """Train and export; prints the difference between the exported model and torch."""
    torch.manual_seed(seed)
    motion = cmu.load(data, "train")

    def make_batch(rng: np.random.Generator) -> Batch:
        samples = movements(motion, SPEC.frames, SPEC.rate_hz, rng, batch)
        return as_lifted(samples.bodies, SPEC, rng), targets(samples)

    def loss(logits: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(logits, target, label_smoothing=0.02)

    net = fit(TemporalEmotion(SPEC.frames), make_batch, loss, plan, run, seed=seed)
    example = torch.zeros(2, SPEC.frames, 17, 3)
    difference = export(net, example, out, input_name="movement", output_name="logits")
    print(f"{out}: {out.stat().st_size / 1e6:.2f} MB, ONNX Runtime and torch differ by {difference:.1e}")


def evaluate(data: Path, model: Path, *, count: int = HELD_OUT) -> dict[str, object]:
    """Calibrate on half of the test clips, measure on the other half."""
    halves = [held_out(data, half, count, SPEC.frames, SPEC.rate_hz) for half in (0, 1)]
    (known, calibration), (unknown, test) = [(_logits(model, h), h) for h in halves]
    temperature = fit_temperature(known, targets(calibration))
    threshold = _threshold(softmax(known / temperature), calibration)
    probabilities = softmax(unknown / temperature)
    return {
        "model": model.name,
        "temperature": round(temperature, 3),
        "min_confidence": round(threshold, 3),
        **_report(probabilities, test, round(threshold, 3)),
    }


def held_out(data: Path, half: int, count: int, frames: int, rate_hz: float) -> Movements:
    """Made-up expression of every other test clip; the two halves share no clip."""
    motion = cmu.load(data, "test")
    clips = set(sorted(set(motion.clips))[half::2])
    part = motion.only(lambda clip: clip in clips)
    return movements(part, frames, rate_hz, np.random.default_rng(100 + half), count)


def _logits(model: Path, samples: Movements) -> Rows:
    session = open_session(model, runtime="onnxruntime", threads=1)
    poses = as_lifted(samples.bodies, SPEC, np.random.default_rng(7))
    parts = np.array_split(poses, max(len(poses) // 500, 1))
    return np.concatenate([session.run({"movement": part})["logits"] for part in parts]).astype(float)


def softmax(logits: Rows) -> Rows:
    """(N, K) probabilities."""
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return odds / odds.sum(1, keepdims=True)


def fit_temperature(logits: Rows, truth: NDArray[np.float32]) -> float:
    """What to divide the logits by for the lowest cross-entropy (Guo et al., 2017); to 2 %."""
    candidates = np.exp(np.arange(-1.5, 1.5, 0.02))
    losses = [-(truth * np.log(softmax(logits / t) + 1e-12)).sum(1).mean() for t in candidates]
    return float(candidates[int(np.argmin(losses))])


def _threshold(probabilities: Rows, samples: Movements) -> float:
    """The confidence below which ``NEUTRAL_REFUSED`` of the neutral movements lie."""
    return float(np.quantile(probabilities[samples.intensity == 0].max(1), NEUTRAL_REFUSED))


def _report(probabilities: Rows, samples: Movements, threshold: float) -> dict[str, object]:
    expressive, answered = samples.intensity > 0, probabilities.max(1) >= threshold
    everyone = metrics.confusion(
        probabilities[expressive].argmax(1), samples.emotions[expressive], len(EMOTIONS)
    )
    both = expressive & answered
    valid = metrics.confusion(probabilities[both].argmax(1), samples.emotions[both], len(EMOTIONS))
    strong = expressive & (samples.intensity > 0.7)
    return {
        "samples": int(expressive.sum()),
        "neutral_samples": int((~expressive).sum()),
        "accuracy": round(metrics.accuracy(everyone), 3),
        "accuracy_intensity_over_0.7": round(
            float((probabilities[strong].argmax(1) == samples.emotions[strong]).mean()), 3
        ),
        "macro_f1": round(metrics.macro_f1(everyone), 3),
        "ece": round(
            metrics.expected_calibration_error(probabilities[expressive], samples.emotions[expressive]), 3
        ),
        "recall": dict(zip(EMOTIONS, np.round(metrics.recall(everyone), 3).tolist(), strict=True)),
        "neutral_refused": round(float((~answered[~expressive]).mean()), 3),
        "expressive_answered": round(float(answered[expressive].mean()), 3),
        "accuracy_of_answers": round(metrics.accuracy(valid), 3),
        "confusion_rows_true": everyone.tolist(),
    }


def evaluate_chain(
    data: Path, model: Path, lifter: Path, calibrated: dict[str, Any], *, count: int = 300
) -> dict[str, object]:
    """The same through cameras, noisy keypoints, the lifting station and the emotion station."""
    rate_hz = lifting.SPEC.rate_hz
    samples = held_out(data, 1, count, round(rate_hz * 2.7), rate_hz)
    spec = dataclasses.replace(
        SPEC, temperature=calibrated["temperature"], min_confidence=calibrated["min_confidence"]
    )
    estimator = EmotionEstimator(open_session(model, runtime="onnxruntime", threads=1), spec)
    station = lifting.Lifter(open_session(lifter, runtime="onnxruntime", threads=1), lifting.SPEC)
    rng = np.random.default_rng(8)
    tally: Counter[str] = Counter()
    for body, emotion, intensity in zip(samples.bodies, samples.emotions, samples.intensity, strict=True):
        seen = see((body - body[len(body) // 2, 0])[None], *random_poses(rng, 1))[0]
        people = lifting.noisy_keypoints(seen, Noise(), rng)
        if not np.isfinite(people).all():
            continue
        for skeletons in lifting.lift_video(station, people):
            last = estimator.update(skeletons)
        estimator.reset()
        kind = "neutral" if intensity == 0 else "expressive"
        tally[kind] += 1
        if last.status[0] is EmotionStatus.VALID:
            tally[f"{kind}_answered"] += 1
            tally["right"] += int(intensity > 0 and last.probabilities[0].argmax() == emotion)
    return {"model": f"{lifter.name} -> {model.name}", **dict(sorted(tally.items()))}


def main(argv: Sequence[str] | None = None) -> None:
    """See the module's first lines."""
    parser = argparse.ArgumentParser(
        prog="python -m train.starter.emotion", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--data", type=Path, required=True, help="the development data's folder")
    parser.add_argument("--out", type=Path, required=True, help="ONNX file to write, or to evaluate")
    parser.add_argument("--lifter", type=Path, help="ONNX file of the starter lifter, to evaluate with it")
    parser.add_argument(
        "--run", type=Path, default=Path("runs/emotion"), help="folder for log and checkpoint"
    )
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--evaluate", action="store_true", help="no training")
    options = parser.parse_args(argv)
    if not options.evaluate:
        plan = Plan(options.steps, rate=1e-3)
        train(options.data, options.out, options.run, plan, batch=options.batch, seed=options.seed)
    report = evaluate(options.data, options.out)
    print(json.dumps(report))
    if options.lifter:
        print(json.dumps(evaluate_chain(options.data, options.out, options.lifter, report)))


if __name__ == "__main__":
    main()
