"""Frames of a camera of this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator

import cv2
import numpy as np

from ..errors import InputError
from ..pictures import opencv_quiet
from ..types import Frame
from .source import ACCEPTED, DEFAULT_FRAME_ID, Source


class CameraSource(Source):
    """A camera of this machine; stamps are the system's time when the frame arrived.

    Raises:
        InputError: There is no such camera, or it gives no frame.
    """

    live = True
    time = "arrival at this machine"

    def __init__(self, number: int) -> None:
        self.name = f"camera {number}"
        try:
            with opencv_quiet():
                self._capture = cv2.VideoCapture(number)
                works = self._capture.isOpened() and self._capture.grab()
        except (cv2.error, OverflowError) as error:
            raise InputError(f"there can be no camera number {number}; accepted are {ACCEPTED}") from error
        if not works:
            self._capture.release()
            raise InputError(
                f"tried camera number {number}: it gives no image (is it connected, and free?); "
                f"accepted are {ACCEPTED}"
            )
        stated = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate_hz = stated if 0 < stated <= 1000 else 30.0

    def _frames(self) -> Iterator[Frame]:
        while True:
            ok, image = self._capture.read()
            if not ok:
                raise InputError(f"{self.name} stopped giving images")
            yield Frame(np.asarray(image, np.uint8), time.time_ns(), DEFAULT_FRAME_ID)

    def close(self) -> None:
        """Free the camera."""
        self._capture.release()
