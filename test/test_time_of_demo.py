"""The demo clip with stamps as real drivers give them: the people keep their ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posemo_ros.pipeline import Pipeline
from posemo_ros.replay.sources import open_source
from posemo_ros.settings import Models
from posemo_ros.types import Frame

DEMO = Path(__file__).resolve().parent.parent / "demo" / "people.mp4"
FRAMES = slice(60, 140)
RNG = np.random.default_rng(4)


def dropped(stamps: Sequence[int]) -> list[int | None]:
    """A third of the images never arrives."""
    lost = RNG.random(len(stamps)) < 1 / 3
    return [None if gone else stamp for stamp, gone in zip(stamps, lost, strict=True)]


def jittered(stamps: Sequence[int]) -> list[int | None]:
    """Each stamp is off by up to 15 of the 40 ms between two."""
    return [stamp + int(RNG.uniform(-15e6, 15e6)) for stamp in stamps]


def swapped(stamps: Sequence[int]) -> list[int | None]:
    """Every fifth image has changed places with its neighbour."""
    mixed: list[int | None] = list(stamps)
    for i in range(0, len(mixed) - 1, 5):
        mixed[i], mixed[i + 1] = mixed[i + 1], mixed[i]
    return mixed


def doubled(stamps: Sequence[int]) -> list[int | None]:
    """Pairs of images with one stamp."""
    return [stamps[i - i % 2] for i in range(len(stamps))]


@pytest.fixture(scope="module")
def clip() -> list[Frame]:
    with open_source(DEMO) as source:
        return list(source)[FRAMES]


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    models = Models(keypoints="posemo-keypoints-fast", lifter="", emotion="", runtime="onnxruntime")
    return Pipeline(models)


def ids(pipeline: Pipeline, frames: Sequence[Frame]) -> tuple[set[str], int]:
    """The ids of those who were seen in a tenth of the images or more, and how many images came late."""
    pipeline.reset()
    results = [pipeline.step(frame) for frame in frames]
    seen = [name for result in results for name in result.people.ids]
    return {n for n in seen if seen.count(n) >= len(frames) / 10}, sum(r.late for r in results)


@pytest.mark.slow
@pytest.mark.parametrize("how", [dropped, jittered, swapped, doubled])
def test_ids_stay(
    pipeline: Pipeline, clip: list[Frame], how: Callable[[Sequence[int]], list[int | None]]
) -> None:
    steady, _ = ids(pipeline, clip)
    stamps = how([frame.stamp_ns for frame in clip])
    given = [replace(f, stamp_ns=s) for f, s in zip(clip, stamps, strict=True) if s is not None]
    found, late = ids(pipeline, given)
    assert len(steady) >= 2
    assert len(found) == len(steady)
    assert late == (len(clip) // 5 if how is swapped else 0)
