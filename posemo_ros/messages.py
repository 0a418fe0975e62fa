"""ROS messages <-> the values of ``types``: the one place that knows the fields of the messages.

The message classes are handed in, so that rclpy's (nodes) and rosbags' (recordings, no ROS needed)
say the same. Values survive a round trip bit by bit, NaN included: stations in separate processes
give the numbers that one process gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .camera_info import camera_from_info
from .errors import InputError
from .images import BitDepth, frame_from_compressed, frame_from_raw
from .settings import Models
from .skeleton import COCO17, H36M17
from .types import EMOTIONS, Context, Emotions, EmotionStatus, Floats, Frame, People2D, Skeletons3D, View

# Reading ------------------------------------------------------------------------------------


def stamp_of(message: Any) -> int:
    """Nanoseconds of a message's header."""
    stamp = message.header.stamp
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def frame_from_message(message: Any, depth: BitDepth | None = None) -> Frame:
    """The frame of an Image or CompressedImage, without camera; a view on the message's buffer if possible.

    Args:
        message: The message.
        depth: Used bits of the topic's 16-bit images; by this image's content when None.

    Raises:
        InputError: The image cannot be used; see ``images``.
    """
    stamp, frame_id = stamp_of(message), message.header.frame_id
    if hasattr(message, "format"):
        return frame_from_compressed(message.format, message.data, stamp, frame_id, depth=depth)
    return frame_from_raw(
        message.encoding,
        message.height,
        message.width,
        message.step,
        bool(message.is_bigendian),
        message.data,
        stamp,
        frame_id,
        depth=depth,
    )


def people_from_message(message: Any) -> People2D:
    """2D people of a Person2DArray, with their view.

    Raises:
        InputError: The joint set is not COCO-17, or the image's size is missing.
    """
    _expect(message.joint_set, COCO17.name, "Person2DArray.joint_set")
    width, height = message.image_width, message.image_height
    if not width or not height:
        raise InputError("Person2DArray: image_width and image_height must not be 0")
    camera, _ = camera_from_info(message.camera_info, width, height, judged=True)
    camera = replace(camera, assumed=message.camera_assumed or camera.assumed)
    rows = message.people
    return People2D(
        tuple(p.track_id for p in rows),
        _floats([p.box for p in rows], 4),
        _floats([p.box_score for p in rows]),
        _floats([[(k.x, k.y, k.score) for k in p.keypoints] for p in rows], len(COCO17), 3),
        _boxes(getattr(message, "other_boxes", ())),  # older recordings have none
        view=View(stamp_of(message), message.header.frame_id, camera, width, height, camera.assumed),
    )


def skeletons_from_message(message: Any) -> Skeletons3D:
    """3D skeletons of a Skeleton3DArray.

    Raises:
        InputError: The joint set is not H36M-17.
    """
    _expect(message.joint_set, H36M17.name, "Skeleton3DArray.joint_set")
    rows = message.skeletons
    return Skeletons3D(
        tuple(s.track_id for s in rows),
        _floats([[(p.x, p.y, p.z) for p in s.relative] for s in rows], len(H36M17), 3),
        _floats([(s.root.x, s.root.y, s.root.z) for s in rows], 3),
        _floats([s.scores for s in rows], len(H36M17)),
        np.array([getattr(s, "measured", False) for s in rows], np.bool_),  # older recordings: False
        view=_view(message, camera_assumed=message.camera_assumed),
    )


def emotions_from_message(message: Any) -> Emotions:
    """Emotion estimates of an EmotionArray.

    Raises:
        InputError: A status is unknown.
    """
    rows = message.emotions
    return Emotions(
        tuple(e.track_id for e in rows),
        _floats([e.probabilities for e in rows], len(EMOTIONS)),
        tuple(_status(e) for e in rows),
        _floats([e.window_s for e in rows]),
        _floats([e.context_age_s for e in rows]),
        tuple(tuple(e.evidence) for e in rows),
        view=_view(message),
    )


def context_from_message(message: Any) -> Context:
    """Features of the scene of a ContextFeatures.

    Raises:
        InputError: The data has not tokens x width values.
    """
    if not len(message.data) == message.tokens * message.width > 0:
        raise InputError(
            f"ContextFeatures.data has {len(message.data)} values; "
            f"expected tokens x width = {message.tokens} x {message.width}"
        )
    values = np.frombuffer(message.data, np.float32).reshape(message.tokens, message.width)
    return Context(values, message.model, view=_view(message))


def _view(message: Any, *, camera_assumed: bool = True) -> View:
    return View(stamp_of(message), message.header.frame_id, camera_assumed=camera_assumed)


def _status(message: Any) -> EmotionStatus:
    numbers = {int(getattr(message, status.name)): status for status in EmotionStatus}
    if message.status not in numbers:
        raise InputError(f"Emotion.status: {message.status} is unknown (known: {sorted(numbers)})")
    return numbers[message.status]


def _floats(rows: Sequence[object], *shape: int) -> Floats:
    return np.array(rows, np.float32).reshape(len(rows), *shape)


def _boxes(flat: Any) -> Floats:
    if len(flat) % 4:
        raise InputError(f"Person2DArray.other_boxes has {len(flat)} numbers; expected four per box")
    return np.array(flat, np.float32).reshape(-1, 4)


def _expect(found: str, expected: str, what: str) -> None:
    if found != expected:
        raise InputError(f"{what}: {found!r}; expected {expected!r}")


# Writing ------------------------------------------------------------------------------------


