"""2D people of a stream of frames: detect, follow, track, keypoints."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np

from .camera import DEFAULT_HFOV_DEG
from .detect.detector import Detector
from .detect.scheduler import BoxSchedule
from .detect.tracker import PersonTracker
from .keypoints.estimator import KeypointEstimator
from .types import Detections, Frame, People2D

Clock = Callable[[str], AbstractContextManager[None]]


class PeopleFinder:
    """Composes the stations from the image to 2D people.

    Attributes:
        detector, schedule, tracker, keypoints: The stations.
        max_people: Only that many of the best boxes are kept.
        hfov_deg: Horizontal field of view assumed for a frame without camera, degrees.
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
        self._people = People2D()

    def reset(self) -> None:
        """Forget everybody."""
        self._people = People2D()
        self.schedule.reset()
        self.tracker.reset()

    def find(self, frame: Frame, clock: Clock | None = None) -> People2D:
        """The people of the next frame; stamps never go back (see ``Timeline``).

        Args:
            frame: The image.
            clock: Called with a station's name around its work, to measure it.
        """
        clock = clock or (lambda _: nullcontext())

        def detect() -> Detections:
            with clock("detector"):
                return self.detector.detect(frame)

        boxes = self._best(self.schedule.boxes(self._people, frame.stamp_ns, detect))
        with clock("tracker"):
            ids, boxes = self.tracker.track(boxes, frame.stamp_ns)
        with clock("keypoints"):
            keypoints = self.keypoints.estimate(frame, boxes.boxes)
        self._people = People2D(ids, boxes.boxes, boxes.scores, keypoints, view=frame.view(self.hfov_deg))
        return self._people

    def _best(self, found: Detections) -> Detections:
        if len(found) <= self.max_people:
            return found
        best = np.sort(np.argsort(-found.scores, kind="stable")[: self.max_people])
        return Detections(found.boxes[best], found.scores[best])
