"""Transforms at the stamp of a message, from tf2.

tf2 is not rebuilt here: where it is not installed, asking for a frame is refused. A buffer of our own over
/tf would have to interpolate, know its limits and follow trees with several roads of time as tf2 does, for
robots that all have tf2.
"""

from __future__ import annotations

import time
from typing import Any

from rclpy.node import Node
from rclpy.time import Time

from ..errors import InputError, MissingPackageError
from ..frames import Rigid

WAIT_S = 0.3  # a transform may come later than the image that it belongs to
POLL_S = 0.01
MEMORY_S = 10.0  # of tf2


class Transforms:
    """Listens to /tf and /tf_static while it is not closed.

    Args:
        node: Subscribes; its executor must run in another thread than ``to``.
        target: The frame that is asked for.

    Raises:
        MissingPackageError: tf2 is not installed.
    """

    def __init__(self, node: Node, target: str) -> None:
        try:
            import tf2_ros
        except ImportError as error:
            raise MissingPackageError(
                "tf2_ros_py", "ros-$ROS_DISTRO-tf2-ros-py", "the parameter target_frame"
            ) from error
        self.target = target
        self._refused: tuple[type[Exception], ...] = (tf2_ros.TransformException,)
        self._buffer: Any = tf2_ros.Buffer()
        self._listener: Any = tf2_ros.TransformListener(self._buffer, node)

    def _forget_future(self, frame_id: str, stamp_ns: int) -> None:
        """Where time has jumped back, as in a bag that loops: tf2 takes nothing so old."""
        try:
            newest = self._buffer.get_latest_common_time(self.target, frame_id).nanoseconds
        except self._refused:
            return
        if newest > stamp_ns + MEMORY_S * 1e9:
            self._buffer.clear()  # static transforms stay

    def close(self) -> None:
        """Unsubscribe."""
        self._listener.unregister()

    def to(self, frame_id: str, stamp_ns: int) -> Rigid:
        """From a frame to the target, at that time; waits ``WAIT_S`` for it.

        Raises:
            InputError: There is no such transform; says why, and what to do.
        """
        stamp = Time(nanoseconds=stamp_ns)
        end = time.monotonic() + WAIT_S
        while not self._buffer.can_transform(self.target, frame_id, stamp) and time.monotonic() < end:
            time.sleep(POLL_S)
        try:
            found = self._buffer.lookup_transform(self.target, frame_id, stamp).transform
        except self._refused as error:
            self._forget_future(frame_id, stamp_ns)
            raise InputError(
                f"no transform from {frame_id!r} to target_frame {self.target!r} at "
                f"{stamp_ns * 1e-9:.3f} s within {WAIT_S:g} s: {error}. Publish it, or empty target_frame"
            ) from error
        q, t = found.rotation, found.translation
        return Rigid.of((q.x, q.y, q.z, q.w), (t.x, t.y, t.z))
