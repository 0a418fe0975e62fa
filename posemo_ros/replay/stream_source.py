"""Frames of network cameras: RTSP, HTTP (MJPEG, HLS), RTMP, SRT, UDP; connects again after a break."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..types import Frame
from .choice import Choice
from .intrinsics import CameraOfSize, named
from .source import ACCEPTED, DEFAULT_FRAME_ID, Source, without_password
from .video_source import Decoder, VideoSource, open_video, pixel_shape, upright, video_stream

SCHEMES = ("rtsp", "rtsps", "http", "https", "rtmp", "srt", "udp", "tcp", "rtp")
TIMEOUT_S = 5.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 10.0


def open_stream(address: str, choice: Choice) -> Source:
    """A network camera, or a film on a web server that has an end.

    Raises:
        InputError: Unknown scheme, or nothing answers.
    """
    scheme = address.partition("://")[0].lower()
    if scheme == "file":
        raise InputError(f"{without_password(address)}: name the path itself, without file://")
    if scheme not in SCHEMES:
        raise InputError(
            f"{without_password(address)}: streams start with {'://, '.join(SCHEMES)}://; "
            f"accepted are {ACCEPTED}"
        )
    with open_video(address, **_options(address)) as container:
        video_stream(container, without_password(address))
        has_end = scheme in ("http", "https") and _has_end(container)
    return VideoSource(address, choice) if has_end else StreamSource(address, choice)


def _has_end(container: Any) -> bool:
    """Whether a web server sends a film and not a camera's images: it says how long or how large it is."""
    is_list = container.format.name.split(",")[0] in ("hls", "dash")  # of pieces; its size is not theirs
    return bool(container.duration) or (container.size > 0 and not is_list)


class StreamSource(Source):
    """A network camera; stamps are the system's time when the frame was decoded.

    A thread reads as fast as the camera sends, and only the newest frame is kept: who is slow
    skips frames and stays in the present. After a break it connects again, for ever, waiting
    0.5 s at first and 10 s at most.
    """

    live = True
    time = "arrival at this machine"
    rate_hz = 30.0

    def __init__(self, address: str, choice: Choice) -> None:
        self._address = address
        self.name = without_password(address)
        intrinsics = named(Path(choice.camera_info)) if choice.camera_info else None
        self._camera_of = CameraOfSize(intrinsics, self.note)
        self._closed = threading.Event()
        self._newest: Any = None
        self._changed = threading.Condition()
        self._reader: threading.Thread | None = None

    def _frames(self) -> Iterator[Frame]:
        if self._reader is None:
            self._reader = threading.Thread(target=self._read, name="posemo stream", daemon=True)
            self._reader.start()
        while not self._closed.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None or self._closed.is_set(), 0.2)
                newest, self._newest = self._newest, None
            if newest is None:
                continue
            image, stamp = newest
            camera = self._camera_of(image.shape[1], image.shape[0])
            yield Frame(image, stamp, self._camera_of.frame_id or DEFAULT_FRAME_ID, camera)

    def _read(self) -> None:
        wait_s = FIRST_WAIT_S
        while not self._closed.is_set():
            try:
                for image in self._connection():
                    wait_s = FIRST_WAIT_S
                    with self._changed:
                        self._newest = (image, time.time_ns())
                        self._changed.notify_all()
                    if self._closed.is_set():
                        return
                reason = "the stream ended"
            except InputError as error:
                reason = str(error).split("; accepted")[0]
            self._lose(f"{reason}; connecting again in {wait_s:g} s")
            self._closed.wait(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def _lose(self, reason: str) -> None:
        strict, self.losses.strict = self.losses.strict, False  # this thread has nobody to tell
        self.losses.add("the connection broke", self.name, reason)
        self.losses.strict = strict

    def _connection(self) -> Iterator[Any]:
        with open_video(self._address, **_options(self._address)) as container:
            stream = video_stream(container, self.name)
            for picture in Decoder(container, stream, lambda *_: None):
                yield upright(picture, pixel_shape(stream))

    def close(self) -> None:
        """Hang up."""
        self._closed.set()
        with self._changed:
            self._changed.notify_all()
        if self._reader is not None:
            self._reader.join(2 * TIMEOUT_S)


def _options(address: str) -> dict[str, Any]:
    options = {"rtsp_transport": "tcp"} if address.startswith("rtsp") else {}
    return {"timeout": (TIMEOUT_S, TIMEOUT_S), "options": options}
