"""The first half of the chain alone: image in, 2D people out."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from posemo_msgs.msg import Person2DArray
from rclpy.lifecycle import LifecyclePublisher

from .. import diagnostics as keys
from ..budget import Budget
from ..people import PeopleFinder
from ..pipeline import Models, StageClock, apply_budget, apply_people, build_people
from ..topics import PEOPLE
from ..types import Frame
from .conversion import MAKE
from .image_input import ImageStation
from .models import report_networks, store_of
from .parameters import KeypointsParameters, models_of, settings_of


@dataclass(frozen=True)
class Loaded:
    """Between configure and cleanup."""

    models: Models
    finder: PeopleFinder
    people: LifecyclePublisher
    budget: Budget = field(default_factory=Budget)


class KeypointsNode(ImageStation[KeypointsParameters, Loaded]):
    """image_raw, camera_info -> people."""

    kind = "keypoints"

    def load(self) -> Loaded:
        """Load detector and keypoint network."""
        models = models_of(self.params)
        finder = build_people(models, store_of(self.params), settings_of(self.params))
        sessions = {"detector": finder.detector.session, "keypoints": finder.keypoints.session}
        report_networks(self, models, sessions)
        return Loaded(models, finder, self.publisher(Person2DArray, PEOPLE))

    def start(self, loaded: Loaded) -> None:
        """Subscribe, and know nobody."""
        super().start(loaded)
        loaded.finder.reset()

    def apply(self, loaded: Loaded, params: KeypointsParameters) -> None:
        """Hand changed settings on."""
        apply_people(loaded.finder, settings_of(params))
        loaded.budget.deadline_ms = params.deadline_ms

    def process(self, loaded: Loaded, frame: Frame) -> None:
        """Find people in one image and publish them."""
        if not self.admits(frame.stamp_ns, loaded.finder.reset):
            return
        clock, start = StageClock(), time.perf_counter()
        people = loaded.finder.find(frame, clock)
        loaded.people.publish(MAKE.people(people, loaded.models))
        self.monitor.count(keys.PUBLISHED)
        loaded.budget.spent((time.perf_counter() - start) * 1e3)
        apply_budget(loaded.finder, loaded.budget)
        loaded.finder.schedule.begin()
        self.warn("deadline", loaded.budget.text)
        self.measure(frame.stamp_ns, clock.timings_ms, len(people), self.params.max_people)
