"""The context station: what the scene around the people looks like, encoded at its own rate."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..inference.manifest import ContextSpec, ImageInput
from ..inference.session import Session
from ..types import Context, Floats, Frame, PixelOrder, to_order


class ContextEncoder:
    """An image encoder that rests between two encodings.

    Args:
        session: Of the encoder.
        spec: Its manifest entry.
        name: Of the encoder in the manifest; travels with the features.
        rate_hz: Encodings per second; 0 encodes every image.

    Attributes:
        session: The network.
        rate_hz: May change at any time.
        latest: The newest encoding, None before the first.
    """

    def __init__(self, session: Session, spec: ContextSpec, name: str, *, rate_hz: float = 2.0) -> None:
        self.session, self.rate_hz = session, rate_hz
        self._spec, self._name = spec, name
        self.latest: Context | None = None

    def reset(self) -> None:
        """Forget the last encoding."""
        self.latest = None

    def encode(self, frame: Frame) -> Context:
        """Encode the image if the last encoding is older than the rate allows.

        Stamps never go back (see ``Timeline``).

        Returns:
            The newest encoding; its stamp is that of the image it was made from.

        Raises:
            ModelError: The network's answer is not (1, tokens, width) as the manifest says.
        """
        period_ns = int(1e9 / self.rate_hz) if self.rate_hz > 0 else 0
        if self.latest is not None and frame.stamp_ns - self.latest.stamp_ns < period_ns:
            return self.latest
        tensor = centre_square(frame.image, frame.pixel_order, self._spec.input)
        answer = self.session.run({self.session.inputs[0].name: tensor})
        tokens = np.asarray(answer[self.session.outputs[0].name], np.float32)
        expected = (1, self._spec.tokens, self._spec.width)
        if tokens.shape != expected:
            raise ModelError(f"context encoder {self._name!r} gave {tokens.shape}, its entry says {expected}")
        self.latest = Context(tokens[0], self._name, view=frame.view())
        return self.latest


def centre_square(image: NDArray[np.uint8], order: PixelOrder, wanted: ImageInput) -> Floats:
    """The largest centred part with the input's aspect ratio, scaled and normalised.

    Args:
        image: (H, W, 3) or (H, W) uint8.
        order: Its channels.
        wanted: The network's input.

    Returns:
        (1, 3, height, width) float32.
    """
    height, width = image.shape[:2]
    scale = min(width / wanted.width, height / wanted.height)
    crop_w, crop_h = max(round(wanted.width * scale), 1), max(round(wanted.height * scale), 1)
    x, y = (width - crop_w) // 2, (height - crop_h) // 2
    shrink = scale > 1
    small = cv2.resize(
        image[y : y + crop_h, x : x + crop_w],
        (wanted.width, wanted.height),
        interpolation=cv2.INTER_AREA if shrink else cv2.INTER_CUBIC,
    )
    pixels = to_order(np.asarray(small, np.uint8), order, wanted.order).astype(np.float32)
    pixels -= np.asarray(wanted.mean, np.float32)
    pixels /= np.asarray(wanted.std, np.float32)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])
