"""The worker's queue: the newest wins, drops are counted, errors do not end it."""

from __future__ import annotations

import threading

from posemo_ros.nodes.worker import Worker


class Recorder:
    """Work that can be held back."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.errors: list[Exception] = []
        self.drops: list[str] = []
        self.started = threading.Semaphore(0)
        self.go = threading.Semaphore(0)

    def work(self, item: int) -> None:
        self.started.release()
        assert self.go.acquire(timeout=180)
        if item < 0:
            raise ValueError(item)
        self.done.append(item)

    def worker(self, capacity: int = 1) -> Worker[int]:
        return Worker(self.work, on_error=self.errors.append, on_drop=self.drops.append, capacity=capacity)


def feed(items: list[int], capacity: int) -> Recorder:
    """All but the first item come while the first one is at work."""
    recorder = Recorder()
    worker = recorder.worker(capacity)
    worker.put(items[0])
    assert recorder.started.acquire(timeout=180)
    for item in items[1:]:
        worker.put(item)
    recorder.go.release(len(items))
    assert worker.stop(180)
    return recorder


def test_newest_wins_and_drops_are_counted():
    recorder = feed([1, 2, 3, 4], capacity=1)
    assert recorder.done == [1, 4]
    assert recorder.drops == ["busy"] * 2


def test_queue_keeps_order():
    recorder = feed([1, 2, 3, 4], capacity=2)
    assert recorder.done == [1, 3, 4]
    assert recorder.drops == ["busy"]


def test_errors_are_reported_and_the_next_item_gets_its_turn():
    recorder = feed([-1, 2], capacity=1)
    assert recorder.done == [2]
    assert [str(e) for e in recorder.errors] == ["-1"]


def test_nothing_is_taken_after_stop():
    recorder = Recorder()
    worker = recorder.worker()
    assert worker.stop(180)
    worker.put(1)
    assert recorder.done == []


def test_work_that_does_not_end_is_left_behind_and_reports_nothing_any_more():
    recorder = Recorder()
    worker = recorder.worker(capacity=5)
    for item in (-1, 2, 3):
        worker.put(item)
    assert recorder.started.acquire(timeout=180)
    assert worker.current is not None
    assert worker.current[0] == -1
    assert not worker.stop(0.01)
    assert recorder.drops == ["stopped"] * 2
    recorder.go.release()
    assert worker.join(180)
    assert recorder.errors == []
    assert worker.current is None
