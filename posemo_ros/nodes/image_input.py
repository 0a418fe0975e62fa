"""Images of a camera, as frames, to a worker; everything that can be wrong with them is said."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from ..camera import Camera
from ..camera_info import camera_from_info
from ..messages import frame_from_message
from ..topics import COMPRESSED
from ..types import Frame
from . import qos
from .base import L, P
from .monitor import WARN
from .parameters import ImageParameters, PeopleParameters
from .station import Station

IMAGE_TOPIC = "image_raw"
CAMERA_INFO_TOPIC = "camera_info"
FIRST_INFO_S = 0.5
REPEAT_S = 10.0


class ImageInput:
    """Subscribes the image and its CameraInfo and calls ``work`` with frames that have a camera.

    Args:
        station: The node; has ``ImageParameters`` and, where somebody needs intrinsics,
            ``PeopleParameters``. Everything ends when it stops.
        work: Called in the worker's thread, one frame at a time.
    """

    def __init__(self, station: Station[Any, Any], work: Callable[[Frame], None]) -> None:
        self._station = station
        self._work = work
        # image_transport's convention: the suffix comes after remapping, so one remap serves both.
        resolved = station.resolve_topic_name(IMAGE_TOPIC)
        compressed = self._params.image_transport == "compressed"
        self.topic = resolved + COMPRESSED if compressed else resolved
        self._type: type = CompressedImage if compressed else Image
        self._info: CameraInfo | None = None
        self._info_in_use: CameraInfo | None = None
        self._info_came = threading.Event()
        self._last_s = self._said_s = time.monotonic()
        self._camera_of: tuple[object, Camera | None] = (None, None)
        station.on_stop(self._forget)
        self._worker = station.worker(self._convert)
        station.on_stop(self._info_came.set)
        station.subscribe(CameraInfo, CAMERA_INFO_TOPIC, self._on_info, qos.newest())
        station.subscribe(self._type, self.topic, self._on_image, qos.newest())

    @property
    def _params(self) -> ImageParameters:
        params: ImageParameters = self._station.params
        return params

    def _forget(self) -> None:
        for key in ("image", "camera_info", "stamp", "work"):
            self._station.monitor.clear(key)

    def tick(self) -> None:
        """Complain when no image came for ``stall_s`` seconds."""
        silent_s = time.monotonic() - self._last_s
        if silent_s < self._params.stall_s:
            if self._station.monitor.clear("image"):
                self._station.get_logger().info(f"images on {self.topic} again")
            return
        text = f"no image on {self.topic} for {self._params.stall_s:g} s: {self._why_silent()}"
        new = self._station.monitor.problem("image", text)
        if new or time.monotonic() - self._said_s > REPEAT_S:
            self._said_s = time.monotonic()
            self._station.get_logger().warning(text)

    def _why_silent(self) -> str:
        seen = qos.describe_publishers(self._station, self.topic)
        if seen:
            return f"publishers seen: {seen}; this node asks for {qos.describe(qos.newest())}"
        wanted = f"{self._type.__module__.split('.')[0]}/msg/{self._type.__name__}"
        others = [
            name
            for name, types in self._station.get_topic_names_and_types()
            if wanted in types and name != self.topic and self._station.count_publishers(name)
        ]
        return f"nobody publishes it (published {self._type.__name__} topics: {', '.join(others) or 'none'})"

    def _on_info(self, message: CameraInfo) -> None:
        self._info = message
        self._info_came.set()

    def _on_image(self, message: Image | CompressedImage) -> None:
        self._last_s = time.monotonic()
        self._station.monitor.count("received")
        self._worker.put(message)

    def _convert(self, message: Image | CompressedImage) -> None:
        # The first image may overtake its CameraInfo.
        self._info_came.wait(FIRST_INFO_S)
        self._info_came.set()
        frame = frame_from_message(message)
        self._watch_stamp(frame)
        self._work(self._with_camera(frame))

    def _with_camera(self, frame: Frame) -> Frame:
        info, params = self._info, self._params
        hfov_deg = params.hfov_deg if isinstance(params, PeopleParameters) else None
        key = (id(info), frame.width, frame.height, hfov_deg)
        if self._camera_of[0] != key:
            self._camera_of = (key, self._choose_camera(frame, info, hfov_deg))
            self._info_in_use = info  # kept, so that its id stays taken
        return Frame(frame.image, frame.stamp_ns, frame.frame_id, self._camera_of[1], frame.pixel_order)

    def _choose_camera(self, frame: Frame, info: CameraInfo | None, hfov_deg: float | None) -> Camera | None:
        if hfov_deg is None:
            return None
        camera, assumption = camera_from_info(info, frame.width, frame.height, hfov_deg=hfov_deg)
        if not assumption:
            self._station.monitor.clear("camera_info")
            return camera
        text = f"{self._station.resolve_topic_name(CAMERA_INFO_TOPIC)}: {assumption}"
        if self._station.monitor.problem("camera_info", text, WARN):
            self._station.get_logger().warning(text)
        return camera

    def _watch_stamp(self, frame: Frame) -> None:
        if frame.stamp_ns:
            self._station.monitor.clear("stamp")
            return
        text = f"images on {self.topic} carry no stamp (0): windows and latency cannot be right"
        if self._station.monitor.problem("stamp", text, WARN):
            self._station.get_logger().warning(text)


class ImageStation(Station[P, L]):
    """A node that works on images; derived classes fill ``process``."""

    _input: ImageInput | None = None

    def process(self, loaded: L, frame: Frame) -> None:
        """Work on one frame; in the worker's thread."""
        raise NotImplementedError

    def start(self, loaded: L) -> None:
        """Subscribe."""
        self.on_stop(self._forget_input)
        self._input = ImageInput(self, lambda frame: self.process(loaded, frame))
        self.get_logger().info(f"waiting for images on {self._input.topic}")

    def _forget_input(self) -> None:
        self._input = None

    def tick(self) -> None:
        """Watch whether images come."""
        if self._input is not None:
            self._input.tick()
