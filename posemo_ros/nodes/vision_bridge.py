"""Publishes people's boxes as vision_msgs, for whom boxes are enough."""

from __future__ import annotations

from dataclasses import dataclass

from posemo_msgs.msg import Person2DArray
from rclpy.lifecycle import LifecyclePublisher

from .. import diagnostics as keys
from ..errors import MissingPackageError
from ..messages import people_from_message
from ..topics import PEOPLE
from ..vision import DETECTIONS, detections
from .conversion import MAKE, class_of
from .parameters import StationParameters
from .result_input import ResultStation


@dataclass(frozen=True)
class Loaded:
    """Between configure and cleanup."""

    detections: LifecyclePublisher


class VisionBridgeNode(ResultStation[StationParameters, Loaded]):
    """people -> detections."""

    kind = "vision_bridge"

    def load(self) -> Loaded:
        """Look for vision_msgs."""
        try:
            kind = class_of(DETECTIONS)
        except ImportError as error:
            package = ("vision_msgs", "ros-$ROS_DISTRO-vision-msgs")
            raise MissingPackageError(*package, "the node vision_bridge") from error
        return Loaded(self.publisher(kind, "detections"))

    def start(self, loaded: Loaded) -> None:
        """Subscribe."""
        topics = {PEOPLE: (Person2DArray, lambda message: self._publish(loaded, message))}
        self.listen(topics=topics, required=(PEOPLE,))

    def _publish(self, loaded: Loaded, message: Person2DArray) -> None:
        people = people_from_message(message)
        loaded.detections.publish(detections(people, class_of, MAKE))
        self.monitor.count(keys.PUBLISHED)
        self.measure(people.stamp_ns, {}, len(people))
