"""The context station alone: image in, features of the scene out, a few times a second."""

from __future__ import annotations

import sys

from posemo_msgs.msg import ContextFeatures

from ..errors import ModelError
from ..pipeline import StageClock, build_context
from ..topics import CONTEXT
from ..types import Context, Frame
from .conversion import context_to_message
from .image_input import ImageStation
from .models import announce, store_of
from .parameters import models_of, settings_of
from .station import run


class ContextNode(ImageStation):
    """image_raw -> context."""

    kind = "context"

    def load(self) -> None:
        """Load the encoder."""
        models = models_of(self.values)
        self._applied = self.values
        encoder = build_context(models, store_of(self.values), settings_of(self.values))
        if encoder is None:
            raise ModelError("parameter context is empty; it must name an encoder (see `posemo models list`)")
        self._encoder = encoder
        self._latest: Context | None = None
        announce(self, models, {"context": encoder.session})
        self._publisher = self.publisher(ContextFeatures, CONTEXT)

    def unload(self) -> None:
        """Free the model."""
        self.__dict__.pop("_encoder", None)

    def stop(self) -> None:
        """Unsubscribe and forget the last encoding."""
        super().stop()
        self._encoder.reset()

    def process(self, frame: Frame) -> None:
        """Encode the image when it is time, and publish what is new."""
        if self._applied is not self.values:
            self._applied = self.values
            self._encoder.rate_hz = settings_of(self._applied).context_rate_hz
        clock = StageClock()
        with clock("context"):
            context = self._encoder.update(frame)
        if context is None or context is self._latest:
            return
        self._latest = context
        self._publisher.publish(context_to_message(context, frame.frame_id))
        self.monitor.count("published")
        self.monitor.took({**clock.timings_ms, "latency": self.latency_ms(frame.stamp_ns)})


def main() -> int:
    """Entry of ``ros2 run posemo_ros context``."""
    return run(ContextNode)


if __name__ == "__main__":
    sys.exit(main())
