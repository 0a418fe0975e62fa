"""Composition of detector, schedule, tracker and keypoints, with networks that know the truth."""

from __future__ import annotations

import numpy as np
import pytest

from posemo_ros.detect.scheduler import BoxSchedule
from posemo_ros.detect.tracker import PersonTracker
from posemo_ros.people import PeopleFinder
from posemo_ros.types import Detections, Frame

LIMITS = (0, 0, 640, 480)


class World:
    """People as boxes that move to the right; plays detector and keypoint network."""

    score_threshold = 0.5

    def __init__(self, people: int, speed: float = 3.0) -> None:
        self.people, self.speed = people, speed
        self.detections = 0

    def boxes(self, frame: Frame) -> np.ndarray:
        step = frame.stamp_ns / 1e8
        x = 40 + 120 * np.arange(self.people) + self.speed * step
        return np.stack([x, np.full_like(x, 100), x + 60, np.full_like(x, 300)], axis=1).astype(np.float32)

    def candidates(self, frame: Frame) -> Detections:
        self.detections += 1
        boxes = self.boxes(frame)
        return Detections(boxes, np.linspace(0.9, 0.6, len(boxes)).astype(np.float32))

    def estimate(self, frame: Frame, boxes: np.ndarray) -> np.ndarray:
        """Keypoints spread over the true person nearest to each box."""
        out = np.zeros((len(boxes), 17, 3), np.float32)
        if not len(boxes) or not self.people:
            return out
        truth = self.boxes(frame)
        nearest = np.abs(truth[None, :, 0] - boxes[:, None, 0]).argmin(axis=1)
        grid = np.linspace(0.05, 0.95, 17)
        for row, person in enumerate(truth[nearest]):
            out[row, :, 0] = person[0] + grid[::-1] * (person[2] - person[0])
            out[row, :, 1] = person[1] + grid * (person[3] - person[1])
            out[row, :, 2] = 0.9
        return out


def finder(world: World, **options: int) -> PeopleFinder:
    return PeopleFinder(world, BoxSchedule(detect_every=5), PersonTracker(), world, **options)  # type: ignore[arg-type]


def frame(index: int) -> Frame:
    return Frame(np.zeros((480, 640, 3), np.uint8), stamp_ns=index * 100_000_000)


def test_follows_with_the_detector_resting() -> None:
    world = World(2)
    station = finder(world)
    results = [station.find(frame(i)) for i in range(20)]
    assert {r.ids for r in results} == {("p1", "p2")}
    assert world.detections == 4
    for i, result in enumerate(results):
        true = world.boxes(frame(i))
        assert (np.abs(result.boxes - true) < 30).all()


def test_an_empty_scene_is_an_empty_result_and_looked_at_every_time() -> None:
    world = World(0)
    station = finder(world)
    for i in range(6):
        people = station.find(frame(i))
        assert len(people) == 0
        assert people.keypoints.shape == (0, 17, 3)
    assert world.detections == 6


def test_whoever_leaves_is_gone_soon() -> None:
    world = World(1)
    station = finder(world)
    for i in range(5):
        station.find(frame(i))
    world.people = 0
    counts = [len(station.find(frame(i))) for i in range(5, 20)]
    assert counts[-5:] == [0] * 5


def test_only_the_best_are_kept() -> None:
    station = finder(World(4), max_people=2)
    people = station.find(frame(0))
    np.testing.assert_allclose(people.scores, [0.9, 0.8])


def test_whoever_is_not_kept_is_there_to_be_hidden_until_the_detector_runs_again() -> None:
    world = World(4)
    station = finder(world, max_people=2)
    for i in range(4):
        people = station.find(frame(i))
        np.testing.assert_allclose(people.other_boxes, world.boxes(frame(0))[2:])
    assert world.detections == 1


class Crowd(World):
    """Half of its people are seen weakly; and there is a weak box in which nobody is."""

    def candidates(self, frame: Frame) -> Detections:
        boxes = self.boxes(frame)
        scores = np.where(np.arange(len(boxes)) % 2, 0.3, 0.8).astype(np.float32)
        nobody = np.array([[10, 400, 40, 470]], np.float32)
        return Detections(np.concatenate([boxes, nobody]), np.append(scores, np.float32(0.3)))

    def estimate(self, frame: Frame, boxes: np.ndarray) -> np.ndarray:
        found = super().estimate(frame, boxes)
        found[boxes[:, 1] > 350, :, 2] = 0.05
        return found


def test_weak_boxes_count_where_a_body_is_seen() -> None:
    station = finder(Crowd(4))
    for i in range(12):
        people = station.find(frame(i))
        assert sorted(people.ids) == ["p1", "p2", "p3", "p4"]
        assert (people.boxes[:, 1] < 350).all()
        np.testing.assert_array_equal(people.other_boxes, [[10, 400, 40, 470]])


def test_a_thing_that_looks_a_little_like_somebody_costs_little() -> None:
    """The keypoint network is not asked about it in every image, and it is hidden all the same."""

    class Asked(Crowd):
        asked = 0

        def estimate(self, frame: Frame, boxes: np.ndarray) -> np.ndarray:
            self.asked += len(boxes)
            return super().estimate(frame, boxes)

    world = Asked(0)
    station = finder(world)
    for i in range(30):
        image = Frame(np.zeros((480, 640, 3), np.uint8), stamp_ns=i * 33_333_333)
        people = station.find(image)
        assert not people.ids
        np.testing.assert_array_equal(people.other_boxes, [[10, 400, 40, 470]])
    assert world.asked == 5
    station.reset()
    station.find(frame(10))
    assert world.asked == 6


