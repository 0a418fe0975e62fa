"""Depth messages by their stamps, live or from a bag: the one of a picture is the nearest in time."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from ..compressed_depth import depth_from_compressed
from ..errors import InputError
from ..images import depth_from_raw
from ..types import Floats, View
from .depth import DepthImage

SLOP_NS = 20_000_000  # less than half of an image's time at 25 Hz


class NoDepth(InputError):
    """There is no depth image of the time of a picture."""


class DepthImages:
    """Messages of the kind of ``sensor_msgs/Image`` or ``CompressedImage``, decoded when they are asked for.

    One thread may put while another asks.

    Args:
        kept: The oldest are forgotten above so many; None: none are.
    """

    def __init__(self, kept: int | None = None) -> None:
        self._kept = kept
        self._images: OrderedDict[int, Any] = OrderedDict()

    def put(self, stamp_ns: int, message: Any) -> None:
        """Add one."""
        images = self._images.copy()
        images[stamp_ns] = message
        while self._kept is not None and len(images) > self._kept:
            images.popitem(last=False)
        self._images = images  # replaced as a whole: another thread may be reading it

    def forget_before(self, stamp_ns: int) -> None:
        """Drop those that are older."""
        self._images = OrderedDict((s, m) for s, m in self._images.items() if s >= stamp_ns)

    def __len__(self) -> int:
        return len(self._images)

    def __contains__(self, stamp_ns: int) -> bool:
        return stamp_ns in self._images

    def of(self, view: View) -> DepthImage:
        """The depth image of a picture.

        Raises:
            NoDepth: None is less than ``SLOP_NS`` away.
            InputError: It cannot be decoded, or is not of the same view: it has another shape or frame.
        """
        images = self._images
        stamp = min(images, key=lambda s: abs(s - view.stamp_ns), default=None)
        if stamp is None or abs(stamp - view.stamp_ns) > SLOP_NS:
            apart = None if stamp is None else abs(stamp - view.stamp_ns) / 1e9
            nearest = "nothing has come" if apart is None else f"the nearest is {apart:.2f} s away"
            raise NoDepth(f"no depth within {SLOP_NS / 1e6:.0f} ms of the image ({nearest})")
        _check_frame(images[stamp], view)
        depth = DepthImage(_metres(images[stamp]), stamp)
        depth.check(view)
        return depth


def _check_frame(message: Any, view: View) -> None:
    """A depth camera beside the colour camera has often the same shape, and other pixels.

    Raises:
        InputError: Both name their frame, and these differ.
    """
    frame = str(getattr(getattr(message, "header", message), "frame_id", ""))
    if frame and view.frame_id and frame.strip("/") != view.frame_id.strip("/"):
        raise InputError(
            f"the depth image is of the frame {frame!r}, the picture of {view.frame_id!r}: not the same "
            "view; take the depth that is aligned with the picture (aligned_depth_to_color)"
        )


def _metres(message: Any) -> Floats:
    if hasattr(message, "format"):
        return depth_from_compressed(message.format, message.data)
    return depth_from_raw(
        *(message.encoding, message.height, message.width, message.step),
        *(bool(getattr(message, "is_bigendian", False)), message.data),
    )
