"""The first half of the chain alone: image in, 2D people out."""

from __future__ import annotations

import sys

from posemo_msgs.msg import Person2DArray

from ..pipeline import StageClock, apply_people, build_people
from ..topics import PEOPLE
from ..types import Frame
from .conversion import people_to_message
from .image_input import ImageStation
from .models import announce, store_of
from .parameters import models_of, settings_of
from .station import run


class KeypointsNode(ImageStation):
    """image_raw, camera_info -> people."""

    kind = "keypoints"

    def load(self) -> None:
        """Load detector and keypoint network."""
        self._models = models_of(self.values)
        self._applied = self.values
        self._finder = build_people(self._models, store_of(self.values), settings_of(self.values))
        sessions = {"detector": self._finder.detector.session, "keypoints": self._finder.keypoints.session}
        announce(self, self._models, sessions)
        self._people = self.publisher(Person2DArray, PEOPLE)

    def unload(self) -> None:
        """Free the models."""
        self.__dict__.pop("_finder", None)

    def stop(self) -> None:
        """Unsubscribe and forget everybody."""
        super().stop()
        self._finder.reset()

    def process(self, frame: Frame) -> None:
        """Find people in one image and publish them."""
        if self._applied is not self.values:
            self._applied = self.values
            apply_people(self._finder, settings_of(self._applied))
        clock = StageClock()
        people = self._finder.find(frame, clock)
        self._people.publish(people_to_message(people, frame, self._models))
        self.monitor.count("published")
        self.monitor.took({**clock.timings_ms, "latency": self.latency_ms(frame.stamp_ns)})
        self.monitor.fact("persons", len(people))


def main() -> int:
    """Entry of ``ros2 run posemo_ros keypoints``."""
    return run(KeypointsNode)


if __name__ == "__main__":
    sys.exit(main())