class MessageMaker:
    """Makes messages of one family of classes.

    Args:
        class_of: Gives the class of a type such as ``posemo_msgs/msg/Person2D``.
        sequence: Makes the value of an unbounded array field from a flat array.
    """

    def __init__(
        self, class_of: Callable[[str], Any], sequence: Callable[[NDArray[np.generic]], Any]
    ) -> None:
        self._class_of = lru_cache(maxsize=None)(class_of)
        self._sequence = sequence

    def _own(self, name: str) -> Any:
        return self._class_of(f"posemo_msgs/msg/{name}")

    def header(self, view: View) -> Any:
        """``std_msgs/Header``."""
        seconds, rest = divmod(view.stamp_ns, 1_000_000_000)
        return self._class_of("std_msgs/msg/Header")(
            stamp=self._class_of("builtin_interfaces/msg/Time")(sec=seconds, nanosec=rest),
            frame_id=view.frame_id,
        )

    def image(self, image: NDArray[np.uint8], view: View) -> Any:
        """``sensor_msgs/Image`` of an (H, W, 3) BGR image, as ``bgr8``."""
        height, width = image.shape[:2]
        return self._class_of("sensor_msgs/msg/Image")(
            header=self.header(view),
            height=height,
            width=width,
            encoding="bgr8",
            is_bigendian=0,
            step=width * 3,
            data=self._sequence(image.ravel()),
        )

    def jpeg(self, jpeg: NDArray[np.uint8], view: View) -> Any:
        """``sensor_msgs/CompressedImage`` of the bytes of a JPEG file of a BGR image."""
        return self._class_of("sensor_msgs/msg/CompressedImage")(
            header=self.header(view), format="bgr8; jpeg compressed bgr8", data=self._sequence(jpeg.ravel())
        )

    def camera_info(self, view: View) -> Any:
        """``sensor_msgs/CameraInfo``; K all zeros, which means "not calibrated", without a camera."""
        camera = view.camera
        matrix = np.zeros((3, 3)) if camera is None else camera.matrix
        distortion = np.zeros(0) if camera is None else camera.distortion
        return self._class_of("sensor_msgs/msg/CameraInfo")(
            header=self.header(view),
            height=view.height,
            width=view.width,
            distortion_model="" if camera is None else camera.model or "plumb_bob",
            d=self._sequence(distortion if distortion.size or camera is None else np.zeros(5)),
            k=matrix.ravel(),
            r=(np.zeros((3, 3)) if camera is None else np.eye(3)).ravel(),
            p=np.hstack([matrix, np.zeros((3, 1))]).ravel(),
            binning_x=0,
            binning_y=0,
            roi=self._class_of("sensor_msgs/msg/RegionOfInterest")(
                x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
            ),
        )

    def people(self, people: People2D, models: Models) -> Any:
        """``posemo_msgs/Person2DArray``.

        Raises:
            InputError: Their view has no camera.
        """
        view = people.view
        if view.camera is None:
            raise InputError("people without camera cannot be published; see Frame.view")
        keypoint, person = (
            self._own("Keypoint2D"),
            self._own("Person2D"),
        )
        return self._own("Person2DArray")(
            header=self.header(view),
            joint_set=COCO17.name,
            image_width=view.width,
            image_height=view.height,
            camera_info=self.camera_info(view),
            camera_assumed=view.camera_assumed,
            detector_model=models.detector,
            keypoint_model=models.keypoints,
            people=[
                person(
                    track_id=track_id,
                    box=people.boxes[row],
                    box_score=float(people.scores[row]),
                    keypoints=[keypoint(x=x, y=y, score=s) for x, y, s in people.keypoints[row].tolist()],
                )
                for row, track_id in enumerate(people.ids)
            ],
            other_boxes=self._sequence(np.asarray(people.other_boxes, np.float32).ravel()),
        )

    def skeletons(self, skeletons: Skeletons3D, models: Models) -> Any:
        """``posemo_msgs/Skeleton3DArray``."""
        point, skeleton = (
            self._class_of("geometry_msgs/msg/Point"),
            self._own("Skeleton3D"),
        )

        def points(rows: Floats) -> list[Any]:
            return [point(x=x, y=y, z=z) for x, y, z in rows.tolist()]

        return self._own("Skeleton3DArray")(
            header=self.header(skeletons.view),
            joint_set=H36M17.name,
            lifter_model=models.lifter,
            camera_assumed=skeletons.view.camera_assumed,
            skeletons=[
                skeleton(
                    track_id=track_id,
                    root=points(skeletons.roots[row : row + 1])[0],
                    relative=points(skeletons.relative[row]),
                    scores=skeletons.scores[row],
                    measured=bool(skeletons.measured[row]),
                )
                for row, track_id in enumerate(skeletons.ids)
            ],
        )

    def emotions(self, emotions: Emotions, models: Models) -> Any:
        """``posemo_msgs/EmotionArray``."""
        emotion = self._own("Emotion")
        return self._own("EmotionArray")(
            header=self.header(emotions.view),
            emotion_model=models.emotion,
            context_model=models.context,
            emotions=[
                emotion(
                    track_id=track_id,
                    probabilities=emotions.probabilities[row],
                    valid=emotions.status[row] is EmotionStatus.VALID,
                    status=getattr(emotion, emotions.status[row].name),
                    window_s=float(emotions.windows_s[row]),
                    context_age_s=float(emotions.context_ages_s[row]),
                    evidence=list(emotions.evidence[row]) if emotions.evidence else [],
                )
                for row, track_id in enumerate(emotions.ids)
            ],
        )

    def context(self, context: Context) -> Any:
        """``posemo_msgs/ContextFeatures``."""
        tokens, width = context.tokens.shape
        return self._own("ContextFeatures")(
            header=self.header(context.view),
            model=context.model,
            tokens=tokens,
            width=width,
            data=self._sequence(np.asarray(context.tokens, np.float32).ravel()),
        )
