"""What a report says about the people: rows over time, figures of each, images worth a look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..draw.style import EMOTION_CODES, WHY_NOT
from ..types import EMOTIONS, EmotionStatus
from .bag import Recording

BINS = 500
WORST, APART_S = 6, 1.0
AWAY_S = 1.0
STATES: tuple[str, ...] = (*EMOTIONS, *(s.value for s in EmotionStatus if s is not EmotionStatus.VALID))
"""What a person's row can say at a time: an emotion, or why there is none."""
_GREYS = ("#8b98a5", "#a9b3bd", "#6c7884", "#c3cad1")
STATE_CODES = {**EMOTION_CODES, **dict(zip(STATES[len(EMOTIONS) :], _GREYS, strict=True))}
"""Colour of each state, ``#rrggbb``."""
STATE_WORDS = {**{name: name for name in EMOTIONS}, **{s.value: WHY_NOT[s] or s.value for s in EmotionStatus}}
"""Each state in words."""


@dataclass(frozen=True, eq=False)
class Person:
    """One id over the whole recording.

    Attributes:
        name: The id.
        seconds: (n,) when it was seen, from the first image.
        quality: (n,) mean score of the skeleton's joints, 0..1; of the keypoints where there is no
            skeleton.
        states: (n,) index into ``STATES``; -1 where nobody asked.
        probabilities: (n, 6) of valid estimates, else NaN.
        images: (n,) numbers of the images it was seen in.
        windows_s: (n,) seconds of movement that were judged; 0 where none.
        evidence: n times the words for what the answer rests on; empty without one.
    """

    name: str
    seconds: NDArray[np.float64]
    quality: NDArray[np.float64]
    states: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    images: NDArray[np.int64]
    windows_s: NDArray[np.float64]
    evidence: tuple[tuple[str, ...], ...]

    @cached_property
    def returns(self) -> NDArray[np.bool_]:
        """(n,) whether it had been away before: for a second, or three images of its own rate."""
        gaps = np.diff(self.seconds)
        usual = float(np.median(gaps)) if len(gaps) else 0.0
        return np.concatenate([[False], gaps > max(AWAY_S, 3 * usual)])

    @cached_property
    def mostly(self) -> str:
        """The state it was in most often."""
        known = self.states[self.states >= 0]
        return STATES[int(np.bincount(known).argmax())] if len(known) else "nothing"


def people_of(recording: Recording, stamps: Sequence[int]) -> list[Person]:
    """Everybody, those who were seen first before the others."""
    rows: dict[str, list[_Look]] = {}
    nothing = np.full(len(EMOTIONS), np.nan)
    for image, stamp in enumerate(stamps):
        people = recording.people.get(stamp)
        if people is None:
            continue
        skeletons, emotions = recording.skeletons.get(stamp), recording.emotions.get(stamp)
        for n, name in enumerate(people.ids):
            scores = people.keypoints[n, :, 2]
            if skeletons is not None and name in skeletons.ids:
                scores = skeletons.scores[skeletons.ids.index(name)]
            state, probabilities, window_s = -1, nothing, 0.0
            evidence: tuple[str, ...] = ()
            if emotions is not None and name in emotions.ids:
                k = emotions.ids.index(name)
                valid = emotions.status[k] is EmotionStatus.VALID
                best = int(np.argmax(emotions.probabilities[k]))
                state = best if valid else STATES.index(emotions.status[k].value)
                probabilities = emotions.probabilities[k].astype(np.float64) if valid else nothing
                window_s = float(emotions.windows_s[k])
                evidence = emotions.evidence[k] if valid and emotions.evidence else ()
            at = (stamp - stamps[0]) * 1e-9
            rows.setdefault(name, []).append(
                (at, float(np.mean(scores)), state, probabilities, image, window_s, evidence)
            )
    return [_person(name, entries) for name, entries in rows.items()]


_Look = tuple[float, float, int, NDArray[np.float64], int, float, tuple[str, ...]]


def _person(name: str, looks: Sequence[_Look]) -> Person:
    *columns, evidence = zip(*looks, strict=True)
    seconds, quality, states, probabilities, images, windows_s = (np.array(c) for c in columns)
    return Person(name, seconds, quality, states, probabilities, images, windows_s, evidence)


@dataclass(frozen=True, eq=False)
class Timeline:
    """Rows of people in bins of time.

    Attributes:
        at: (B,) middle of each bin, seconds.
        quality: (P, B) mean quality; NaN where somebody was not seen.
        states: (P, B) most frequent state; -1 where there was none.
    """

    at: NDArray[np.float64]
    quality: NDArray[np.float64]
    states: NDArray[np.int64]


def timeline_of(people: Sequence[Person], end_s: float, images: int) -> Timeline:
    """Bins no finer than the images, and at most ``BINS``."""
    bins = max(1, min(BINS, images))
    width = max(end_s, 1e-3) / bins * (1 + 1e-9)
    quality = np.full((len(people), bins), np.nan)
    states = np.full((len(people), bins), -1)
    for row, person in enumerate(people):
        places = np.minimum((person.seconds / width).astype(int), bins - 1)
        for place in np.unique(places):
            inside = places == place
            quality[row, place] = person.quality[inside].mean()
            known = person.states[inside & (person.states >= 0)]
            if len(known):
                states[row, place] = Counter(known.tolist()).most_common(1)[0][0]
    middles = np.asarray((np.arange(bins) + 0.5) * width, np.float64)
    return Timeline(middles, quality, states)


def worst_images(recording: Recording, stamps: Sequence[int]) -> list[tuple[int, str]]:
    """Indices of images with people who are seen worst, at least a second apart, and why."""
    found = []
    for index, stamp in enumerate(stamps):
        people = recording.people.get(stamp)
        if people is not None and len(people):
            means = people.keypoints[..., 2].mean(axis=1)
            n = int(means.argmin())
            found.append((float(means[n]), index, people.ids[n]))
    chosen: list[tuple[int, str]] = []
    for score, index, name in sorted(found):
        near = any(abs(stamps[index] - stamps[i]) < APART_S * 1e9 for i, _ in chosen)
        if not near:
            chosen.append((index, f"{name}: mean keypoint score {score:.2f}"))
        if len(chosen) == WORST:
            break
    return sorted(chosen)
