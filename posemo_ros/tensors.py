"""Pixels of a small picture as a network's input."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from .inference.manifest import ImageInput
from .types import Floats, PixelOrder, to_order

Writer = Callable[[NDArray[np.uint8], PixelOrder, ImageInput, Floats], None]
"""See ``write_tensor``."""


def write_tensor(image: NDArray[np.uint8], order: PixelOrder, spec: ImageInput, out: Floats) -> None:
    """Reorder the channels, normalise, and put the channels first.

    Splitting first and scaling each plane in place takes 0.05 ms for 256 x 192, a tenth of
    ``cv2.dnn.blobFromImage``.

    Args:
        image: (h, w, 3), or (h, w) for GRAY, uint8; already of the network's size.
        order: Channel order of ``image``.
        spec: Wanted channel order, mean and standard deviation.
        out: (3, h, w) float32, written to.
    """
    planes = cv2.split(to_order(image, order, spec.order))
    for plane, mean, std, target in zip(planes, spec.mean, spec.std, out, strict=True):
        np.multiply(plane, np.float32(1 / std), out=target, dtype=np.float32)
        target -= np.float32(mean / std)
