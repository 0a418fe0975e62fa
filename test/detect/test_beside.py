"""The detector in a thread of its own: frames go on, its boxes join when they are ready."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from posemo_ros.detect.beside import BesideSchedule, Stir
from posemo_ros.types import Detections, People2D

from .test_scheduler import A, B, S, people

FRAME = S // 30
FAR = (500.0, 300.0, 540.0, 420.0)


class SlowDetector:
    """Finds the boxes it is told to, once it is allowed to end."""

    def __init__(self, *boxes: tuple[float, float, float, float]) -> None:
        self.boxes = boxes
        self.allowed, self.threads = threading.Event(), list[str]()
        self.ended = threading.Semaphore(0)

    def __call__(self) -> Detections:
        assert self.allowed.wait(180)
        self.threads.append(threading.current_thread().name)
        self.ended.release()
        boxes = np.array(self.boxes, np.float32).reshape(-1, 4)
        return Detections(boxes, np.full(len(boxes), 0.8, np.float32))


@pytest.fixture
def detect() -> Iterator[SlowDetector]:
    detector = SlowDetector(A)
    yield detector
    detector.allowed.set()


def arrive(schedule: BesideSchedule, detect: SlowDetector) -> None:
    """Let the run under way end."""
    detect.allowed.set()
    assert schedule._run is not None
    schedule._run.future.result(180)


def boxes(found: Detections) -> list[list[float]]:
    return sorted(np.round(found.boxes, 1).tolist())


def look(schedule: BesideSchedule, *frame: Any) -> Detections:
    """The boxes of a frame that is done at once."""
    found = schedule.boxes(*frame)
    schedule.begin()
    return found


def test_nobody_is_there_so_the_frame_waits(detect: SlowDetector) -> None:
    detect.allowed.set()
    schedule = BesideSchedule()
    assert boxes(look(schedule, People2D(), 0, detect)) == [list(A)]
    assert detect.threads[0] != threading.current_thread().name


def test_frames_go_on_and_a_newcomer_joins_later(detect: SlowDetector) -> None:
    schedule = BesideSchedule(detect_every=1)
    detect.boxes = ((4.0, 0.0, 44.0, 120.0), B)
    for frame in range(3):  # the detector is not ready yet
        assert boxes(look(schedule, people(p1=A), frame * FRAME, detect)) == [list(A)]
    assert detect.threads == []
    arrive(schedule, detect)
    # The followed keep the newer box of their keypoints, the newcomer has the detector's.
    assert boxes(look(schedule, people(p1=A), 3 * FRAME, detect)) == [list(A), list(B)]


def test_a_run_starts_when_the_frame_is_done_and_not_before(detect: SlowDetector) -> None:
    """So that a frame never shares the cores with the detector while there is time between two frames."""
    detect.allowed.set()
    schedule = BesideSchedule()
    schedule.boxes(people(p1=A), 0, detect)
    assert schedule._run is None
    schedule.begin()
    arrive(schedule, detect)
    schedule.begin()
    assert len(detect.threads) == 1
    schedule.reset()
    schedule.begin()
    assert len(detect.threads) == 1


def test_a_frame_that_nobody_says_is_done_starts_it_in_the_next_one(detect: SlowDetector) -> None:
    schedule = BesideSchedule()
    schedule.boxes(people(p1=A), 0, detect)
    schedule.boxes(people(p1=A), FRAME, detect)
    arrive(schedule, detect)
    assert len(detect.threads) == 1


def test_whom_the_detector_misses_is_dropped_in_time(detect: SlowDetector) -> None:
    schedule, kept = BesideSchedule(detect_every=5, unconfirmed_s=0.5), []
    detect.allowed.set()
    for frame in range(20):  # 10 per second; B exists for the keypoint network only
        kept.append(len(look(schedule, people(p1=A, p2=B), frame * S // 10, detect)))
        if schedule._run:
            schedule._run.future.result(180)
    first_missed = 1  # the run started in frame 0 is looked at in frame 1
    assert kept == [2] * (first_missed + 6) + [1] * (13)


def test_somebody_lost_calls_the_detector_at_once(detect: SlowDetector) -> None:
    schedule = BesideSchedule(detect_every=1000)
    look(schedule, people(p1=A), 0, detect)
    arrive(schedule, detect)
    seen = people(p1=A, p2=B)
    seen.keypoints[1, :, 2] = 0.0  # nothing to follow
    detect.boxes = (A, B)
    assert boxes(look(schedule, seen, FRAME, detect)) == [list(A)]
    arrive(schedule, detect)
    assert boxes(look(schedule, people(p1=A), 2 * FRAME, detect)) == [list(A), list(B)]


def runs_of(schedule: BesideSchedule, detect: SlowDetector, image: NDArray[np.uint8], frames: int) -> int:
    detect.allowed.set()
    for frame in range(frames):
        look(schedule, people(p1=A), frame * FRAME, detect, image)
        if schedule._run:
            schedule._run.future.result(180)
    return len(detect.threads)


def test_while_nothing_stirs_the_detector_looks_once_a_second(detect: SlowDetector) -> None:
    still = np.full((480, 640, 3), 127, np.uint8)
    assert runs_of(BesideSchedule(detect_every=5), detect, still, 63) == 3


@pytest.mark.parametrize("why", ["two overlap", "somebody was lost", "something stirs"])
def test_it_does_not_rest_while(detect: SlowDetector, why: str) -> None:
    schedule, image = BesideSchedule(detect_every=5), np.full((480, 640, 3), 127, np.uint8)
    detect.allowed.set()
    detect.boxes = (A, B)
    other = (20.0, 0.0, 60.0, 120.0) if why == "two overlap" else B
    for frame in range(30):
        if why == "something stirs":
            image = np.roll(image, 1, axis=1)
            image[300:380, 200:260] = 10 * (frame % 20)
        gone = why == "somebody was lost" and frame >= 2
        seen = people(p1=A) if gone else people(p1=A, p2=other)
        look(schedule, seen, frame * FRAME, detect, image)
        if schedule._run:
            schedule._run.future.result(180)
    assert len(detect.threads) >= 6


def test_a_run_that_takes_too_long_is_waited_for(detect: SlowDetector) -> None:
    schedule = BesideSchedule()
    look(schedule, people(p1=A), 0, detect)
    threading.Timer(0.05, detect.allowed.set).start()
    detect.boxes = (A, B)
    assert len(look(schedule, people(p1=A), 2 * S, detect)) == 2


def test_errors_of_the_detector_come_out_of_the_frame_that_would_use_its_boxes(detect: SlowDetector) -> None:
    def fail() -> Detections:
        raise RuntimeError("no boxes today")

    schedule = BesideSchedule()
    look(schedule, people(p1=A), 0, fail)
    with pytest.raises(RuntimeError, match="no boxes today"):
        look(schedule, people(p1=A), 2 * S, detect)
    detect.allowed.set()
    assert len(look(schedule, people(p1=A), 3 * S, detect)) == 1  # and it goes on


def test_after_a_reset_the_old_run_does_not_count(detect: SlowDetector) -> None:
    schedule = BesideSchedule()
    look(schedule, people(p1=A), 0, detect)
    schedule.reset()
    detect.boxes = (B,)
    detect.allowed.set()
    assert boxes(look(schedule, people(p1=FAR), FRAME, lambda: Detections())) == [list(FAR)]


class TestStir:
    def image(self, seed: int = 0, size: tuple[int, int] = (480, 640)) -> NDArray[np.uint8]:
        noise = np.random.default_rng(seed).normal(127, 4, (*size, 3))
        return np.clip(noise, 0, 255).astype(np.uint8)

    def test_noise_and_the_followed_people_do_not_count(self) -> None:
        stir, box = Stir(), np.array([A], np.float32)
        stir.remember(self.image(), box)
        later = self.image(1)
        later[0:120, 0:44] = 255
        assert not stir(later, box)

    @pytest.mark.parametrize("size", [(120, 160), (480, 640), (2160, 3840)])
    def test_somebody_small_at_the_border_counts(self, size: tuple[int, int]) -> None:
        stir = Stir()
        stir.remember(self.image(0, size), np.zeros((0, 4), np.float32))
        later = self.image(1, size)
        later[-size[0] // 7 :, : size[1] // 30] = 30
        assert stir(later, np.zeros((0, 4), np.float32))

    def test_grey_images_other_sizes_and_boxes_outside(self) -> None:
        stir = Stir()
        nobody = np.zeros((0, 4), np.float32)
        assert stir(self.image(), nobody)
        stir.remember(self.image()[..., 0], nobody)
        assert not stir(self.image(1)[..., 0], np.array([[-900, -900, -500, -500]], np.float32))
        assert stir(self.image(0, (50, 320)), nobody)
