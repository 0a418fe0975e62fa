"""The emotion station alone: 3D skeletons and features of the scene in, probabilities out."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from posemo_msgs.msg import ContextFeatures, EmotionArray, Skeleton3DArray
from rclpy.lifecycle import LifecyclePublisher

from ..emotion.estimator import EmotionEstimator
from ..errors import ModelError
from ..pipeline import Models, StageClock, build_emotion
from ..topics import CONTEXT, EMOTIONS, SKELETONS
from ..types import Context
from .conversion import context_from_message, emotions_to_message, skeletons_from_message
from .models import announce, store_of
from .parameters import EmotionParameters, models_of
from .result_input import ResultInput
from .run import run
from .station import Station

KEPT_CONTEXTS = 30


@dataclass(frozen=True)
class Loaded:
    """Between configure and cleanup."""

    models: Models
    estimator: EmotionEstimator
    emotions: LifecyclePublisher
    contexts: deque[Context] = field(default_factory=lambda: deque(maxlen=KEPT_CONTEXTS))


class EmotionNode(Station[EmotionParameters, Loaded]):
    """skeletons, context -> emotions."""

    kind = "emotion"

    def load(self) -> Loaded:
        """Load the network."""
        models = models_of(self.params)
        estimator = build_emotion(models, store_of(self.params))
        if estimator is None:
            raise ModelError("parameter emotion is empty; it must name a network (see `posemo models list`)")
        announce(self, models, {"emotion": estimator.session})
        return Loaded(models, estimator, self.publisher(EmotionArray, EMOTIONS))

    def start(self, loaded: Loaded) -> None:
        """Subscribe; the context only where one is wanted."""
        topics: dict[str, tuple[type, Callable[[Any], None]]] = {
            SKELETONS: (Skeleton3DArray, lambda message: self._estimate(loaded, message))
        }
        if loaded.models.context:
            topics[CONTEXT] = (ContextFeatures, lambda message: self._take_context(loaded, message))
        ResultInput(self, topics)
        loaded.estimator.reset()
        loaded.contexts.clear()

    def _take_context(self, loaded: Loaded, message: ContextFeatures) -> None:
        context, wanted = context_from_message(message), loaded.models.context
        if loaded.contexts and context.stamp_ns < loaded.contexts[-1].stamp_ns:
            loaded.contexts.clear()  # time jumped back
        if context.model == wanted:
            loaded.contexts.append(context)
            self.monitor.clear("context")
            return
        text = f"features on {CONTEXT} are from {context.model!r}, not from {wanted!r}: left out"
        if self.monitor.problem("context", text):
            self.get_logger().error(text)

    def _estimate(self, loaded: Loaded, message: Skeleton3DArray) -> None:
        skeletons = skeletons_from_message(message)
        past = [c for c in loaded.contexts if c.stamp_ns <= skeletons.stamp_ns]
        clock = StageClock()
        with clock("emotion"):
            emotions = loaded.estimator.update(skeletons, past[-1] if past else None)
        frame_id, models = message.header.frame_id, loaded.models
        loaded.emotions.publish(emotions_to_message(emotions, frame_id, models.emotion, models.context))
        self.monitor.count("published")
        self.monitor.took({**clock.timings_ms, "latency": self.latency_ms(skeletons.stamp_ns)})
        self.monitor.fact("persons", len(skeletons))


def main() -> int:
    """Entry of ``ros2 run posemo_ros emotion``."""
    return run(EmotionNode)


if __name__ == "__main__":
    sys.exit(main())
