"""The benchmark around a chain that only counts."""

from __future__ import annotations

import json

import numpy as np
import pytest

from posemo_ros.bench import SIZE, WARM_UP_FRAMES, bench
from posemo_ros.emotion.window import MAX_GAP_S
from posemo_ros.pipeline import Models, Network, Settings
from posemo_ros.types import FrameResult, People2D


class Chain:
    """Finds one person; says that the detector took 6 ms and, on every second frame, the lifter 4 ms."""

    models, settings = Models(), Settings(detect_every=3)

    def __init__(self) -> None:
        self.networks = {s: Network(f"posemo-{s}", "onnxruntime", "fp32") for s in ("detector", "lifter")}
        self.films: list[list] = []

    def reset(self) -> None:
        self.films.append([])

    def step(self, frame):
        film = self.films[-1]
        film.append((frame.stamp_ns, self.settings.detect_every, frame.image.shape))
        people = People2D(("p1",), *(np.zeros(s, np.float32) for s in ((1, 4), (1,), (1, 17, 3))))
        times = {"detector": 6.0, **({"lifter": 4.0} if len(film) % 2 else {})}
        return FrameResult(people, timings_ms=times)


def test_figures_and_films() -> None:
    chain = Chain()
    got = json.loads(bench(lambda: chain, quick=True, as_json=True))
    assert [(f["people"], f["detect_every"]) for f in got["chain"]] == [(1, 1), (1, 3), (4, 1), (4, 3)]
    for figures in got["chain"]:
        assert figures["found"] == 1
        assert figures["stations_ms"] == {"detector": 6.0, "lifter": 2.0}
    assert [f["speedup"] for f in got["chain"] if f["detect_every"] == 1] == [1, 1]
    assert got["networks"]["lifter"] == {
        "model": "posemo-lifter",
        "runtime": "onnxruntime",
        "precision": "fp32",
    }
    assert list(got["networks"]) == ["detector", "lifter"]
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
    assert (
        "networks: detector posemo-detector (onnxruntime, fp32), lifter posemo-lifter (onnxruntime, fp32)"
    ) in text
    assert "detector ms" in text
