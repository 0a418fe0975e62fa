"""Depth images beside the picture, for those stations that place people in space."""

from __future__ import annotations

from typing import Any

from sensor_msgs.msg import Image

from .. import diagnostics as keys
from ..errors import InputError
from ..lift.depth import DepthImage
from ..lift.depth_images import DepthImages
from ..messages import stamp_of
from ..types import View
from . import qos
from .station import Station

PROBLEM = "depth"
KEPT = 30


class DepthInput:
    """Keeps the newest depth images until the station stops, and finds the one of a picture.

    Args:
        station: The node.
        topic: What to subscribe.
    """

    def __init__(self, station: Station[Any, Any], topic: str) -> None:
        self._station = station
        self._topic = station.resolve_topic_name(topic)
        self.images = DepthImages(KEPT)
        station.subscribe(Image, topic, lambda m: self.images.put(stamp_of(m), m), qos.newest(5))

    def at(self, view: View) -> DepthImage | None:
        """The depth image of a picture; None when there is none that can be used, which is said."""
        try:
            return self.images.of(view)
        except InputError as error:
            self._say(f"{self._topic}: {error}")
            return None

    def used(self, measured: int, people: int, reason: str) -> None:
        """Note for how many people of an image the depth was used, and why not for others."""
        self._station.monitor.set(keys.DEPTH, f"{measured} of {people} people placed by depth")
        self._say(f"{self._topic}: {reason}" if people and not measured else "")

    def _say(self, text: str) -> None:
        self._station.warn(PROBLEM, f"{text}; distances are from the image alone" if text else "")


def of_topic(station: Station[Any, Any], topic: str) -> DepthInput | None:
    """The depth images of a topic; None without one."""
    return DepthInput(station, topic) if topic else None
