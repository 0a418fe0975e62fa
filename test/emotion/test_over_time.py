"""Answers of the shipped network over time: acted clips of 3 to 11 s, played to and fro for half a minute."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posemo_ros.emotion.estimator import EmotionEstimator
from posemo_ros.evaluate.clips import Clip, read_clips
from posemo_ros.evaluate.emotion import judge
from posemo_ros.inference.manifest import EmotionSpec
from posemo_ros.inference.store import ModelStore
from posemo_ros.pipeline import Models, build_emotion
from posemo_ros.types import NEUTRAL, Emotions, EmotionStatus, Skeletons3D

SECONDS = 30
SEEDS = (0, 1, 2)  # of the cameras around the clips


class Heard(EmotionEstimator):
    """Keeps what was said of everybody: an emotion, or nothing."""

    said: dict[str, list[str]]

    def judge(self, skeletons: Skeletons3D) -> Emotions:
        answers = super().judge(skeletons)
        for person, status, label in zip(answers.ids, answers.status, answers.labels, strict=True):
            self.said[person].append(label if status is EmotionStatus.VALID else "")
        return answers


def to_and_fro(clip: Clip) -> Clip:
    body = clip.body[clip.ok]
    there_and_back = np.concatenate([body, body[-2:0:-1]])
    rows = np.arange(round(SECONDS * clip.rate_hz)) % len(there_and_back)
    return replace(clip, body=there_and_back[rows], ok=np.ones(len(rows), np.bool_))


@pytest.mark.slow
@pytest.mark.shared
def test_answers_last_and_do_not_flicker(shared_data: Path) -> None:
    """The aims: half of the answers last over 2 s, at most one change in 10 s."""
    known = read_clips(shared_data / "acted_motion" / "acted.npz", labelled=True)
    clips = [to_and_fro(clip) for clip in known if clip.emotion != NEUTRAL]
    shipped = build_emotion(Models(runtime="onnxruntime", threads=1), ModelStore())
    spec = ModelStore().spec(Models().emotion).spec
    assert shipped is not None
    assert isinstance(spec, EmotionSpec)
    lengths, changes = list[float](), 0
    for seed in SEEDS:
        estimator = Heard(shipped.session, spec)
        estimator.said = defaultdict(list)
        judge(estimator, clips, seed)
        for number, clip in enumerate(clips):
            said = estimator.said[f"clip{number}"]
            assert set(said) <= {"", clip.emotion}, clip.name
            changes += sum(a != b for a, b in itertools.pairwise(said))
            lengths += [len(list(run)) / clip.rate_hz for word, run in itertools.groupby(said) if word]
    per_ten_seconds = 10 * changes / (SECONDS * len(clips) * len(SEEDS))
    print(f"{len(lengths)} answers, median {np.median(lengths):.1f} s, {per_ten_seconds:.2f} changes in 10 s")
    assert len(lengths) >= 6
    assert np.median(lengths) > 2
    assert per_ten_seconds < 1
