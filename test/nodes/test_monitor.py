"""Diagnostics: rates since the last message, medians, the worst problem decides."""

from __future__ import annotations

import pytest

pytest.importorskip("diagnostic_msgs", reason="needs ROS 2 (make test brings it)")

from posemo_ros.nodes.monitor import ERROR, OK, WARN, Monitor


class FakeClock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def values(status) -> dict[str, str]:
    return {item.key: item.value for item in status.values}


def test_rates_are_of_the_last_window_and_totals_of_all():
    clock = FakeClock()
    monitor = Monitor(clock)
    for _ in range(20):
        monitor.count("received")
    monitor.count("dropped")
    clock.now += 2
    first = values(monitor.status("n"))
    clock.now += 1
    second = values(monitor.status("n"))
    assert (first["received rate [Hz]"], first["received"], first["dropped"]) == ("10.0", "20", "1")
    assert (second["received rate [Hz]"], second["received"]) == ("0.0", "20")


def test_times_are_medians():
    monitor = Monitor()
    for value in (1.0, 2.0, 30.0):
        monitor.took({"detector": value})
    assert values(monitor.status("n"))["detector [ms]"] == "2.0"


def test_worst_problem_decides_and_comes_first():
    monitor = Monitor()
    assert monitor.status("n").level == OK
    assert monitor.problem("camera_info", "assumed", WARN)
    assert monitor.problem("image", "none came", ERROR)
    status = monitor.status("n")
    assert (status.level, status.message) == (ERROR, "none came; assumed")


def test_a_problem_is_new_only_once_and_can_end():
    monitor = Monitor()
    assert monitor.problem("image", "none")
    assert not monitor.problem("image", "none")
    assert monitor.clear("image")
    assert not monitor.clear("image")
    assert monitor.status("n").level == OK
