"""ROS messages as ``rosbags`` reads and writes them <-> the words of ``types``. No ROS needed."""

from __future__ import annotations

from typing import Any

import numpy as np
from rosbags.image import message_to_cvimage

from ..camera import Camera
from ..errors import InputError
from ..types import Frame


def stamp_of(message: Any) -> int:
    """Nanoseconds of a message's header."""
    stamp = message.header.stamp
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def frame_from_message(message: Any, *, camera: Camera | None, otherwise_ns: int) -> Frame:
    """A frame of an Image or CompressedImage message.

    Args:
        message: The deserialised message.
        camera: Intrinsics to hand on.
        otherwise_ns: Stamp to take when the header has none (zero).

    Raises:
        InputError: The image cannot be decoded.
    """
    stamp = stamp_of(message)
    try:
        image = message_to_cvimage(message, "bgr8")
    except Exception as error:
        kind = getattr(message, "encoding", None) or getattr(message, "format", "")
        raise InputError(f"image at {stamp} ns: cannot decode {kind!r}: {error}") from error
    return Frame(np.asarray(image, np.uint8), stamp or otherwise_ns, message.header.frame_id, camera)


def camera_from_info(message: Any) -> Camera | None:
    """Intrinsics of a CameraInfo message; None when its K is all zeros (not calibrated)."""
    matrix = np.asarray(message.k, np.float64).reshape(3, 3)
    if not matrix.any():
        return None
    return Camera(
        int(message.width), int(message.height), matrix, np.asarray(message.d), message.distortion_model
    )
