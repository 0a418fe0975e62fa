"""The context station alone: image in, features of the scene out, a few times a second."""

from __future__ import annotations

from dataclasses import dataclass

from posemo_msgs.msg import ContextFeatures
from rclpy.lifecycle import LifecyclePublisher

from .. import diagnostics as keys
from ..emotion.context import ContextEncoder
from ..pipeline import StageClock, build_context, context_rate
from ..settings import Settings
from ..topics import CONTEXT
from ..types import Frame
from .base import SwitchedOff
from .conversion import MAKE
from .image_input import ImageStation
from .models import report_networks, store_of
from .parameters import ContextParameters, models_of, settings_of


@dataclass(frozen=True)
class Loaded:
    """Between configure and cleanup."""

    encoder: ContextEncoder
    own_rate_hz: float  # what the emotion network was trained with
    features: LifecyclePublisher


class ContextNode(ImageStation[ContextParameters, Loaded]):
    """image_raw -> context."""

    kind = "context"

    def load(self) -> Loaded:
        """Load the encoder."""
        models, store = models_of(self.params), store_of(self.params)
        encoder = build_context(models, store, settings_of(self.params))
        if encoder is None:
            raise SwitchedOff("parameter context is empty")
        report_networks(self, models, {"context": encoder.session})
        own_rate_hz = context_rate(models, store, Settings())
        return Loaded(encoder, own_rate_hz, self.publisher(ContextFeatures, CONTEXT))

    def start(self, loaded: Loaded) -> None:
        """Subscribe, and forget the last encoding."""
        super().start(loaded)
        loaded.encoder.reset()

    def apply(self, loaded: Loaded, params: ContextParameters) -> None:
        """Hand changed settings on."""
        loaded.encoder.rate_hz = settings_of(params).context_rate_hz or loaded.own_rate_hz

    def process(self, loaded: Loaded, frame: Frame) -> None:
        """Encode the image when it is time, and publish what is new."""
        if not self.admits(frame.stamp_ns, loaded.encoder.reset):
            return
        clock, before = StageClock(), loaded.encoder.latest
        with clock("context"):
            context = loaded.encoder.encode(frame)
        if context is before:
            return
        loaded.features.publish(MAKE.context(context))
        self.monitor.count(keys.PUBLISHED)
        self.measure(frame.stamp_ns, clock.timings_ms)
