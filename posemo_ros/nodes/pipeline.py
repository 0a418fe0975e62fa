"""The whole chain in one node: the image crosses into Python once."""

from __future__ import annotations

import sys

from posemo_msgs.msg import EmotionArray, Person2DArray, Skeleton3DArray

from ..pipeline import Pipeline
from ..topics import EMOTIONS, PEOPLE, SKELETONS
from ..types import Emotions, Frame, Skeletons3D
from .conversion import emotions_to_message, people_to_message, skeletons_to_message
from .image_input import ImageStation
from .models import announce, store_of
from .parameters import models_of, settings_of
from .station import run


class PipelineNode(ImageStation):
    """image_raw, camera_info -> people, skeletons, emotions."""

    kind = "pipeline"

    def load(self) -> None:
        """Load all models and run them once."""
        self._models = models_of(self.values)
        self._applied = self.values
        self._pipeline = Pipeline(self._models, settings_of(self.values), store_of(self.values))
        self._newest: Frame | None = None
        announce(self, self._models, self._pipeline.sessions)
        self._people = self.publisher(Person2DArray, PEOPLE)
        self._skeletons = self.publisher(Skeleton3DArray, SKELETONS)
        self._emotions = self.publisher(EmotionArray, EMOTIONS)

    def unload(self) -> None:
        """Free the models."""
        self.__dict__.pop("_pipeline", None)

    def stop(self) -> None:
        """Unsubscribe, then publish what the lifter still owes."""
        super().stop()
        for skeletons, emotions in self._pipeline.flush():
            self._publish_3d(skeletons, emotions)
        self._pipeline.reset()

    def process(self, frame: Frame) -> None:
        """Run the chain on one image and publish."""
        if self._applied is not self.values:
            self._applied = self.values
            self._pipeline.settings = settings_of(self._applied)
        result = self._pipeline.step(frame)
        self._newest = frame
        self._people.publish(people_to_message(result.people, frame, self._models))
        if result.skeletons is not None:
            self._publish_3d(result.skeletons, result.emotions)
        self.monitor.count("published")
        self.monitor.took({**result.timings_ms, "latency": self.latency_ms(frame.stamp_ns)})
        self.monitor.fact("persons", len(result.people))

    def _publish_3d(self, skeletons: Skeletons3D, emotions: Emotions | None) -> None:
        frame = self._newest
        if frame is None or frame.camera is None:
            return
        models, frame_id = self._models, frame.frame_id
        assumed = frame.camera.assumed
        self._skeletons.publish(
            skeletons_to_message(skeletons, frame_id, models.lifter, camera_assumed=assumed)
        )
        if emotions is not None:
            self._emotions.publish(emotions_to_message(emotions, frame_id, models.emotion, models.context))


def main() -> int:
    """Entry of ``ros2 run posemo_ros pipeline``."""
    return run(PipelineNode)


if __name__ == "__main__":
    sys.exit(main())
