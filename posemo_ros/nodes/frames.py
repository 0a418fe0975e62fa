"""Skeletons as frames of TF, and skeletons in the frame of your choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from posemo_msgs.msg import Skeleton3DArray
from rclpy.lifecycle import LifecyclePublisher

from .. import diagnostics as keys
from ..errors import InputError, MissingPackageError
from ..frames import FrameOf, joint_frames, transformed
from ..messages import skeletons_from_message
from ..settings import Models
from ..topics import IN_TARGET_FRAME, SKELETONS, TF
from . import qos
from .base import SwitchedOff
from .conversion import MAKE, class_of
from .parameters import FramesParameters
from .result_input import ResultStation
from .transforms import Transforms

TF_MESSAGE = "tf2_msgs/msg/TFMessage"
TF_DEPTH = 100  # as tf2's own broadcaster has it


@dataclass(frozen=True)
class Loaded:
    """Between configure and cleanup."""

    tf: LifecyclePublisher | None
    skeletons: LifecyclePublisher | None
    transforms: Transforms | None


class FramesNode(ResultStation[FramesParameters, Loaded]):
    """skeletons -> /tf, and skeletons_in_target_frame."""

    kind = "frames"

    def load(self) -> Loaded:
        """Look for tf2."""
        params = self.params
        if not (params.tf or params.target_frame):
            raise SwitchedOff("tf is false and target_frame is empty")
        for name in ("target_frame", "frame_prefix"):
            if (frame := getattr(params, name)).startswith("/"):
                raise InputError(f"parameter {name} is {frame!r}; frames have no slash in front")
        tf = self.publisher(_tf_message(), TF, qos.results(TF_DEPTH)) if params.tf else None
        if not params.target_frame:
            return Loaded(tf, None, None)
        transforms = Transforms(self, params.target_frame)
        self.on_free(transforms.close)
        return Loaded(tf, self.publisher(Skeleton3DArray, IN_TARGET_FRAME), transforms)

    def start(self, loaded: Loaded) -> None:
        """Subscribe."""
        topics: dict[str, Any] = {SKELETONS: (Skeleton3DArray, lambda message: self._take(loaded, message))}
        self.listen(topics=topics, required=(SKELETONS,))

    def _take(self, loaded: Loaded, message: Skeleton3DArray) -> None:
        skeletons = skeletons_from_message(message)
        if not message.header.frame_id:
            raise InputError("images carry no frame_id: TF has no frame without a name; set it in the camera")
        if loaded.tf is not None:
            # In the camera's frame: these are known even while the way to the target is not.
            frames = joint_frames(skeletons, self.params.frame_prefix)
            stamped = [_stamped(message.header.stamp, frame) for frame in frames]
            loaded.tf.publish(_tf_message()(transforms=stamped))
        if loaded.transforms is not None and loaded.skeletons is not None:
            motion = loaded.transforms.to(message.header.frame_id, skeletons.stamp_ns)
            moved = transformed(skeletons, motion, loaded.transforms.target)
            loaded.skeletons.publish(MAKE.skeletons(moved, Models(lifter=message.lifter_model)))
        self.monitor.count(keys.PUBLISHED)
        self.measure(skeletons.stamp_ns, {}, len(skeletons))


def _tf_message() -> Any:
    try:
        return class_of(TF_MESSAGE)
    except ImportError as error:
        raise MissingPackageError("tf2_msgs", "ros-$ROS_DISTRO-tf2-msgs", "the parameter tf") from error


def _stamped(stamp: Any, frame: FrameOf) -> TransformStamped:
    x, y, z = frame.translation.tolist()
    qx, qy, qz, qw = frame.quaternion.tolist()
    made = TransformStamped(child_frame_id=frame.child)
    made.header.stamp, made.header.frame_id = stamp, frame.parent
    made.transform = Transform(
        translation=Vector3(x=x, y=y, z=z), rotation=Quaternion(x=qx, y=qy, z=qz, w=qw)
    )
    return made
