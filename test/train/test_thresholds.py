"""From which evidence on an emotion is said."""

from __future__ import annotations

import numpy as np

from posemo_ros.types import EMOTIONS
from train.thresholds import choose


def test_an_emotion_that_nobody_acted_needs_more_than_all_else_together() -> None:
    peaks = dict.fromkeys(EMOTIONS, 0.1) | {"joy": 0.5, "surprise": 0.9, "anger": 0.4}
    chosen = choose(np.array(list(peaks.values())), {"anger", "sadness", "neutral"})
    assert chosen == {
        "joy": 0.6,  # a fifth above what neutral movement reached
        "anger": 0.48,
        "disgust": 0.5,
        "fear": 0.5,
        "sadness": 0.3,
        "surprise": 0.95,
    }
