"""Depth images beside the picture, for those stations that place people in space."""

from __future__ import annotations

from typing import Any

from sensor_msgs.msg import CompressedImage, Image

from .. import diagnostics as keys
from ..errors import InputError
from ..lift.depth import DepthImage
from ..lift.depth_images import DepthImages, NoDepth
from ..messages import stamp_of
from ..topics import COMPRESSED, COMPRESSED_DEPTH
from ..types import View
from . import qos
from .station import Station

PROBLEM = "depth"
KEPT = 30


class DepthInput:
    """Keeps the newest depth images until the station stops, and finds the one of a picture.

    Args:
        station: The node.
        topic: What to subscribe; one that ends like a compressed one of image_transport is compressed.
    """

    def __init__(self, station: Station[Any, Any], topic: str) -> None:
        self._station = station
        self._topic = station.resolve_topic_name(topic)
        self._kind = CompressedImage if topic.endswith((COMPRESSED, COMPRESSED_DEPTH)) else Image
        self.images = DepthImages(KEPT)
        station.subscribe(self._kind, topic, lambda m: self.images.put(stamp_of(m), m), qos.newest(5))

    def at(self, view: View) -> DepthImage | None:
        """The depth image of a picture; None when there is none that can be used, which is said."""
        try:
            return self.images.of(view)
        except NoDepth as error:
            self._say(f"{self._topic}: {error}{'' if self.images else self._why_nothing_came()}")
            return None
        except InputError as error:
            self._say(f"{self._topic}: {error}")
            return None

    def used(self, measured: int, people: int, reason: str) -> None:
        """Note for how many people of an image the depth was used, and why not for others."""
        self._station.monitor.set(keys.DEPTH, f"{measured} of {people} people placed by depth")
        self._say(f"{self._topic}: {reason}" if people and not measured else "")

    def _why_nothing_came(self) -> str:
        publishers = qos.describe_publishers(self._station, self._topic)
        if publishers:
            return (
                f"; publishers seen: {publishers}; this node asks for sensor_msgs/msg/{self._kind.__name__}"
            )
        base = self._topic.removesuffix(COMPRESSED).removesuffix(COMPRESSED_DEPTH)
        others = [base + form for form in ("", COMPRESSED_DEPTH, COMPRESSED)]
        published = [name for name in others if self._station.count_publishers(name)]
        return f"; nobody publishes it{', but ' * bool(published)}{' and '.join(published)}"

    def _say(self, text: str) -> None:
        self._station.warn(PROBLEM, f"{text}; distances are from the image alone" if text else "")


def of_topic(station: Station[Any, Any], topic: str) -> DepthInput | None:
    """The depth images of a topic; None without one."""
    return DepthInput(station, topic) if topic else None
