"""When the detector runs and who is followed, played through frame by frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from posemo_ros.detect.scheduler import BoxSchedule
from posemo_ros.types import Detections, People2D

S = 1_000_000_000


def keypoints_in(box: tuple[float, float, float, float], score: float = 0.9) -> NDArray[np.float32]:
    """(17, 3) keypoints that fill a box but for the margin that following adds."""
    x1, y1, x2, y2 = box
    margin = (y2 - y1) / 12
    out = np.empty((17, 3), np.float32)
    out[:, 0] = np.linspace(x1 + margin, x2 - margin, 17)
    out[:, 1] = np.linspace(y1 + margin, y2 - margin, 17)
    out[:, 2] = score
    return out


def people(**boxes: tuple[float, float, float, float]) -> People2D:
    keypoints = np.stack([keypoints_in(b) for b in boxes.values()])
    return People2D(tuple(boxes), np.array(list(boxes.values()), np.float32), np.ones(len(boxes)), keypoints)


class CountingDetector:
    def __init__(self, *boxes: tuple[float, float, float, float]) -> None:
        self.found = Detections(
            np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), 0.8, np.float32)
        )
        self.runs = 0

    def __call__(self) -> Detections:
        self.runs += 1
        return self.found


A = (0.0, 0.0, 40.0, 120.0)
B = (300.0, 0.0, 340.0, 120.0)


def test_runs_on_every_frame_while_nobody_is_there() -> None:
    schedule, detect = BoxSchedule(detect_every=5), CountingDetector()
    for i in range(7):
        assert len(schedule.boxes(People2D(), i * S // 10, detect)) == 0
    assert detect.runs == 7


def test_a_slow_camera_does_not_make_it_rest_for_long() -> None:
    """Somebody else may have come meanwhile."""
    schedule, detect, seen = BoxSchedule(detect_every=5), CountingDetector(A), people(a=A)
    schedule.boxes(People2D(), 0, detect)
    for i in range(1, 6):
        schedule.boxes(seen, i * 5 * S, detect)
    assert detect.runs == 6


def test_rests_while_somebody_is_followed() -> None:
    schedule, detect = BoxSchedule(detect_every=5), CountingDetector(A)
    seen = People2D()
    ran = []
    for i in range(11):
        before = detect.runs
        found = schedule.boxes(seen, i * S // 10, detect)
        ran.append(detect.runs > before)
        np.testing.assert_allclose(found.boxes, [A], atol=1e-3)
        seen = people(p1=A)
    assert [i for i, r in enumerate(ran) if r] == [0, 5, 10]


def test_a_newcomer_joins_at_the_next_run_and_the_detector_box_wins() -> None:
    schedule, detect = BoxSchedule(detect_every=1), CountingDetector((4.0, 0.0, 44.0, 120.0), B)
    found = schedule.boxes(people(p1=A), 0, detect)
    np.testing.assert_allclose(found.boxes, [(4, 0, 44, 120), B])


def test_the_unconfirmed_is_looked_for_at_once_and_then_dropped() -> None:
    schedule, detect = BoxSchedule(detect_every=5, unconfirmed_s=0.5), CountingDetector(A)
    kept = []
    for i in range(20):  # 10 Hz; B exists for the keypoint network only
        kept.append(len(schedule.boxes(people(p1=A, p2=B), i * S // 10, detect)) == 2)
    # First run at frame 4 (rested 5); from then on every frame, until 0.5 s after that.
    assert kept == [True] * 10 + [False] * 10
    assert detect.runs == 16


def test_confirmation_comes_back() -> None:
    schedule, detect = BoxSchedule(detect_every=1, unconfirmed_s=0.5), CountingDetector(A)
    assert len(schedule.boxes(people(p1=A, p2=B), 0, detect)) == 2
    both = CountingDetector(A, B)
    assert len(schedule.boxes(people(p1=A, p2=B), S, both)) == 2  # late, but it is there again
    assert len(schedule.boxes(people(p1=A, p2=B), 2 * S, detect)) == 2  # a new miss counts from here


def test_two_on_one_place_are_one() -> None:
    """And the detector looks at once where the other one went."""
    schedule, detect = BoxSchedule(detect_every=5), CountingDetector(A, B)
    found = schedule.boxes(people(p1=A, p2=(1.0, 0.0, 41.0, 120.0)), 0, detect)
    np.testing.assert_allclose(found.boxes, [A, B])
    assert detect.runs == 1


def with_keypoints(*keypoints: NDArray[np.float32]) -> People2D:
    """A and B, with these keypoints."""
    boxes = np.array([A, B], np.float32)[: len(keypoints)]
    return People2D(("p1", "p2")[: len(boxes)], boxes, np.ones(len(boxes)), np.stack(keypoints))


def test_lost_keypoints_call_the_detector() -> None:
    schedule, detect = BoxSchedule(detect_every=5), CountingDetector(A, B)
    found = schedule.boxes(with_keypoints(keypoints_in(A), keypoints_in(B, 0.1)), 0, detect)
    np.testing.assert_allclose(found.boxes, [A, B])
    assert detect.runs == 1


def test_keypoints_that_do_not_fill_their_box_call_the_detector() -> None:
    schedule, detect = BoxSchedule(detect_every=5), CountingDetector()
    assert len(schedule.boxes(with_keypoints(keypoints_in((10, 10, 30, 40))), 0, detect)) == 0
    assert detect.runs == 1


def test_a_part_of_a_detected_person_is_nobody_else() -> None:
    """The legs left the box of the keypoints; the detector sees the whole person."""
    schedule, detect = BoxSchedule(detect_every=1), CountingDetector((-20.0, -10.0, 60.0, 300.0))
    found = schedule.boxes(people(p1=A), 0, detect)
    np.testing.assert_allclose(found.boxes, [(-20, -10, 60, 300)])


def test_keypoints_that_wander_beside_the_detected_person_are_nobody_else() -> None:
    schedule, detect = BoxSchedule(detect_every=1), CountingDetector((30.0, 40.0, 45.0, 80.0))
    found = schedule.boxes(people(p1=(0.0, 0.0, 100.0, 120.0)), 0, detect)
    np.testing.assert_allclose(found.boxes, [(30, 40, 45, 80)])


def test_somebody_behind_a_detected_person_stays() -> None:
    """Only the child in front is detected; the adult's box goes all around it."""
    child, adult = (30.0, 60.0, 60.0, 120.0), (0.0, 0.0, 100.0, 120.0)
    schedule, detect = BoxSchedule(detect_every=1), CountingDetector(child)
    found = schedule.boxes(people(p1=child, p2=adult), 0, detect)
    np.testing.assert_allclose(found.boxes, [child, adult], atol=1e-3)
