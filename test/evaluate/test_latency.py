"""Delays from the stamps of a recording, and recordings that cannot tell them."""

from __future__ import annotations

from pathlib import Path

import pytest

from posemo_ros.diagnostics import LOCKSTEP
from posemo_ros.errors import InputError
from posemo_ros.evaluate import latency
from posemo_ros.replay.bag import Recording
from posemo_ros.types import Emotions, People2D, Skeletons3D

NOW, MS = 1_700_000_000 * 10**9, 10**6
STAMPS = [NOW + n * 40 * MS for n in range(5)]
LIVE = {stamp: stamp + (10 + n) * MS for n, stamp in enumerate(STAMPS)}
WAITED = {LOCKSTEP: "true"}


def measured(monkeypatch: pytest.MonkeyPatch, **recorded: object) -> dict[str, float]:
    recording = Recording(Path("a.mcap"), **recorded)  # type: ignore[arg-type]
    monkeypatch.setattr(latency, "read_results", lambda _: recording)
    row: dict[str, float] = latency.evaluate_latency([Path("a.mcap")]).results["a.mcap"]
    return row


def test_from_stamps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where other results than people were recorded."""
    row = measured(monkeypatch, arrived_ns=LIVE)
    assert (row["images"], row["images_per_s"], row["p50"], row["max"]) == (5, 25.0, 12.0, 14.0)


def test_in_lockstep_from_the_arrival_of_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose stamps may be years old; an image whose CameraInfo was lost does not count."""
    arrived = {stamp - NOW: end for stamp, end in LIVE.items()}
    came = {stamp - NOW: stamp for stamp in STAMPS[1:]}
    row = measured(monkeypatch, arrived_ns=arrived, info_arrived_ns=came, camera=WAITED)
    assert (row["p50"], row["max"]) == (12.5, 14.0)


def test_a_busy_recorder_may_note_an_image_after_its_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes topics in turns; one image in the wrong order is no other clock."""
    came = {stamp: stamp for stamp in STAMPS} | {STAMPS[0]: STAMPS[0] + 15 * MS}
    row = measured(monkeypatch, arrived_ns=LIVE, info_arrived_ns=came, camera=WAITED)
    assert (row["p50"], row["max"]) == (12.0, 14.0)


@pytest.mark.parametrize(
    ("recorded", "message"),
    [
        ({}, "holds no results"),
        ({"arrived_ns": {s: s for s in STAMPS}}, "knows no times of arrival"),
        (
            {"arrived_ns": {s: s + NOW for s in STAMPS}},
            "1.7e.09 s after their .* two clocks",
        ),
        ({"arrived_ns": {s: s - MS for s in STAMPS}}, "-0.001 to -0.001 s after .* two clocks"),
        (
            {"arrived_ns": LIVE, "camera": WAITED},
            "lockstep.* record the camera's camera_info",
        ),
    ],
    ids=["nothing", "posemo run", "old stamps", "stamps ahead", "lockstep without CameraInfo"],
)
def test_what_cannot_be_told(
    monkeypatch: pytest.MonkeyPatch, recorded: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        measured(monkeypatch, **recorded)


def test_an_image_that_lacks_a_result_is_not_an_early_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Emotions come last; the two images that lost theirs had their skeletons after 1 ms."""
    arrived = LIVE | {stamp: stamp + MS for stamp in STAMPS[3:]}
    nobody = {"people": dict.fromkeys(STAMPS, People2D()), "skeletons": dict.fromkeys(STAMPS, Skeletons3D())}
    row = measured(monkeypatch, arrived_ns=arrived, emotions=dict.fromkeys(STAMPS[:3], Emotions()), **nobody)
    assert (row["images"], row["incomplete"]) == (5, 2)
    assert (row["p50"], row["max"]) == (11.0, 12.0)


def test_a_bag_that_was_played_twice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time each image of it is as old as the first round was long."""
    again = {stamp + 1: end + 60_000 * MS for stamp, end in LIVE.items()}
    late = {STAMPS[-1] + 50_000 * MS: STAMPS[-1] + 50_010 * MS}
    with pytest.raises(InputError, match="two clocks .a bag that was played with its old stamps"):
        measured(monkeypatch, arrived_ns=LIVE | late | again)
