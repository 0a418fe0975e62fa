"""The lifter alone: 2D people in, 3D skeletons out."""

from __future__ import annotations

from dataclasses import dataclass

from posemo_msgs.msg import Person2DArray, Skeleton3DArray
from rclpy.lifecycle import LifecyclePublisher

from .. import diagnostics as keys
from ..lift.lifter import Lifter
from ..messages import people_from_message
from ..pipeline import Models, StageClock, apply_lifter, build_lifter
from ..topics import PEOPLE, SKELETONS
from ..types import Skeletons3D
from . import depth_input
from .base import SwitchedOff
from .conversion import MAKE
from .models import report_networks, store_of
from .parameters import LifterParameters, models_of, settings_of
from .result_input import ResultStation


@dataclass(frozen=True)
class Loaded:
    """Between configure and cleanup."""

    models: Models
    lifter: Lifter
    skeletons: LifecyclePublisher


class LifterNode(ResultStation[LifterParameters, Loaded]):
    """people -> skeletons."""

    kind = "lifter"

    def load(self) -> Loaded:
        """Load the network."""
        models = models_of(self.params)
        lifter = build_lifter(models, store_of(self.params), settings_of(self.params))
        if lifter is None:
            raise SwitchedOff("parameter lifter is empty")
        report_networks(self, models, {"lifter": lifter.session})
        return Loaded(models, lifter, self.publisher(Skeleton3DArray, SKELETONS))

    def apply(self, loaded: Loaded, params: LifterParameters) -> None:
        """Hand changed settings on."""
        apply_lifter(loaded.lifter, settings_of(params))

    def start(self, loaded: Loaded) -> None:
        """Subscribe; at the end, publish what the lifter still owes."""
        self.on_stop(lambda: self.monitor.clear(depth_input.PROBLEM))
        self.on_stop(lambda: self._flush(loaded) if self.idle else None)
        topics = {PEOPLE: (Person2DArray, lambda message: self._lift(loaded, message))}
        loaded.lifter.depth = depth_input.of_topic(self, self.params.depth_topic)
        self.listen(topics=topics, required=(PEOPLE,))
        loaded.lifter.reset()

    def _flush(self, loaded: Loaded) -> None:
        for skeletons in loaded.lifter.flush():
            self._publish(loaded, skeletons)

    def _lift(self, loaded: Loaded, message: Person2DArray) -> None:
        people = people_from_message(message)
        if not self.admits(people.stamp_ns, lambda: self._flush(loaded)):
            return
        clock = StageClock()
        with clock("lifter"):
            skeletons = loaded.lifter.lift(people)
        if skeletons is not None:
            self._publish(loaded, skeletons)
        self.measure(people.stamp_ns, clock.timings_ms, len(people))

    def _publish(self, loaded: Loaded, skeletons: Skeletons3D) -> None:
        loaded.skeletons.publish(MAKE.skeletons(skeletons, loaded.models))
        self.monitor.count(keys.PUBLISHED)
