"""The whole chain in one node: the image crosses into Python once."""

from __future__ import annotations

from dataclasses import dataclass

from posemo_msgs.msg import EmotionArray, Person2DArray, Skeleton3DArray
from rclpy.lifecycle import LifecyclePublisher

from .. import diagnostics as keys
from ..pipeline import Pipeline
from ..topics import EMOTIONS, PEOPLE, SKELETONS
from ..types import Emotions, Frame, Skeletons3D
from . import depth_input
from .conversion import MAKE
from .image_input import ImageStation
from .models import report_networks, report_training, store_of
from .parameters import PipelineParameters, models_of, settings_of


@dataclass(frozen=True)
class Loaded:
    """Between configure and cleanup."""

    pipeline: Pipeline
    people: LifecyclePublisher
    skeletons: LifecyclePublisher
    emotions: LifecyclePublisher


class PipelineNode(ImageStation[PipelineParameters, Loaded]):
    """image_raw, camera_info -> people, skeletons, emotions."""

    kind = "pipeline"

    def load(self) -> Loaded:
        """Load all models and run them once."""
        models, store = models_of(self.params), store_of(self.params)
        pipeline = Pipeline(models, settings_of(self.params), store)
        report_networks(self, models, pipeline.sessions)
        report_training(self, models, store)
        return Loaded(
            pipeline,
            self.publisher(Person2DArray, PEOPLE),
            self.publisher(Skeleton3DArray, SKELETONS),
            self.publisher(EmotionArray, EMOTIONS),
        )

    def start(self, loaded: Loaded) -> None:
        """Subscribe, and know nobody; at the end, publish what the lifter still owes."""
        self.on_stop(lambda: self.monitor.clear(depth_input.PROBLEM))
        self.on_stop(lambda: self._flush(loaded))
        super().start(loaded)
        if loaded.pipeline.lifter is not None:
            loaded.pipeline.lifter.depth = depth_input.of_topic(self, self.params.depth_topic)
        loaded.pipeline.reset()

    def _flush(self, loaded: Loaded) -> None:
        for skeletons, emotions in loaded.pipeline.flush() if self.idle else ():
            self._publish_3d(loaded, skeletons, emotions)

    def apply(self, loaded: Loaded, params: PipelineParameters) -> None:
        """Hand changed settings on."""
        loaded.pipeline.settings = settings_of(params)

    def process(self, loaded: Loaded, frame: Frame) -> None:
        """Run the chain on one image and publish."""
        result = loaded.pipeline.step(frame)
        for skeletons, emotions in result.owed:
            self._publish_3d(loaded, skeletons, emotions)
        if result.late:
            self.monitor.count(keys.LATE)
            return
        loaded.people.publish(MAKE.people(result.people, loaded.pipeline.models))
        if result.skeletons is not None:
            self._publish_3d(loaded, result.skeletons, result.emotions)
        self.monitor.count(keys.PUBLISHED)
        self.warn("deadline", loaded.pipeline.budget.text)
        self.measure(frame.stamp_ns, result.timings_ms, len(result.people), self.params.max_people)

    def _publish_3d(self, loaded: Loaded, skeletons: Skeletons3D, emotions: Emotions | None) -> None:
        loaded.skeletons.publish(MAKE.skeletons(skeletons, loaded.pipeline.models))
        if emotions is not None:
            loaded.emotions.publish(MAKE.emotions(emotions, loaded.pipeline.models))
