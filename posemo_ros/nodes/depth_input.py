"""Depth images beside the picture, for those stations that place people in space."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from sensor_msgs.msg import Image

from .. import diagnostics as keys
from ..errors import InputError
from ..images import depth_from_raw
from ..lift.depth import DepthImage
from ..messages import stamp_of
from ..types import View
from . import qos
from .station import Station

PROBLEM = "depth"
KEPT = 30
SLOP_NS = 20_000_000  # less than half of an image's time at 25 Hz


class DepthInput:
    """Keeps the newest depth images until the station stops, and finds the one of a picture.

    Args:
        station: The node.
        topic: What to subscribe.
    """

    def __init__(self, station: Station[Any, Any], topic: str) -> None:
        self._station = station
        self._topic = station.resolve_topic_name(topic)
        self._images: OrderedDict[int, Image] = OrderedDict()
        station.subscribe(Image, topic, self._take, qos.newest(5))

    def _take(self, message: Image) -> None:
        images = self._images.copy()
        images[stamp_of(message)] = message
        while len(images) > KEPT:
            images.popitem(last=False)
        self._images = images  # replaced as a whole: the worker reads it in another thread

    def at(self, view: View) -> DepthImage | None:
        """The depth image of a picture; None when there is none that can be used, which is said."""
        images = self._images
        stamp = min(images, key=lambda s: abs(s - view.stamp_ns), default=None)
        if stamp is None or abs(stamp - view.stamp_ns) > SLOP_NS:
            ago = "nothing has come" if stamp is None else f"the nearest is {_apart(stamp, view)} away"
            self._say(f"{self._topic}: no depth within {SLOP_NS / 1e6:.0f} ms of the image ({ago})")
            return None
        message = images[stamp]
        try:
            metres = depth_from_raw(
                *(message.encoding, message.height, message.width, message.step),
                *(bool(message.is_bigendian), message.data),
            )
            depth = DepthImage(metres, stamp)
            depth.check(view)
        except InputError as error:
            self._say(f"{self._topic}: {error}")
            return None
        return depth

    def used(self, measured: int, people: int, reason: str) -> None:
        """Note for how many people of an image the depth was used, and why not for others."""
        self._station.monitor.set(keys.DEPTH, f"{measured} of {people} people placed by depth")
        self._say(f"{self._topic}: {reason}" if people and not measured else "")

    def _say(self, text: str) -> None:
        self._station.warn(PROBLEM, f"{text}; distances are from the image alone" if text else "")


def of_topic(station: Station[Any, Any], topic: str) -> DepthInput | None:
    """The depth images of a topic; None without one."""
    return DepthInput(station, topic) if topic else None


def _apart(stamp_ns: int, view: View) -> str:
    return f"{abs(stamp_ns - view.stamp_ns) / 1e9:.2f} s"
