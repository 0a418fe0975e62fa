"""The emotion station alone: 3D skeletons and features of the scene in, probabilities out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from posemo_msgs.msg import ContextFeatures, EmotionArray, Skeleton3DArray
from rclpy.lifecycle import LifecyclePublisher

from .. import diagnostics as keys
from ..emotion.estimator import EmotionEstimator
from ..inference.store import ModelStore
from ..messages import context_from_message, skeletons_from_message
from ..pipeline import Models, StageClock, build_emotion
from ..topics import CONTEXT, EMOTIONS, SKELETONS
from .base import SwitchedOff
from .conversion import MAKE
from .models import report_networks, report_training, store_of
from .parameters import EmotionParameters, models_of, settings_of
from .result_input import ResultStation


@dataclass(frozen=True)
class Loaded:
    """Between configure and cleanup."""

    models: Models
    store: ModelStore
    estimator: EmotionEstimator
    emotions: LifecyclePublisher


class EmotionNode(ResultStation[EmotionParameters, Loaded]):
    """skeletons, context -> emotions."""

    kind = "emotion"
    _lifter = ""  # whose skeletons come

    def load(self) -> Loaded:
        """Load the network."""
        models, store = models_of(self.params), store_of(self.params)
        estimator = build_emotion(models, store, settings_of(self.params))
        if estimator is None:
            raise SwitchedOff("parameter emotion is empty")
        report_networks(self, models, {"emotion": estimator.session})
        return Loaded(models, store, estimator, self.publisher(EmotionArray, EMOTIONS))

    def apply(self, loaded: Loaded, params: EmotionParameters) -> None:
        """Hand changed settings on."""
        loaded.estimator.max_context_age_s = settings_of(params).context_max_age_s

    def start(self, loaded: Loaded) -> None:
        """Subscribe; the context only where one is wanted."""
        topics: dict[str, tuple[type, Callable[[Any], None]]] = {
            SKELETONS: (Skeleton3DArray, lambda message: self._estimate(loaded, message))
        }
        if loaded.models.context:
            topics[CONTEXT] = (ContextFeatures, lambda message: self._take_context(loaded, message))
        self.listen(topics=topics, required=(SKELETONS,))
        loaded.estimator.reset()
        self._lifter = ""

    def _take_context(self, loaded: Loaded, message: ContextFeatures) -> None:
        context, wanted = context_from_message(message), loaded.models.context
        if context.model == wanted:
            loaded.estimator.remember(context)
            if not (text := loaded.estimator.context_problem):
                self.monitor.clear("context")
            elif self.monitor.problem("context", text):
                self.get_logger().error(text)
            return
        text = f"features on {CONTEXT} are from {context.model!r}, not from {wanted!r}: left out"
        if self.monitor.problem("context", text):
            self.get_logger().error(text)

    def _estimate(self, loaded: Loaded, message: Skeleton3DArray) -> None:
        if message.lifter_model != self._lifter:
            self._lifter = message.lifter_model
            report_training(self, replace(loaded.models, lifter=self._lifter), loaded.store)
        skeletons = skeletons_from_message(message)
        if not self.admits(skeletons.stamp_ns, loaded.estimator.forget_people):
            return
        clock = StageClock()
        with clock("emotion"):
            emotions = loaded.estimator.judge(skeletons)
        loaded.emotions.publish(MAKE.emotions(emotions, loaded.models))
        self.monitor.count(keys.PUBLISHED)
        self.measure(skeletons.stamp_ns, clock.timings_ms, len(skeletons))
