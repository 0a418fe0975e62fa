"""The benchmark around a chain that only counts."""

from __future__ import annotations

import json

import numpy as np
import pytest

from posemo_ros.bench import SIZE, WARM_UP_FRAMES, bench
from posemo_ros.emotion.window import MAX_GAP_S
from posemo_ros.pipeline import Models, Settings
from posemo_ros.types import FrameResult, People2D


class Session:
    runtime, precision = "onnxruntime", "fp32"


class Chain:
    """Finds one person; says that the detector took 6 ms and, on every second frame, the lifter 4 ms."""

    models, settings = Models(), Settings(detect_every=3)

    def __init__(self) -> None:
        self.sessions = {"detect": Session(), "lift": Session()}
        self.films: list[list] = []

    def reset(self) -> None:
        self.films.append([])

    def step(self, frame):
        film = self.films[-1]
        film.append((frame.stamp_ns, self.settings.detect_every, frame.image.shape))
        people = People2D(("p1",), *(np.zeros(s, np.float32) for s in ((1, 4), (1,), (1, 17, 3))))
        times = {"detect": 6.0, **({"lift": 4.0} if len(film) % 2 else {})}
        return FrameResult(frame.stamp_ns, "", people, None, None, times)


def test_figures_and_films() -> None:
    chain = Chain()
    got = json.loads(bench(lambda: chain, quick=True, as_json=True))
    assert [(f["people"], f["detect_every"]) for f in got["chain"]] == [(1, 1), (1, 3), (4, 1), (4, 3)]
    for figures in got["chain"]:
        assert figures["found"] == 1
        assert figures["stations_ms"] == {"detect": 6.0, "lift": 2.0}
    assert [f["speedup"] for f in got["chain"] if f["detect_every"] == 1] == [1, 1]
    assert got["runtime"] == {"detect": "onnxruntime fp32", "lift": "onnxruntime fp32"}
    assert got["models"]["lifter"] == "posemo-lifter"
    assert chain.settings == Settings(detect_every=3)
    assert len(chain.films) == 4


def test_every_station_has_what_it_needs_when_measuring_starts() -> None:
    """Movement without a gap for longer than the emotion network looks back."""
    chain = Chain()
    bench(lambda: chain, quick=True)
    for film in chain.films:
        stamps = np.array([stamp for stamp, _, _ in film]) * 1e-9
        gaps = np.diff(stamps)
        assert (gaps > 0).all()
        assert gaps.max() < MAX_GAP_S
        assert stamps[WARM_UP_FRAMES] - stamps[0] > 2.5
        assert gaps[WARM_UP_FRAMES:] == pytest.approx(1 / 30)
        assert {shape for _, _, shape in film} == {(SIZE[1], SIZE[0], 3)}


def test_table() -> None:
    text = bench(Chain, quick=True)
    assert "networks: posemo-detector (onnxruntime fp32), posemo-lifter (onnxruntime fp32)" in text
    assert "detect ms" in text
