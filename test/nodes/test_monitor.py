"""Diagnostics: rates since the last message, medians, the worst problem decides."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("diagnostic_msgs", reason="needs ROS 2 (make test brings it)")

from posemo_ros import diagnostics as keys
from posemo_ros.nodes.monitor import ERROR, OK, WARN, Monitor, to_statistics, to_status


class FakeClock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def values(monitor: Monitor) -> dict[str, str]:
    monitor.end_window()
    return {item.key: item.value for item in to_status(monitor.snapshot(), "n").values}


def test_rates_are_of_the_last_window_and_totals_of_all():
    clock = FakeClock()
    monitor = Monitor(clock)
    monitor.count(keys.RECEIVED, 20)
    monitor.count(keys.BUSY)
    monitor.count(keys.FAILED, 2)
    clock.now += 2
    first = values(monitor)
    clock.now += 1
    second = values(monitor)
    assert (first[keys.RECEIVED_HZ], first[keys.RECEIVED], first[keys.DROPPED]) == ("10.0", "20", "3")
    assert (first[keys.dropped(keys.BUSY)], first[keys.dropped(keys.FAILED)]) == ("1", "2")
    assert (second[keys.RECEIVED_HZ], second[keys.RECEIVED]) == ("0.0", "20")


def test_work_is_the_median_of_the_window_and_latency_has_percentiles_of_ten_seconds():
    clock = FakeClock()
    monitor = Monitor(clock)
    monitor.add_latency(1e6)
    clock.now += 11
    for value in (1.0, 2.0, 30.0):
        monitor.add_work({"detector": value})
    for value in range(1, 102):
        monitor.add_latency(float(value))
    found = values(monitor)
    assert found[keys.work_ms("detector")] == "2.0"
    assert [found[k] for k in (keys.LATENCY_MEDIAN, keys.LATENCY_P95, keys.LATENCY_P99)] == [
        "51.0",
        "96.0",
        "100.0",
    ]
    assert keys.work_ms("detector") not in values(monitor)


def test_statistics_are_the_same_as_numbers():
    clock = FakeClock()
    monitor = Monitor(clock)
    monitor.count(keys.RECEIVED, 30)
    monitor.count(keys.LATE, 4)
    monitor.add_work({"keypoints": 7.5})
    monitor.add_latency(20.0)
    monitor.set(keys.PEOPLE, 3)
    monitor.set(keys.STATE, "active")
    monitor.problem("x", "dark", WARN)
    clock.now += 1
    monitor.end_window()
    found = to_statistics(monitor.snapshot())
    assert (found.level, found.message, found.state) == (found.WARN, "dark", "active")
    assert (found.received, found.received_hz, found.dropped_late) == (30, 30.0, 4)
    assert (found.keypoints_ms, found.latency_p99_ms, found.people) == (7.5, 20.0, 3.0)
    assert math.isnan(found.lifter_ms)
    assert found.memory_mib > 1


def test_reports_read_what_nodes_write():
    monitor = Monitor()
    monitor.add_work({"lifter": 2.0})
    monitor.count(keys.BUSY, 5)
    monitor.set(keys.network("lifter"), "tiny (onnxruntime, fp32)")
    read = keys.read_chain([values(monitor), values(monitor)])
    assert read == keys.ChainDiagnostics({"lifter": [2.0]}, {"lifter": "tiny (onnxruntime, fp32)"}, 5)


def test_worst_problem_decides_and_comes_first():
    monitor = Monitor()
    assert monitor.level == OK
    assert monitor.problem("camera_info", "assumed", WARN)
    assert monitor.problem("image", "none came", ERROR)
    snapshot = monitor.snapshot()
    assert (snapshot.level, snapshot.message) == (ERROR, "none came; assumed")


def test_a_problem_is_new_only_once_and_can_end():
    monitor = Monitor()
    assert monitor.problem("image", "none")
    assert not monitor.problem("image", "none")
    assert monitor.clear("image")
    assert not monitor.clear("image")
    assert monitor.level == OK
