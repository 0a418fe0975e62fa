"""The benchmark around a chain that only counts, and the contenders with real networks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from posemo_ros.bench import measure
from posemo_ros.bench.contenders import (
    FLAT_REFERENCE,
    IN_STEP,
    MEANING,
    NAIVE,
    REAL_TIME,
    RTMLIB,
    Chain,
    OneByOne,
    make,
    needs,
    write_naively,
)
from posemo_ros.bench.crowd import crowd
from posemo_ros.bench.measure import BLOCK, WARM_UP_FRAMES, at_pace, compare, network_cpu
from posemo_ros.bench.plot import draw
from posemo_ros.bench.run import QUICK, VGA, Plan, as_json, as_text, bench, table
from posemo_ros.emotion.window import MAX_GAP_S
from posemo_ros.errors import MissingExtraError
from posemo_ros.inference.manifest import ImageInput
from posemo_ros.inference.store import ModelStore
from posemo_ros.pipeline import Models, Network, Settings
from posemo_ros.tensors import write_tensor
from posemo_ros.types import FrameResult, People2D, PixelOrder

CHAIN = Chain(Models(runtime="onnxruntime", threads=1), Settings(detect_every=3), ModelStore())
SMALL = Plan(people=(1, 2), sizes=((1280, 720),), frames=20)


class Counting:
    """Finds one person; says that the detector took 6 ms and, on every second frame, the lifter 4 ms."""

    order: ClassVar[list[str]] = []

    def __init__(self, name: str, chain: Chain) -> None:
        self.name, self.settings = name, chain.settings
        self.networks = {s: Network(f"posemo-{s}", "onnxruntime", "fp32") for s in ("detector", "lifter")}
        self.films: list[list] = []

    def reset(self) -> None:
        self.films.append([])

    def step(self, frame):
        film = self.films[-1]
        film.append((frame.stamp_ns, frame.image.shape))
        self.order.append(self.name)
        people = People2D(("p1",), *(np.zeros(s, np.float32) for s in ((1, 4), (1,), (1, 17, 3))))
        times = {"detector": 6.0, **({"lifter": 4.0} if len(film) % 2 else {})}
        return FrameResult(people, timings_ms=times)


def test_a_crowd_has_as_many_people_as_it_says() -> None:
    """Nobody else reaches into the cut-outs: what is found is what was asked for, frame by frame."""
    chain = make(REAL_TIME, replace(CHAIN, models=replace(CHAIN.models, lifter="", emotion="")))
    found = [len(chain.step(frame).people) for frame in crowd(1, 120, (320, 240))]
    assert found == [1] * 120


@pytest.fixture
def made() -> dict[str, Counting]:
    return {}


@pytest.fixture
def report(made: dict[str, Counting]) -> dict:
    def maker(name: str, chain: Chain) -> Counting:
        return made.setdefault(name, Counting(name, chain))

    return bench(CHAIN, SMALL, maker=maker)  # type: ignore[arg-type]


def test_every_scene_has_every_contender(report: dict) -> None:
    assert [(f["people"], f["contender"]) for f in report["crowds"]] == [
        (people, name) for people in (1, 2) for name in (IN_STEP, REAL_TIME, NAIVE)
    ]
    assert [(tuple(f["size"]), f["contender"]) for f in report["sizes"]] == [
        (size, name) for size in (VGA, (1280, 720)) for name in (IN_STEP, REAL_TIME)
    ]
    for figures in report["crowds"]:
        assert figures["found"] == 1
        assert figures["frames"] == 20
        assert figures["stations_ms"] == {"detector": 6.0, "lifter": 2.0}
        assert figures["ms"] <= figures["ms_p95"]
    assert min(f["speedup"] for f in report["crowds"]) == 1
    assert json.loads(as_json(report)) == json.loads(json.dumps(report))


def test_contenders_take_turns() -> None:
    """In blocks, so that what else the machine does meets them alike."""
    Counting.order = order = []
    contenders = {name: Counting(name, CHAIN) for name in ("a", "b")}
    compare(contenders, crowd(1, 2 * BLOCK, VGA), 1, VGA)  # type: ignore[arg-type]
    measured = order[2 * WARM_UP_FRAMES :]
    assert measured == (["a"] * BLOCK + ["b"] * BLOCK) * 2


def test_at_a_camera_s_pace_an_image_comes_when_its_stamp_says_or_when_the_last_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, begun = [100.0], list[float]()

    class Busy(Counting):
        def step(self, frame):
            begun.append(now[0])
            now[0] += 0.05 if len(begun) == WARM_UP_FRAMES + 3 else 0.01
            return super().step(frame)

    clock = SimpleNamespace(perf_counter=lambda: now[0], sleep=lambda s: now.__setitem__(0, now[0] + s))
    monkeypatch.setattr(measure, "time", clock)
    busy = Busy("a", CHAIN)
    pace = at_pace(busy, crowd(1, 6, VGA), 1)  # type: ignore[arg-type]
    seconds = np.array(begun[WARM_UP_FRAMES:]) - begun[WARM_UP_FRAMES]
    late = 2 / 30 + 0.05
    assert seconds == pytest.approx([0, 1 / 30, 2 / 30, late, 4 / 30, 5 / 30])
    assert (pace.people, pace.rate_hz, pace.frames, pace.ms, pace.ms_max) == (1, 30.0, 6, 10.0, 50.0)


def test_every_station_has_what_it_needs_when_measuring_starts(
    report: dict, made: dict[str, Counting]
) -> None:
    """Movement without a gap for longer than the emotion network looks back."""
    for film in made[IN_STEP].films:
        stamps = np.array([stamp for stamp, _ in film]) * 1e-9
        gaps = np.diff(stamps)
        assert (gaps > 0).all()
        assert gaps.max() < MAX_GAP_S
        assert stamps[WARM_UP_FRAMES] - stamps[0] > 2.5
        assert gaps[WARM_UP_FRAMES:] == pytest.approx(1 / 30)
    assert {shape for _, shape in made[IN_STEP].films[-1]} == {(720, 1280, 3)}


def test_text_and_picture(report: dict, tmp_path: Path) -> None:
    text = as_text(report)
    assert "detector posemo-detector (onnxruntime, fp32), lifter posemo-lifter (onnxruntime, fp32)" in text
    assert all(f"{name}: {MEANING[name]}" in text for name in (IN_STEP, REAL_TIME, NAIVE))
    assert len(table("crowds", report["crowds"]).rows) == 6
    draw(report, tmp_path / "speed.svg")
    assert (
        "people in a VGA image" in (tmp_path / "speed.svg").read_text(encoding="utf-8")
        or (tmp_path / "speed.svg").stat().st_size > 10_000
    )


def test_memory_is_watched_for_as_long_as_asked() -> None:
    plan = Plan(people=(1,), sizes=(), frames=10, minutes=0.005)
    report = bench(CHAIN, plan, maker=Counting)  # type: ignore[arg-type]
    assert report["memory"][-1][0] >= 0.3
    assert "minutes of work" in as_text(report)


@pytest.mark.parametrize(("people", "size"), [(1, VGA), (8, VGA), (16, VGA), (4, (1920, 1080))])
def test_crowds(people: int, size: tuple[int, int]) -> None:
    frames = crowd(people, 3, size)
    assert {f.image.shape for f in frames} == {(size[1], size[0], 3)}
    grey = (frames[0].image == 127).all(-1)
    assert 0.02 < 1 - grey.mean() < 0.95


@pytest.mark.parametrize("name", [IN_STEP, REAL_TIME, NAIVE, FLAT_REFERENCE])
def test_contenders_see_the_same_people(name: str) -> None:
    contender = make(name, CHAIN)
    results = [contender.step(frame) for frame in crowd(2, 4, VGA)]
    assert len(results[-1].people) == 2
    assert (results[-1].people.keypoint_scores.mean(1) > 0.5).all()
    assert (results[-1].skeletons is None) is (name == FLAT_REFERENCE)


def test_naive_answers_are_those_of_the_chain() -> None:
    """It is slower, not worse: the pixels differ by rounding only."""
    naive, chain = (make(name, CHAIN) for name in (NAIVE, IN_STEP))
    chain.settings = Settings(detect_every=1)  # type: ignore[attr-defined]
    for frame in crowd(2, 3, VGA):
        one, other = naive.step(frame).people, chain.step(frame).people
        np.testing.assert_allclose(one.keypoints, other.keypoints, atol=0.05)
    assert isinstance(naive.sessions["keypoints"], OneByOne)  # type: ignore[attr-defined]


def test_pixels_prepared_naively_are_the_same() -> None:
    spec = ImageInput(24, 32)
    image = np.random.default_rng(0).integers(0, 255, (32, 24, 3), np.uint8)
    one, other = np.empty((3, 32, 24), np.float32), np.empty((3, 32, 24), np.float32)
    write_tensor(image, PixelOrder.BGR, spec, one)
    write_naively(image, PixelOrder.BGR, spec, other)
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_cpu_time_of_the_networks() -> None:
    pipeline = make(IN_STEP, CHAIN)
    shares = network_cpu(pipeline, crowd(1, 6, VGA))  # type: ignore[arg-type]
    assert list(shares) == ["detector", "keypoints", "lifter", "emotion", "all but networks"]
    assert all(value >= 0 for share in shares.values() for value in share.values())
    assert shares["keypoints"]["cpu_ms"] > shares["emotion"]["cpu_ms"]


def test_rtmlib_sees_the_same_people() -> None:
    pytest.importorskip("rtmlib")
    contender = make(RTMLIB, CHAIN)
    ours = make(FLAT_REFERENCE, CHAIN)
    for frame in crowd(2, 3, VGA):
        theirs, mine = contender.step(frame).people, ours.step(frame).people
    assert len(theirs) == len(mine) == 2
    for row in theirs.keypoints_xy:
        assert min(np.median(np.linalg.norm(row - other, axis=-1)) for other in mine.keypoints_xy) < 3
    contender.reset()
    assert len(contender.step(crowd(1, 1, VGA)[0]).people) == 1


def test_a_missing_library_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "rtmlib", None)
    with pytest.raises(MissingExtraError, match="bench"):
        needs(RTMLIB)
    assert RTMLIB in Plan(against=("rtmlib",)).contenders
    assert QUICK.contenders == (IN_STEP, REAL_TIME, NAIVE)
