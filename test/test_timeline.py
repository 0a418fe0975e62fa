"""What stamps mean, in one place."""

from __future__ import annotations

import logging

import pytest

from posemo_ros.timeline import Timeline

S = 1_000_000_000


def verdicts(timeline: Timeline, seconds: list[float]) -> list[str]:
    """For every stamp: works, late, or jump."""
    found = []
    for stamp in seconds:
        jumps: list[int] = []
        admitted = timeline.admits(round(stamp * S), lambda seen=jumps: seen.append(1))
        found.append("jump" if jumps else "works" if admitted else "late")
        assert admitted or not jumps
    return found


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([0, 0.01, 0.02], ["works"] * 3),  # 100 Hz
        ([0, 5, 10, 19.9], ["works"] * 4),  # 0.2 Hz and slower
        ([7, 7, 7], ["works"] * 3),  # two images of one moment, a clock that stands still
        ([1, 1.2, 1.1, 1.3], ["works", "works", "late", "works"]),  # swapped
        ([1, 1.2, 0.71, 1.1, 1.2], ["works", "works", "late", "late", "works"]),  # late is late for the last
        ([100, 99.6, 99.5, 99.6], ["works", "late", "jump", "works"]),
        ([100, 0, 0.1], ["works", "jump", "works"]),  # a recording played again
        ([0, 10, 20.1, 20.2], ["works", "works", "jump", "works"]),
        ([5, 0, 5], ["works", "jump", "works"]),
        ([-3, -2, 0], ["works"] * 3),
    ],
)
def test_rules(seconds: list[float], expected: list[str]) -> None:
    assert verdicts(Timeline(), seconds) == expected


def test_the_limits_can_be_set() -> None:
    timeline = Timeline(late_s=0.0, gap_s=1.0)
    assert verdicts(timeline, [0, 0.9, 0.8, 1.9]) == ["works", "works", "jump", "jump"]
    timeline.late_s, timeline.gap_s = 5.0, 5.0
    assert verdicts(timeline, [6, 2]) == ["works", "late"]


def test_after_a_reset_everything_is_in_order() -> None:
    timeline = Timeline()
    verdicts(timeline, [100])
    timeline.reset()
    assert verdicts(timeline, [3]) == ["works"]


def test_it_is_counted_and_said_but_not_for_every_image(caplog: pytest.LogCaptureFixture) -> None:
    timeline = Timeline()
    with caplog.at_level(logging.WARNING):
        verdicts(timeline, [n + late for n in range(1, 20) for late in (0.0, -0.1)])
        verdicts(timeline, [0.0, 50.0] * 10)
    assert (timeline.late, timeline.jumps) == (19, 20)
    late = [r for r in caplog.records if "older than the one before" in r.message]
    jumps = [r for r in caplog.records if "time jumped" in r.message]
    assert len(late) == 1
    assert "0.100 s" in late[0].message
    assert len(jumps) == 5  # the 1st, 2nd, 4th, 8th, 16th
