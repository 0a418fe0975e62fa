"""Person boxes from an ONNX detector."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..inference.manifest import DetectSpec, ImageInput
from ..inference.session import Session
from ..tensors import write_tensor
from ..types import Detections, Floats, Frame, PixelOrder
from .codecs import decode


class Detector:
    """Finds the people in an image.

    Attributes:
        session: The network.
        spec: Its input and the form of its outputs.
    """

    def __init__(self, session: Session, spec: DetectSpec, *, score_threshold: float | None = None) -> None:
        self.session = session
        self.spec = spec
        self.score_threshold = spec.score_threshold if score_threshold is None else score_threshold
        self._letterbox = Letterbox(spec.input)

    @property
    def score_threshold(self) -> float:
        """Boxes below this score are dropped, 0 to 1; may change at any time.

        Raises:
            InputError: On assignment of a value outside 0 to 1.
        """
        return self._score_threshold

    @score_threshold.setter
    def score_threshold(self, value: float) -> None:
        if not 0 <= value <= 1:
            raise InputError(f"detector score threshold is {value}; expected 0 to 1")
        self._score_threshold = value

    def detect(self, frame: Frame) -> Detections:
        """Person boxes in image pixels, best first; they may reach beyond the image.

        Raises:
            ModelError: The network's outputs do not have the form the manifest says.
        """
        return self._detect(frame, self._score_threshold)

    def candidates(self, frame: Frame) -> Detections:
        """As ``detect``, with the weak boxes that may show a person (``DetectSpec.weak_threshold``)."""
        weak = self.spec.weak_threshold or self._score_threshold
        return self._detect(frame, min(weak, self._score_threshold))

    def _detect(self, frame: Frame, threshold: float) -> Detections:
        tensor, scale = self._letterbox(frame.image, frame.pixel_order)
        outputs = self.session.run({self.session.inputs[0].name: tensor})
        found = decode(outputs, self.spec, threshold)
        return Detections(found.boxes / np.float32(scale), found.scores)


class Letterbox:
    """Scales pictures to fit a network's input, at its top left; the rest is padding."""

    def __init__(self, spec: ImageInput) -> None:
        self._spec = spec
        self._tensor: Floats = np.empty((1, 3, spec.height, spec.width), np.float32)

    def __call__(self, image: NDArray[np.uint8], order: PixelOrder) -> tuple[Floats, float]:
        """The input tensor, good until the next call, and how much larger it is than the image.

        Args:
            image: (H, W, 3), or (H, W) for GRAY, uint8; only read.
            order: Channel order of ``image``.

        Returns:
            (1, 3, height, width) float32; network pixels per image pixel.
        """
        canvas, scale = letterbox(image, self._spec)
        write_tensor(canvas, order, self._spec, self._tensor[0])
        return self._tensor, scale


def letterbox(image: NDArray[np.uint8], spec: ImageInput) -> tuple[NDArray[np.uint8], float]:
    """The picture (H, W, ...) scaled to (height, width, ...), at its top left; how much larger it is."""
    height, width = image.shape[:2]
    scale = min(spec.width / width, spec.height / height)
    w = min(max(round(width * scale), 1), spec.width)
    h = min(max(round(height * scale), 1), spec.height)
    canvas = np.full((spec.height, spec.width, *image.shape[2:]), spec.pad_value, np.uint8)
    canvas[:h, :w] = cv2.resize(image, (w, h), interpolation=cv2.INTER_LINEAR)
    return canvas, scale
