"""2D people of a stream of frames: detect, follow, track, keypoints."""

from __future__ import annotations

import logging
import time
from collections import deque

import numpy as np
from numpy.typing import NDArray

from .budget import Resting
from .camera import DEFAULT_HFOV_DEG
from .detect.boxes import areas
from .detect.confirm import Refused, best, confirmed, distinct
from .detect.detector import Detector
from .detect.looks import looks_of
from .detect.scheduler import BoxSchedule
from .detect.tracker import PersonTracker
from .keypoints.estimator import KeypointEstimator
from .lift.smooth import OneEuroFilter
from .stage_clock import StageClock
from .types import Detections, Floats, Frame, People2D, View

_log = logging.getLogger(__name__)

PERSON_M = 1.7  # height that a box stands for, to tell slow from fast


class PeopleFinder:
    """Composes the stations from the image to 2D people.

    Attributes:
        detector, schedule, tracker, keypoints: The stations.
        max_people: Only that many of the best boxes are kept; those who were there stay, unless somebody is
            much surer.
        hfov_deg: Horizontal field of view assumed for a frame without camera, degrees.
        level: How much is left out, see ``budget``. May change at any time.
        smoothing_hz: Lowest cut-off of the 1€ filter over the keypoints; 0: none. May change at any time.
    """

    def __init__(
        self,
        detector: Detector,
        schedule: BoxSchedule,
        tracker: PersonTracker,
        keypoints: KeypointEstimator,
        *,
        max_people: int = 8,
        hfov_deg: float = DEFAULT_HFOV_DEG,
    ) -> None:
        self.detector = detector
        self.schedule = schedule
        self.tracker = tracker
        self.keypoints = keypoints
        self.max_people = max_people
        self.hfov_deg = hfov_deg
        self.smoothing_hz = 0.0
        self._smoother = OneEuroFilter(0.0)
        self._first_ns: int | None = None
        self._people = People2D()
        self._sizes = 0  # so often images changed theirs
        self._detector_ms: deque[float] = deque()
        self._resting = Resting()
        self._refused = Refused()
        self.level = 0

    def start(self) -> None:
        """As new: the next person is p1."""
        self._sizes = 0
        self.reset()
        self.tracker.start()

    def reset(self) -> None:
        """Forget everybody. Ids go on counting."""
        self._people = People2D()
        self.schedule.reset()
        self.tracker.reset()
        self._resting.reset()
        self._refused = Refused()
        self._smoother.reset()
        self._first_ns = None

    def find(self, frame: Frame, clock: StageClock | None = None) -> People2D:
        """The people of the next frame; stamps never go back (see ``Timeline``).

        Call ``schedule.begin()`` when the frame is done: it starts a detector that runs beside the chain.

        Args:
            frame: The image.
            clock: Measures the stations.
        """
        clock = clock or StageClock()
        view = frame.view(self.hfov_deg)
        self._forget_other_size(view)

        def detect() -> Detections:
            start = time.perf_counter()
            found = self.detector.candidates(frame)
            self._detector_ms.append((time.perf_counter() - start) * 1e3)
            return found

        found = self.schedule.boxes(self._people, frame.stamp_ns, detect, frame.image)
        while self._detector_ms:
            clock.note("detector", self._detector_ms.popleft())
        others = (People2D() if self.schedule.joined else self._people).other_boxes
        sure, known = self.detector.score_threshold, self._people.boxes
        worth = self._refused.worth_a_look(_in_image(view, found), frame.stamp_ns, sure, known)
        boxes = best(worth, self.max_people, known)
        with clock("keypoints"):
            keypoints, rested = self._keypoints(frame, boxes.boxes)
        with clock("tracker"):
            kept = self._people_among(boxes, keypoints, frame.stamp_ns)
            boxes, keypoints = Detections(boxes.boxes[kept], boxes.scores[kept]), keypoints[kept]
            looks, size = looks_of(frame, keypoints), (view.width, view.height)
            ids, boxes = self.tracker.track(boxes, frame.stamp_ns, size, looks)
            if self.level:
                self._resting.remember(People2D(ids, boxes.boxes, boxes.scores, keypoints), rested[kept])
            keypoints = self._calm(ids, boxes.boxes, keypoints, frame.stamp_ns)
        others = np.concatenate([others, _without(found.boxes, boxes.boxes)])
        self._people = People2D(ids, boxes.boxes, boxes.scores, keypoints, others, view=view)
        return self._people

    def _keypoints(self, frame: Frame, boxes: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """(N, 17, 3) of the people in the boxes, and who rested: they keep what they had."""
        rests, keypoints = self._resting.kept(boxes, self.level)
        if not rests.any():
            return self.keypoints.estimate(frame, boxes), rests
        keypoints[~rests] = self.keypoints.estimate(frame, boxes[~rests])
        return keypoints, rests

    def _calm(self, ids: tuple[str, ...], boxes: Floats, keypoints: Floats, stamp_ns: int) -> Floats:
        """Filtered where that is asked for; a box is taken to be as high as a person."""
        if not self.smoothing_hz:
            return keypoints
        self._smoother.min_cutoff_hz = self.smoothing_hz
        metres = PERSON_M / np.maximum((boxes[:, 2:] - boxes[:, :2]).max(axis=1), 1)
        out: Floats = keypoints.copy()
        if self._first_ns is None:
            self._first_ns = stamp_ns
        seconds = (stamp_ns - self._first_ns) * 1e-9  # exact, whatever the clock's origin
        out[..., :2] = self._smoother.smooth(seconds, ids, keypoints[..., :2], metres)
        return out

    def _people_among(self, boxes: Detections, keypoints: Floats, stamp_ns: int) -> NDArray[np.int64]:
        """Indices of the boxes that show a person, each person once."""
        sure, known = self.detector.score_threshold, self._people.boxes
        shown = confirmed(boxes.boxes, boxes.scores, keypoints, sure, known)
        shown &= np.isfinite(boxes.boxes).all(axis=1)
        self._refused.remember(Detections(boxes.boxes[~shown], boxes.scores[~shown]), stamp_ns)
        people = np.flatnonzero(shown)
        return people[distinct(boxes.boxes[people], boxes.scores[people], keypoints[people])]

    def _forget_other_size(self, view: View) -> None:
        """Boxes and tracks are in pixels: they mean nothing in images of another size."""
        before = self._people.view
        if before.width and (view.width, view.height) != (before.width, before.height):
            self._sizes += 1
            if (
                self._sizes & (self._sizes - 1) == 0
            ):  # the 1st, 2nd, 4th, 8th, ...: a folder of photos has many
                _log.warning(
                    "images are %d x %d now, they were %d x %d (change %d): everybody is forgotten",
                    *(view.width, view.height, before.width, before.height, self._sizes),
                )
            self.reset()


def _in_image(view: View, found: Detections) -> Detections:
    """Without boxes that have no area in the image."""
    clipped = np.clip(found.boxes, 0, np.array([view.width, view.height] * 2, np.float32))
    inside = np.flatnonzero(areas(clipped) > 0)
    return Detections(found.boxes[inside], found.scores[inside])


def _without(boxes: Floats, kept: Floats) -> Floats:
    """The (n, 4) boxes that are finite and not among the kept (m, 4)."""
    among = (boxes[:, None] == kept[None]).all(axis=2).any(axis=1)
    return np.asarray(boxes[~among & np.isfinite(boxes).all(axis=1)], np.float32)
