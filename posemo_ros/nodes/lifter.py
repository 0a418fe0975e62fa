"""The lifter alone: 2D people in, 3D skeletons out."""

from __future__ import annotations

import sys

from posemo_msgs.msg import Person2DArray, Skeleton3DArray

from ..errors import ModelError
from ..pipeline import StageClock, build_lifter
from ..topics import PEOPLE, SKELETONS
from ..types import Skeletons3D
from .conversion import people_from_message, skeletons_to_message
from .models import announce, store_of
from .parameters import models_of
from .result_input import ResultInput
from .station import Station, run


class LifterNode(Station):
    """people -> skeletons."""

    kind = "lifter"

    def load(self) -> None:
        """Load the network."""
        self._models = models_of(self.values)
        lifter = build_lifter(self._models, store_of(self.values))
        if lifter is None:
            raise ModelError("parameter lifter is empty; it must name a lifter (see `posemo models list`)")
        self._lifter = lifter
        self._frame_id, self._assumed = "", False
        announce(self, self._models, {"lifter": lifter.session})
        self._publisher = self.publisher(Skeleton3DArray, SKELETONS)

    def unload(self) -> None:
        """Free the model."""
        self.__dict__.pop("_lifter", None)

    def start(self) -> None:
        """Subscribe."""
        self._input = ResultInput(self, {PEOPLE: (Person2DArray, self._lift)})

    def stop(self) -> None:
        """Unsubscribe, then publish what the lifter still owes."""
        self._input.close()
        for skeletons in self._lifter.flush():
            self._publish(skeletons)
        self._lifter.reset()

    def _lift(self, message: Person2DArray) -> None:
        people, frame = people_from_message(message)
        self._frame_id, self._assumed = frame.frame_id, message.camera_assumed
        clock = StageClock()
        with clock("lifter"):
            skeletons = self._lifter.update(people, frame)
        if skeletons is not None:
            self._publish(skeletons)
        self.monitor.clear("work")
        self.monitor.took({**clock.timings_ms, "latency": self.latency_ms(frame.stamp_ns)})
        self.monitor.fact("persons", len(people))

    def _publish(self, skeletons: Skeletons3D) -> None:
        self._publisher.publish(
            skeletons_to_message(skeletons, self._frame_id, self._models.lifter, camera_assumed=self._assumed)
        )
        self.monitor.count("published")


def main() -> int:
    """Entry of ``ros2 run posemo_ros lifter``."""
    return run(LifterNode)


if __name__ == "__main__":
    sys.exit(main())
