"""The evidence from which an emotion is reported: chosen on half of labelled clips, tested on the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posemo_ros.emotion.estimator import EmotionEstimator
from posemo_ros.evaluate.clips import Clip, read_clips
from posemo_ros.evaluate.emotion import figures, judge, neutral_figures
from posemo_ros.inference.manifest import EmotionSpec
from posemo_ros.inference.session import Session
from posemo_ros.replay.bag import read_results
from posemo_ros.types import EMOTIONS, NEUTRAL, EmotionStatus, Skeletons3D

FLOOR, MARGIN = 0.3, 1.2
UNTRIED_FLOOR = 0.5  # of emotions that no acted clip has: more likely than all else together
NEVER = 2.0
SEEDS = (0, 1, 2)  # of the cameras around the clips

Doubles = NDArray[np.float64]


def halves(clips: Sequence[Clip]) -> tuple[list[Clip], list[Clip]]:
    """Every other person's clips; clips named ``set/actor_...`` are one person's, others stand alone."""
    people = sorted({_person(c.name) for c in clips})
    first = set(people[::2])
    return (
        [c for c in clips if _person(c.name) in first],
        [c for c in clips if _person(c.name) not in first],
    )


def _person(name: str) -> str:
    actor, _, rest = name.partition("_")
    return actor if len(actor.rpartition("/")[2]) == 1 and rest else name


def largest_neutral(
    session: Session, spec: EmotionSpec, clips: Sequence[Clip], bags: Sequence[Path]
) -> Doubles:
    """(6,) the largest evidence for each emotion in neutral clips, and in recorded results.

    Args:
        session, spec: Of the network.
        clips: Neutral ones.
        bags: Results of the chain on people who show no emotion; every other person is looked at.
    """
    estimator = EmotionEstimator(
        session, dataclasses.replace(spec, thresholds=dict.fromkeys(EMOTIONS, NEVER))
    )
    peaks = np.zeros(len(EMOTIONS))

    def watch(skeletons: Skeletons3D, people: Sequence[str] | None = None) -> None:
        for person in skeletons.ids if people is None else people:
            evidence = estimator.evidence(person)
            if evidence is not None:
                peaks[:] = np.maximum(peaks, evidence[:-1])

    for seed in SEEDS:
        judge(estimator, clips, seed, watch=watch)
    for bag in bags:
        estimator.reset()
        films, first, _ = _people_of(bag)
        for skeletons in films:
            estimator.judge(skeletons)
            watch(skeletons, first)
    return peaks


def _people_of(bag: Path) -> tuple[list[Skeletons3D], list[str], list[str]]:
    """Skeletons in the order of time, and the ids of every other person, and of the others."""
    found = read_results(bag).skeletons
    films = [found[stamp] for stamp in sorted(found)]
    people = sorted({person for s in films for person in s.ids}, key=lambda i: (len(i), i))
    return films, people[::2], people[1::2]


def windows_with_an_emotion(session: Session, spec: EmotionSpec, bags: Sequence[Path]) -> dict[str, Any]:
    """Of the people in recorded results that chose nothing: windows judged, and those with an answer."""
    judged = answered = 0
    for bag in bags:
        estimator = EmotionEstimator(session, spec)
        films, _, second = _people_of(bag)
        for skeletons in films:
            emotions = estimator.judge(skeletons)
            for person, status in zip(emotions.ids, emotions.status, strict=True):
                if person in second:
                    judged += status in (EmotionStatus.VALID, EmotionStatus.NOT_ENOUGH_EVIDENCE)
                    answered += status is EmotionStatus.VALID
    return {"windows": judged, "with_an_emotion": answered}


def choose(peaks: Doubles, tried: Collection[str]) -> dict[str, float]:
    """Thresholds a margin above what neutral movement reached.

    Args:
        peaks: (6,) of ``largest_neutral``.
        tried: Emotions that acted clips show; the others are said from ``UNTRIED_FLOOR`` on at the earliest.
    """
    return {
        name: round(max(FLOOR if name in tried else UNTRIED_FLOOR, min(MARGIN * float(peak), 0.95)), 3)
        for name, peak in zip(EMOTIONS, peaks, strict=True)
    }


def report(session: Session, spec: EmotionSpec, clips: Sequence[Clip], *, seed: int = 0) -> dict[str, Any]:
    """The figures of ``posemo evaluate emotion`` on these clips."""
    answers, counts, _ = judge(EmotionEstimator(session, spec), clips, seed)
    acted = np.array([c.emotion != NEUTRAL for c in clips])
    labels = [c.emotion for c in clips if c.emotion != NEUTRAL]
    neutral = [c for c in clips if c.emotion == NEUTRAL]
    return {**(figures(answers[acted], labels) if labels else {}), **neutral_figures(counts[~acted], neutral)}


def fit_thresholds(session: Session, spec: EmotionSpec, path: Path, bags: Sequence[Path]) -> dict[str, Any]:
    """Choose on one half of the clips, report both halves.

    Returns:
        ``thresholds``, ``neutral_peaks``, ``chosen_on`` and ``reported_on`` (figures), and
        ``results_reported_on``, of the other people in the bags.
    """
    first, second = halves(read_clips(path, labelled=True))
    peaks = largest_neutral(session, spec, [c for c in first if c.emotion == NEUTRAL], bags)
    thresholds = choose(peaks, {c.emotion for c in first})
    spec = dataclasses.replace(spec, thresholds=thresholds)
    return {
        "thresholds": thresholds,
        "neutral_peaks": {n: round(float(p), 3) for n, p in zip(EMOTIONS, peaks, strict=True)},
        "chosen_on": report(session, spec, first),
        "reported_on": report(session, spec, second),
        "results_reported_on": windows_with_an_emotion(session, spec, bags),
    }
