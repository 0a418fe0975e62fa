"""Images of a camera, as frames, to a worker; everything that can be wrong with them is said."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from .. import diagnostics as keys
from .. import image_check
from ..camera import Camera
from ..camera_info import camera_from_info, other_frame
from ..images import BitDepth
from ..messages import frame_from_message
from ..topics import COMPRESSED, is_rectified
from ..types import Frame
from . import qos, transport
from .base import L, P
from .parameters import ImageParameters, PeopleParameters
from .senders import Senders
from .station import Station
from .watch import TopicWatch

IMAGE_TOPIC = "image_raw"
CAMERA_INFO_TOPIC = "camera_info"
FIRST_INFO_S = 0.5
CHECK_PICTURE_S = 1.0
CHECK_LOSS_S = 5.0
LOSS_SHARE = 0.4
ENOUGH = 10


def image_topic(station: Station[Any, Any]) -> tuple[str, type[Image | CompressedImage]]:
    """The images' resolved topic and message type, as the parameter ``image_transport`` says.

    image_transport's convention: the suffix comes after remapping, so one remap serves both.
    """
    resolved = station.resolve_topic_name(IMAGE_TOPIC)
    compressed = station.params.image_transport == "compressed"
    return (resolved + COMPRESSED, CompressedImage) if compressed else (resolved, Image)


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
        self.topic, kind = image_topic(station)
        self._info: CameraInfo | None = None
        self._info_in_use: CameraInfo | None = None
        self._info_came = threading.Event()
        self._camera_of: tuple[object, Camera | None] = (None, None)
        self._checked_s = 0.0
        self._loss = _LossCheck()
        self._senders = Senders(station, self.topic, "images", "people are mixed up")
        infos = station.resolve_topic_name(CAMERA_INFO_TOPIC)
        mixed = "images get the intrinsics of the last one"
        self._info_senders = Senders(station, infos, "CameraInfos", mixed)
        self._depth = BitDepth()
        station.on_stop(self._forget)
        self._worker = station.worker(self._convert)
        station.on_stop(self._info_came.set)
        self._watch = TopicWatch(station, kind, self.topic, hint=self._size_hint)
        station.subscribe(CameraInfo, CAMERA_INFO_TOPIC, self._on_info, qos.newest())
        station.subscribe(kind, self.topic, self._on_image, qos.newest())
        if kind is Image:
            self._station.warn("shared memory", transport.complaint())

    @property
    def _params(self) -> ImageParameters:
        params: ImageParameters = self._station.params
        return params

    def _forget(self) -> None:
        for key in ("camera_info", "stamp", "picture", "loss", "shared memory"):
            self._station.monitor.clear(key)

    def tick(self) -> None:
        """Complain when no image comes, fewer than their CameraInfos, or those of two cameras."""
        self._watch.check(self._params.stall_s)
        loss = self._loss.check()
        if loss is not None:
            self._station.warn(
                "loss", f"{self.topic}: {loss}; {self._size_hint()}".rstrip("; ") if loss else ""
            )
        for senders in (self._senders, self._info_senders):
            senders.check()

    def _size_hint(self) -> str:
        info = self._info
        if info is None or self.topic.endswith(COMPRESSED):
            return ""
        return transport.size_hint(info.width, info.height)

    def _on_info(self, message: CameraInfo, about: Mapping[str, Any]) -> None:
        self._info_senders.came(about)
        self._info = message
        self._loss.infos += 1
        self._info_came.set()

    def _on_image(self, message: Image | CompressedImage, about: Mapping[str, Any]) -> None:
        self._watch.came()
        self._senders.came(about)
        self._loss.images += 1
        self._station.monitor.count(keys.RECEIVED)
        self._worker.put(message)

    def _convert(self, message: Image | CompressedImage) -> None:
        # The first image may overtake its CameraInfo.
        self._info_came.wait(FIRST_INFO_S)
        self._info_came.set()
        known = self._depth.bits
        frame = self._with_stamp(frame_from_message(message, self._depth))
        if self._depth.bits != known and self._depth.bits < 16:
            text = f"{self.topic}: 16-bit images use {self._depth.bits} bits, scaled by that"
            self._station.get_logger().info(text)
        self._check_picture(frame)
        self._work(self._with_camera(frame))

    def _check_picture(self, frame: Frame) -> None:
        now = time.monotonic()
        if now - self._checked_s > CHECK_PICTURE_S:
            self._checked_s = now
            text = image_check.complaint(frame)
            self._station.warn("picture", text and f"{self.topic}: {text}")

    def _with_camera(self, frame: Frame) -> Frame:
        info, params = self._info, self._params
        hfov_deg = params.hfov_deg if isinstance(params, PeopleParameters) else None
        key = (id(info), frame.width, frame.height, frame.frame_id, hfov_deg)
        if self._camera_of[0] != key:
            self._camera_of = (key, self._choose_camera(frame, info, hfov_deg))
            self._info_in_use = info  # kept, so that its id stays taken
        return replace(frame, camera=self._camera_of[1])

    def _choose_camera(self, frame: Frame, info: CameraInfo | None, hfov_deg: float | None) -> Camera | None:
        if hfov_deg is None:
            return None
        camera, assumption = camera_from_info(
            info, frame.width, frame.height, hfov_deg=hfov_deg, rectified=is_rectified(self.topic)
        )
        topic = self._station.resolve_topic_name(CAMERA_INFO_TOPIC)
        another = other_frame(info.header.frame_id, frame.frame_id) if info and not camera.assumed else ""
        words = "; ".join(filter(None, (assumption, another)))
        self._station.warn("camera_info", words and f"{topic}: {words}")
        return camera

    def _with_stamp(self, frame: Frame) -> Frame:
        text = f"images on {self.topic} carry no stamp (0): their time of arrival is taken"
        self._station.warn("stamp", "" if frame.stamp_ns else text)
        if frame.stamp_ns:
            return frame
        return replace(frame, stamp_ns=int(self._station.get_clock().now().nanoseconds))


class _LossCheck:
    """Compares the number of images with that of CameraInfos, which are small and get through."""

    def __init__(self) -> None:
        self.images = self.infos = 0
        self._since = time.monotonic()

    def check(self) -> str | None:
        """What is lost in words, empty when nothing is; None before the time of a new verdict."""
        seconds = time.monotonic() - self._since
        if seconds < CHECK_LOSS_S:
            return None
        images, infos = self.images, self.infos
        self.images = self.infos = 0
        self._since = time.monotonic()
        if infos < ENOUGH or not images or images >= (1 - LOSS_SHARE) * infos:
            return ""
        return f"{images} images for {infos} CameraInfos in {seconds:.0f} s: images get lost on the way"


class ImageStation(Station[P, L]):
    """A node that works on images; derived classes fill ``process``."""

    def process(self, loaded: L, frame: Frame) -> None:
        """Work on one frame; in the worker's thread."""
        raise NotImplementedError

    def start(self, loaded: L) -> None:
        """Subscribe."""
        images = self.watch_input(ImageInput(self, lambda frame: self.process(loaded, frame)))
        self.get_logger().info(f"waiting for images on {images.topic}")
