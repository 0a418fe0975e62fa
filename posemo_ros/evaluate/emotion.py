"""How well emotions are read from movement: labelled clips through the emotion station.

The station is fed the true skeletons in the axes of a virtual camera, so that it alone is measured.
A clip's answer is the mean of the probabilities of its frames that have a valid answer.

Symbols: C clips, A of them with an answer, L labels present, K = 6 emotions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import metrics
from ..emotion.estimator import EmotionEstimator
from ..errors import InputError
from ..inference.manifest import EmotionSpec
from ..inference.store import ModelStore
from ..pipeline import Models, build_emotion
from ..skeleton import H36M17
from ..types import EMOTIONS, NEUTRAL, EmotionStatus, Floats, Skeletons3D, View
from .clips import Clip, read_clips
from .film import look
from .plots import WHOLE, Plot, bars, heatmap, lines
from .report import Report, Table, rounded, runtimes

Doubles = NDArray[np.float64]
TOGETHER = 32  # clips that go through the station side by side, as the people of one film
UNANSWERED = "no answer"
CALIBRATION_BINS = 10


def evaluate_emotion(
    path: Path, models: Models, store: ModelStore, *, seed: int = 0, tilt_deg: float | None = None
) -> Report:
    """Accuracy, F1, confusion and calibration on labelled clips.

    Args:
        path: Clips with ``emotion``, see docs/evaluation.md.
        models: The emotion network and its runtime.
        store: Where the models are.
        seed: Of the cameras.
        tilt_deg: How far all of them look down; None: drawn, see ``film.look``.

    Raises:
        InputError: The clips cannot be used, or the network needs a scene, which clips do not have.
        ModelError: The model cannot be used.
    """
    estimator = _estimator(models, store)
    clips = read_clips(path, labelled=True)
    answers, counts, status = judge(estimator, clips, seed, tilt_deg=tilt_deg)
    shares = {s.value: status[s] / max(status.total(), 1) for s in EmotionStatus}
    labels = [c.emotion for c in clips]
    acted = np.array([label != NEUTRAL for label in labels])
    results = {
        **(figures(answers[acted], [name for name in labels if name != NEUTRAL]) if acted.any() else {}),
        **neutral_figures(counts[~acted], [clip for clip, a in zip(clips, acted, strict=True) if not a]),
        "frames_by_status": rounded(shares),
    }
    return Report(
        what="emotion",
        samples={"clips": len(clips), "frames": int(sum(c.ok.sum() for c in clips))},
        models={"emotion": models.emotion},
        runtime=runtimes({"emotion": estimator.session}),
        protocol=_protocol(path, clips[0].rate_hz, seed, tilt_deg),
        results=results,
        tables=_tables(results),
        plots=_plots(results),
        by_clip=_by_clip(clips, answers, counts),
    )


def _estimator(models: Models, store: ModelStore) -> EmotionEstimator:
    if not models.emotion:
        raise InputError("--emotion: no model named; see `posemo models list`")
    spec = store.spec(models.emotion).spec
    if isinstance(spec, EmotionSpec) and spec.context_frames:
        raise InputError(
            f"model {models.emotion!r} looks at the scene too, and clips show none; choose one that reads "
            "movement alone"
        )
    estimator = build_emotion(models, store)
    assert estimator is not None
    return estimator


def judge(
    estimator: EmotionEstimator,
    clips: Sequence[Clip],
    seed: int,
    watch: Callable[[Skeletons3D], None] | None = None,
    *,
    tilt_deg: float | None = None,
) -> tuple[Doubles, NDArray[np.int64], Counter[EmotionStatus]]:
    """The station's answers.

    Args:
        estimator: The station.
        clips: C clips.
        seed: Of the cameras.
        watch: Called after each step with what the station was given.
        tilt_deg: How far the cameras look down; None: drawn.

    Returns:
        (C, 6) mean probabilities of each clip's valid frames, NaN where there is none; (C,) how many
        frames of each clip have an answer; how many of the good frames of all clips have which status.
    """
    rng = np.random.default_rng(seed)
    films = [_turned(clip, rng, tilt_deg) for clip in clips]
    sums, counts = np.zeros((len(clips), len(EMOTIONS))), np.zeros(len(clips), np.int64)
    tally: Counter[EmotionStatus] = Counter()
    order = sorted(range(len(clips)), key=lambda i: len(films[i]))
    for first in range(0, len(order), TOGETHER):
        group = order[first : first + TOGETHER]
        estimator.reset()
        for t in range(len(films[group[-1]])):
            present = [i for i in group if t < len(films[i]) and clips[i].ok[t]]
            stamp = round(t / clips[0].rate_hz * 1e9)
            given = _skeletons(present, [films[i][t] for i in present], stamp)
            emotions = estimator.judge(given)
            if watch:
                watch(given)
            tally.update(emotions.status)
            for i, status, row in zip(present, emotions.status, emotions.probabilities, strict=True):
                if status is EmotionStatus.VALID:
                    sums[i] += row
                    counts[i] += 1
    with np.errstate(invalid="ignore"):
        return sums / counts[:, None], counts, tally


def _turned(clip: Clip, rng: np.random.Generator, tilt_deg: float | None) -> Floats:
    """(T, 17, 3) root-relative joints in the axes of some camera."""
    joints = clip.body[:, : len(H36M17)]
    return np.asarray((joints - joints[:, :1]) @ look(rng, tilt_deg).T, np.float32)


def _skeletons(people: Sequence[int], poses: Sequence[Floats], stamp_ns: int) -> Skeletons3D:
    count = len(people)
    return Skeletons3D(
        ids=tuple(f"clip{i}" for i in people),
        relative=np.stack(poses) if poses else np.zeros((0, len(H36M17), 3), np.float32),
        roots=np.full((count, 3), np.nan, np.float32),
        scores=np.ones((count, len(H36M17)), np.float32),
        view=View(stamp_ns),
    )


def figures(answers: Doubles, labels: Sequence[str]) -> dict[str, Any]:
    """All figures of an evaluation.

    The answer is the most probable of the labels that the file has; ``accuracy_six`` takes that of
    all six emotions. So does the rest where there is one label alone, which is always right among itself.

    Args:
        answers: (C, 6) probabilities in the order of ``EMOTIONS``; NaN for no answer.
        labels: C names.
    """
    present = [name for name in EMOTIONS if name in labels]
    choices = present if len(present) > 1 else list(EMOTIONS)
    truth = np.array([choices.index(label) for label in labels])
    answered = np.asarray(np.isfinite(answers).all(1))
    among = answers[:, [EMOTIONS.index(name) for name in choices]]
    with np.errstate(invalid="ignore"):
        among = among / among.sum(1, keepdims=True)
    guess, rows = np.argmax(among[answered], 1), metrics.confusion
    matrix = rows(guess, truth[answered], len(choices))
    unanswered = np.bincount(truth[~answered], minlength=len(choices))
    count, recall = Counter(labels), metrics.recall(matrix)
    rows_of = {name: choices.index(name) for name in present}
    return {
        "labels": present,
        "clips": {name: count[name] for name in present},
        "without_answer": round(float((~answered).mean()), 4),
        **rounded(_quality(matrix, among[answered], truth[answered])),
        **rounded(
            {
                "accuracy_no_answer_is_wrong": float(np.trace(matrix) / len(labels)),
                "accuracy_six": _six(answers[answered], list(compress(labels, answered))),
                "accuracy_of_the_commonest_label": float(np.bincount(truth).max() / len(labels)),
            }
        ),
        "calibration": calibration(among[answered], truth[answered]),
        "selective": selective(np.max(among, 1), np.argmax(np.nan_to_num(among), 1) == truth),
        "recall": rounded({name: float(recall[row]) for name, row in rows_of.items()}),
        "confusion": {
            name: dict(
                zip([*choices, UNANSWERED], [*map(int, matrix[row]), int(unanswered[row])], strict=True)
            )
            for name, row in rows_of.items()
        },
    }


def neutral_figures(answered: NDArray[np.int64], clips: Sequence[Clip]) -> dict[str, Any]:
    """Answers to neutral clips, where an emotion is wrong and no answer is right.

    Args:
        answered: (C,) frames with an answer.
        clips: The C neutral clips.

    Returns:
        ``neutral``: clips, and how many got an emotion; frames, and the share with one. Empty
        without neutral clips.
    """
    if not len(clips):
        return {}
    frames = int(sum(c.ok.sum() for c in clips))
    wrong = int((answered > 0).sum())
    shares = {"clips_share": wrong / len(clips), "frames_share": float(answered.sum()) / frames}
    return {"neutral": {"clips": len(clips), "with_an_emotion": wrong, "frames": frames, **rounded(shares)}}


def selective(confidence: Doubles, right: NDArray[np.bool_]) -> list[list[float]]:
    """Accuracy of the surest answers against the share of clips they cover (El-Yaniv & Wiener 2010).

    Args:
        confidence: (C,) of each clip's answer; NaN where there is none.
        right: (C,) whether it is right.

    Returns:
        [coverage, accuracy] after each answer, surest first.
    """
    order = np.argsort(-np.nan_to_num(confidence, nan=-1.0), kind="stable")[
        : int(np.isfinite(confidence).sum())
    ]
    accuracy = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    coverage = np.arange(1, len(order) + 1) / len(confidence)
    return [[round(float(c), 4), round(float(a), 4)] for c, a in zip(coverage, accuracy, strict=True)]


def calibration(probabilities: Doubles, truth: NDArray[np.int64]) -> list[list[float]]:
    """How often answers of a confidence are right: a reliability diagram (Guo et al., 2017).

    Args:
        probabilities: (A, L), rows sum to 1.
        truth: (A,) columns that are right.

    Returns:
        [mean confidence, accuracy, answers] of each of ten bins that has answers.
    """
    if not len(truth):
        return []
    confidence, right = probabilities.max(1), probabilities.argmax(1) == truth
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    return [
        [
            round(float(confidence[bins == b].mean()), 4),
            round(float(right[bins == b].mean()), 4),
            int((bins == b).sum()),
        ]
        for b in np.unique(bins)
    ]


def _by_clip(
    clips: Sequence[Clip], answers: Doubles, counts: NDArray[np.int64]
) -> dict[str, dict[str, float]]:
    """``right``: 1 or 0, for a neutral clip whether nothing was said; ``answered`` of the acted clips."""
    rows = {}
    for clip, row, count in zip(clips, answers, counts, strict=True):
        if clip.emotion == NEUTRAL:
            rows[clip.name] = {"right": float(count == 0)}
        else:
            right = bool(np.isfinite(row).all()) and EMOTIONS[int(row.argmax())] == clip.emotion
            rows[clip.name] = {"right": float(right), "answered": float(count > 0)}
    return rows


def _plots(results: Mapping[str, Any]) -> list[Plot]:
    status = {"frames": results["frames_by_status"]}
    plots = [bars("Answers, by frame", "Valid: an emotion; else the reason for none.", status, "share")]
    if "labels" not in results:
        return plots
    surest, right = zip(*results["selective"], strict=True) if results["selective"] else ((), ())
    told, true, _ = zip(*results["calibration"], strict=True) if results["calibration"] else ((), (), ())
    return [
        lines(
            "Selective accuracy against coverage",
            "If only the surest answers counted: how many acted clips would have one, and how many "
            "of those are right.",
            {"accuracy of the surest answers": (surest, right)},
            x="share of the acted clips with an answer",
            y="share that is right",
            range_=(0, 1.05),
        ),
        lines(
            "Calibration",
            "An honest confidence lies on the diagonal; above it the network is too modest, below it "
            "too sure. "
            "With few clips a bin is mostly chance.",
            {"as measured": (told, true), "honest": (WHOLE, WHOLE)},
            x="confidence",
            y="share that is right",
            range_=(0, 1.05),
        ),
        bars(
            "Recall of each emotion",
            "Share of the answered clips with this label that were told right.",
            {"recall": results["recall"]},
            "share",
            range_=WHOLE,
        ),
        heatmap(
            "What was answered",
            "Rows: the true label; columns: the answer; numbers of clips.",
            results["confusion"],
            x="answer",
            y="true label",
        ),
        *plots,
    ]


def _quality(matrix: NDArray[np.int64], among: Doubles, truth: NDArray[np.int64]) -> dict[str, float]:
    if not len(truth):
        return dict.fromkeys(("accuracy", "macro_f1", "expected_calibration_error"), float("nan"))
    return {
        "accuracy": metrics.accuracy(matrix),
        "macro_f1": metrics.macro_f1(matrix),
        "expected_calibration_error": metrics.expected_calibration_error(among, truth),
    }


def _six(answers: Doubles, labels: Sequence[str]) -> float:
    right = [EMOTIONS[int(row.argmax())] == label for row, label in zip(answers, labels, strict=True)]
    return float(np.mean(right)) if right else float("nan")


def _protocol(path: Path, rate_hz: float, seed: int, tilt_deg: float | None) -> dict[str, Any]:
    tilt = "5 degrees up to 20" if tilt_deg is None else f"{tilt_deg:g} degrees"
    return {
        "clips": path.name,
        "frames_per_second": rate_hz,
        "seed": seed,
        "input": "true skeletons, pelvis at the origin, in the axes of one camera per clip (any bearing, "
        f"looking {tilt} down); movement alone",
        "answer": "mean probabilities of the frames with a valid answer; the most probable of the labels "
        "present (of all six where there is one alone), probabilities scaled to sum to 1 over these",
        "scores": "accuracy, macro-F1, recall and calibration error (15 bins) over the clips with an answer",
    }


def _tables(results: dict[str, Any]) -> list[Table]:
    names = (
        "accuracy",
        "macro_f1",
        "expected_calibration_error",
        "without_answer",
        "accuracy_no_answer_is_wrong",
        "accuracy_six",
        "accuracy_of_the_commonest_label",
    )
    status = [[name.replace("_", " "), share] for name, share in results["frames_by_status"].items()]
    tables = [Table("frames by status", ["status", "share"], status)]
    if "neutral" in results:
        rows = [[name.replace("_", " "), value] for name, value in results["neutral"].items()]
        tables.insert(0, Table("neutral clips: no answer is right", ["figure", "value"], rows))
    if "labels" not in results:
        return tables
    overall = Table("acted clips", ["figure", "value"], [[n.replace("_", " "), results[n]] for n in names])
    columns = ["true label", *results["confusion"][results["labels"][0]], "recall"]
    rows = [[name, *row.values(), results["recall"][name]] for name, row in results["confusion"].items()]
    return [overall, Table("acted clips by answer", columns, rows), *tables]
