"""The emotion station alone: 3D skeletons and features of the scene in, probabilities out."""

from __future__ import annotations

import sys
from collections import deque

from posemo_msgs.msg import ContextFeatures, EmotionArray, Skeleton3DArray

from ..errors import ModelError
from ..pipeline import StageClock, build_emotion
from ..topics import CONTEXT, EMOTIONS, SKELETONS
from ..types import Context
from .conversion import context_from_message, emotions_to_message, skeletons_from_message
from .models import announce, store_of
from .parameters import models_of
from .result_input import ResultInput
from .station import Station, run

KEPT_CONTEXTS = 30


class EmotionNode(Station):
    """skeletons, context -> emotions."""

    kind = "emotion"

    def load(self) -> None:
        """Load the network."""
        self._models = models_of(self.values)
        estimator = build_emotion(self._models, store_of(self.values))
        if estimator is None:
            raise ModelError("parameter emotion is empty; it must name a network (see `posemo models list`)")
        self._estimator = estimator
        self._contexts: deque[Context] = deque(maxlen=KEPT_CONTEXTS)
        announce(self, self._models, {"emotion": estimator.session})
        self._publisher = self.publisher(EmotionArray, EMOTIONS)

    def unload(self) -> None:
        """Free the model."""
        self.__dict__.pop("_estimator", None)

    def start(self) -> None:
        """Subscribe; the context only where one is wanted."""
        topics = {SKELETONS: (Skeleton3DArray, self._estimate)}
        if self._models.context:
            topics[CONTEXT] = (ContextFeatures, self._take_context)
        self._input = ResultInput(self, topics)

    def stop(self) -> None:
        """Unsubscribe and forget everybody."""
        self._input.close()
        self._estimator.reset()
        self._contexts.clear()

    def _take_context(self, message: ContextFeatures) -> None:
        context = context_from_message(message)
        if self._contexts and context.stamp_ns < self._contexts[-1].stamp_ns:
            self._contexts.clear()  # time jumped back
        if context.model == self._models.context:
            self._contexts.append(context)
            self.monitor.clear("context")
            return
        text = (
            f"features on {CONTEXT} are from {context.model!r}, not from {self._models.context!r}: left out"
        )
        if self.monitor.problem("context", text):
            self.get_logger().error(text)

    def _estimate(self, message: Skeleton3DArray) -> None:
        skeletons = skeletons_from_message(message)
        past = [c for c in self._contexts if c.stamp_ns <= skeletons.stamp_ns]
        clock = StageClock()
        with clock("emotion"):
            emotions = self._estimator.update(skeletons, past[-1] if past else None)
        frame_id, models = message.header.frame_id, self._models
        self._publisher.publish(emotions_to_message(emotions, frame_id, models.emotion, models.context))
        self.monitor.count("published")
        self.monitor.clear("work")
        self.monitor.took({**clock.timings_ms, "latency": self.latency_ms(skeletons.stamp_ns)})
        self.monitor.fact("persons", len(skeletons))


def main() -> int:
    """Entry of ``ros2 run posemo_ros emotion``."""
    return run(EmotionNode)


if __name__ == "__main__":
    sys.exit(main())
