"""Publishes results under the names and types of REP-155, for robots that speak ROS4HRI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from posemo_msgs.msg import EmotionArray, Person2DArray
from rclpy.lifecycle import LifecyclePublisher

from .. import diagnostics as keys
from ..errors import MissingPackageError
from ..hri import BODIES, TOPICS, TRACKED, HriMaker
from ..messages import emotions_from_message, people_from_message
from ..topics import EMOTIONS, PEOPLE
from . import qos
from .conversion import MAKE, class_of
from .parameters import StationParameters
from .result_input import ResultStation

ALL_BODIES = f"{BODIES}/tracked"


@dataclass(frozen=True)
class Loaded:
    """Between configure and cleanup."""

    make: HriMaker
    tracked: LifecyclePublisher


class HriBridgeNode(ResultStation[StationParameters, Loaded]):
    """people, emotions -> /humans/bodies/tracked, /humans/bodies/<id>/{roi,skeleton2d,expression}."""

    kind = "hri_bridge"

    def load(self) -> Loaded:
        """Look for hri_msgs."""
        try:
            tracked = class_of(TRACKED)
        except ImportError as error:
            raise MissingPackageError(
                "hri_msgs", "ros-$ROS_DISTRO-hri-msgs", "the node hri_bridge"
            ) from error
        return Loaded(HriMaker(class_of, MAKE), self.publisher(tracked, ALL_BODIES))

    def start(self, loaded: Loaded) -> None:
        """Subscribe."""
        bodies = _Bodies(self, loaded)
        self.on_stop(bodies.close)
        topics: dict[str, Any] = {
            PEOPLE: (Person2DArray, bodies.take_people),
            EMOTIONS: (EmotionArray, bodies.take_emotions),
        }
        self.listen(topics=topics, required=(PEOPLE,))

    def tick(self) -> None:
        """Say when somebody else names bodies, too: REP-155 has one place for those of the whole robot."""
        super().tick()
        several = self.state == "active" and self.count_publishers(ALL_BODIES) > 1
        publishers = qos.describe_publishers(self, ALL_BODIES) if several else ""
        text = (
            f"{ALL_BODIES} has several publishers ({publishers}): bodies of one id mix, and come and "
            "go; run one hri_bridge in a robot"
        )
        self.warn("bodies", text if several else "")


class _Bodies:
    """The publishers of those who are there."""

    def __init__(self, node: HriBridgeNode, loaded: Loaded) -> None:
        self._node = node
        self._loaded = loaded
        self._publishers: dict[str, dict[str, Any]] = {}

    def take_people(self, message: Person2DArray) -> None:
        people, make = people_from_message(message), self._loaded.make
        for name in self._publishers.keys() - set(people.ids):
            self._leave(name)
        self._loaded.tracked.publish(make.tracked(people))
        for row, name in enumerate(people.ids):
            publishers = self._publishers.setdefault(name, {}) or self._come(name)
            publishers["roi"].publish(make.roi(people, row))
            publishers["skeleton2d"].publish(make.skeleton(people, row))
        self._node.monitor.count(keys.PUBLISHED)
        self._node.measure(people.stamp_ns, {}, len(people))

    def take_emotions(self, message: EmotionArray) -> None:
        emotions = emotions_from_message(message)
        for row, name in enumerate(emotions.ids):
            expression = self._loaded.make.expression(emotions, row)
            if expression is not None and name in self._publishers:
                self._publishers[name]["expression"].publish(expression)

    def close(self) -> None:
        for name in list(self._publishers):
            self._leave(name)

    def _come(self, name: str) -> dict[str, Any]:
        self._publishers[name] = {
            topic: self._node.create_publisher(class_of(kind), f"{BODIES}/{name}/{topic}", qos.results())
            for topic, kind in TOPICS.items()
        }
        return self._publishers[name]

    def _leave(self, name: str) -> None:
        for publisher in self._publishers.pop(name).values():
            self._node.destroy_publisher(publisher)