def test_twenty_people_in_view() -> None:
    world = Crowd(20)
    world.speed = 0.5
    station = finder(world, max_people=30)
    for i in range(7):
        wide = Frame(np.zeros((480, 2560, 3), np.uint8), stamp_ns=frame(i).stamp_ns)
        assert len(station.find(wide)) == 20


@pytest.mark.parametrize("size", [(320, 240), (3840, 2160), (480, 640)])
def test_images_of_another_size_start_anew(size: tuple[int, int]) -> None:
    """Nobody stays behind at the pixels of the old size."""
    world = World(2)
    station = finder(world)
    for i in range(3):
        station.find(frame(i))
    other = Frame(np.zeros((size[1], size[0], 3), np.uint8), stamp_ns=frame(3).stamp_ns)
    people = station.find(other)
    assert people.ids == ("p3", "p4")
    np.testing.assert_array_equal(people.boxes, world.boxes(other))
    assert (people.view.width, people.view.height) == size


def test_photos_of_many_sizes_are_not_a_line_each(caplog: pytest.LogCaptureFixture) -> None:
    station = finder(World(1))
    for i in range(40):
        station.find(Frame(np.zeros((480 + i, 640, 3), np.uint8), stamp_ns=frame(i).stamp_ns))
    assert [int(line.split("change ")[1].split(")")[0]) for line in caplog.messages] == [1, 2, 4, 8, 16, 32]
    caplog.clear()
    station.start()
    station.find(frame(0))
    station.find(Frame(np.zeros((240, 320, 3), np.uint8), stamp_ns=frame(1).stamp_ns))
    assert "images are 320 x 240 now, they were 640 x 480 (change 1)" in caplog.text


def test_boxes_beyond_the_image_are_nobody() -> None:
    world = World(1, speed=100.0)
    station = finder(world)
    counts = [len(station.find(frame(i))) for i in range(9)]
    assert counts == [1, 1, 1, 1, 1, 1, 0, 0, 0]  # it stands at 40, 140, ... 540, 640 px of 640


class Shaky(World):
    """Its keypoints tremble by a pixel or two."""

    def __init__(self, people: int, speed: float) -> None:
        super().__init__(people, speed)
        self.rng = np.random.default_rng(0)

    def estimate(self, frame: Frame, boxes: np.ndarray) -> np.ndarray:
        found = super().estimate(frame, boxes)
        found[..., :2] += self.rng.normal(0, 1, found[..., :2].shape)
        return found


def track_of(speed: float, smoothing_hz: float) -> np.ndarray:
    """(F, 17, 2) keypoints of one person; ``speed`` in px per 0.1 s."""
    station = finder(Shaky(1, speed))
    station.smoothing_hz = smoothing_hz
    return np.stack([station.find(frame(i)).keypoints[0, :, :2] for i in range(40)])[10:]


def test_the_filter_calms_somebody_who_stands() -> None:
    shaky, calm = (track_of(0.0, hz).std(axis=0).mean() for hz in (0.0, 0.5))
    assert calm < 0.6 * shaky


def test_the_filter_hardly_lags_behind_somebody_who_walks() -> None:
    """Three quarters of a body height per second; less than one frame behind."""
    behind = (track_of(15.0, 0.0) - track_of(15.0, 3.0))[..., 0].mean()
    assert 0 <= behind < 15


class Unsteady(World):
    """A detector whose scores change a little each time it runs, as real ones do."""

    def candidates(self, frame: Frame) -> Detections:
        found = super().candidates(frame)
        noise = np.random.default_rng(self.detections).uniform(-0.04, 0.04, len(found))
        return Detections(found.boxes, (0.7 + noise).astype(np.float32))


def test_more_people_than_there_may_be_do_not_take_turns() -> None:
    """The ids stay; the best scores alone would choose others each time the detector runs."""
    station = finder(Unsteady(5, speed=0.5), max_people=3)
    seen = {station.find(frame(i)).ids for i in range(40)}
    assert len(seen) == 1


def test_somebody_much_surer_takes_the_place() -> None:
    class Newcomer(World):
        def candidates(self, frame: Frame) -> Detections:
            boxes = self.boxes(frame)
            scores = [0.55, 0.6, 0.95 if frame.stamp_ns else 0.3]
            return Detections(boxes, np.array(scores, np.float32))

    station = finder(Newcomer(3, speed=0.5), max_people=2)
    assert station.find(frame(0)).ids == ("p1", "p2")
    for i in range(1, 8):
        people = station.find(frame(i))
    assert people.ids == ("p2", "p3")


def test_things_that_were_refused_take_nobodys_place() -> None:
    """A chair that looks more like somebody than somebody does, until it is looked into."""

    class Chair(World):
        def candidates(self, frame: Frame) -> Detections:
            boxes = np.concatenate([self.boxes(frame), [[400, 300, 460, 470]]]).astype(np.float32)
            return Detections(boxes, np.array([0.3, 0.38], np.float32))

        def estimate(self, frame: Frame, boxes: np.ndarray) -> np.ndarray:
            found = super().estimate(frame, boxes)
            found[boxes[:, 0] > 390, :, 2] = 0.05
            return found

    station = finder(Chair(1, speed=0.5), max_people=1)
    counts = [len(station.find(frame(i))) for i in range(12)]
    assert counts[1:] == [1] * 11
