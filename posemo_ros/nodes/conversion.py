"""Messages <-> the words of ``posemo_ros.types``.

Values survive a round trip bit by bit, NaN included, so that stations in separate processes give
the same numbers as one process does.
"""

from __future__ import annotations

import array
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point
from numpy.typing import NDArray
from posemo_msgs.msg import (
    ContextFeatures,
    Emotion,
    EmotionArray,
    Keypoint2D,
    Person2D,
    Person2DArray,
    Skeleton3D,
    Skeleton3DArray,
)
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from ..camera import Camera
from ..camera_info import camera_from_info
from ..errors import InputError
from ..images import frame_from_compressed, frame_from_raw
from ..pipeline import Models
from ..skeleton import COCO17, H36M17
from ..types import (
    EMOTIONS,
    Context,
    Emotions,
    EmotionStatus,
    Floats,
    Frame,
    People2D,
    PixelOrder,
    Skeletons3D,
)

STATUS_TO_MESSAGE = {
    EmotionStatus.VALID: Emotion.VALID,
    EmotionStatus.TOO_FEW_FRAMES: Emotion.TOO_FEW_FRAMES,
    EmotionStatus.LOW_KEYPOINT_SCORES: Emotion.LOW_KEYPOINT_SCORES,
    EmotionStatus.NO_CONTEXT: Emotion.NO_CONTEXT,
    EmotionStatus.NOT_ENOUGH_EVIDENCE: Emotion.NOT_ENOUGH_EVIDENCE,
}
STATUS_FROM_MESSAGE = {number: status for status, number in STATUS_TO_MESSAGE.items()}


def stamp_ns(stamp: Time) -> int:
    """Nanoseconds of a message's stamp."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def header_of(nanoseconds: int, frame_id: str) -> Header:
    """A header from a stamp in nanoseconds."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return Header(stamp=Time(sec=seconds, nanosec=rest), frame_id=frame_id)


def frame_from_message(message: Image | CompressedImage) -> Frame:
    """The frame of an image message, without camera; a view on the message's buffer if possible.

    Raises:
        InputError: The image cannot be used; see ``images``.
    """
    stamp, frame_id = stamp_ns(message.header.stamp), message.header.frame_id
    if isinstance(message, CompressedImage):
        return frame_from_compressed(message.format, message.data, stamp, frame_id)
    return frame_from_raw(
        message.encoding,
        message.height,
        message.width,
        message.step,
        bool(message.is_bigendian),
        message.data,
        stamp,
        frame_id,
    )


def people_to_message(people: People2D, frame: Frame, models: Models) -> Person2DArray:
    """2D people; ``frame`` is the image they were found in, with the camera in use.

    Raises:
        InputError: The frame has no camera.
    """
    if frame.camera is None:
        raise InputError("a frame without camera cannot be published; give it one with `with_camera`")
    header = header_of(frame.stamp_ns, frame.frame_id)
    return Person2DArray(
        header=header,
        joint_set=COCO17.name,
        image_width=frame.width,
        image_height=frame.height,
        camera_info=info_from_camera(frame.camera, header),
        camera_assumed=frame.camera.assumed,
        detector_model=models.detector,
        keypoint_model=models.keypoints,
        people=[
            Person2D(
                track_id=track_id,
                box=people.boxes[row],
                box_score=float(people.scores[row]),
                keypoints=[Keypoint2D(x=x, y=y, score=s) for x, y, s in people.keypoints[row].tolist()],
            )
            for row, track_id in enumerate(people.ids)
        ],
    )


def people_from_message(message: Person2DArray) -> tuple[People2D, Frame]:
    """2D people, and the frame they were found in: stamp, size and camera, without the pixels.

    Raises:
        InputError: The joint set is not COCO-17, or the image's size is missing.
    """
    _expect(message.joint_set, COCO17.name, "Person2DArray.joint_set")
    if not message.image_width or not message.image_height:
        raise InputError("Person2DArray: image_width and image_height must not be 0")
    camera, _ = camera_from_info(message.camera_info, message.image_width, message.image_height)
    keypoints = [[(k.x, k.y, k.score) for k in person.keypoints] for person in message.people]
    people = People2D(
        tuple(person.track_id for person in message.people),
        _floats([person.box for person in message.people], 4),
        _floats([person.box_score for person in message.people]),
        _floats(keypoints, len(COCO17), 3),
    )
    frame = Frame(
        np.broadcast_to(np.uint8(0), (message.image_height, message.image_width)),
        stamp_ns(message.header.stamp),
        message.header.frame_id,
        replace(camera, assumed=message.camera_assumed),
        PixelOrder.GRAY,
    )
    return people, frame


def skeletons_to_message(
    skeletons: Skeletons3D, frame_id: str, model: str, *, camera_assumed: bool
) -> Skeleton3DArray:
    """3D skeletons in the camera frame ``frame_id``."""
    return Skeleton3DArray(
        header=header_of(skeletons.stamp_ns, frame_id),
        joint_set=H36M17.name,
        lifter_model=model,
        camera_assumed=camera_assumed,
        skeletons=[
            Skeleton3D(
                track_id=track_id,
                root=_point(skeletons.roots[row].tolist()),
                relative=[_point(p) for p in skeletons.relative[row].tolist()],
                scores=skeletons.scores[row],
            )
            for row, track_id in enumerate(skeletons.ids)
        ],
    )


def skeletons_from_message(message: Skeleton3DArray) -> Skeletons3D:
    """3D skeletons.

    Raises:
        InputError: The joint set is not H36M-17.
    """
    _expect(message.joint_set, H36M17.name, "Skeleton3DArray.joint_set")
    rows = message.skeletons
    return Skeletons3D(
        stamp_ns(message.header.stamp),
        tuple(row.track_id for row in rows),
        _floats([[(p.x, p.y, p.z) for p in row.relative] for row in rows], len(H36M17), 3),
        _floats([(row.root.x, row.root.y, row.root.z) for row in rows], 3),
        _floats([row.scores for row in rows], len(H36M17)),
    )


def emotions_to_message(emotions: Emotions, frame_id: str, model: str, context_model: str) -> EmotionArray:
    """Emotion estimates."""
    return EmotionArray(
        header=header_of(emotions.stamp_ns, frame_id),
        emotion_model=model,
        context_model=context_model,
        emotions=[
            Emotion(
                track_id=track_id,
                probabilities=emotions.probabilities[row],
                valid=emotions.status[row] is EmotionStatus.VALID,
                status=STATUS_TO_MESSAGE[emotions.status[row]],
                window_s=float(emotions.windows_s[row]),
                context_age_s=float(emotions.context_ages_s[row]),
            )
            for row, track_id in enumerate(emotions.ids)
        ],
    )


def emotions_from_message(message: EmotionArray) -> Emotions:
    """Emotion estimates.

    Raises:
        InputError: A status is unknown.
    """
    rows = message.emotions
    unknown = [row.status for row in rows if row.status not in STATUS_FROM_MESSAGE]
    if unknown:
        raise InputError(f"Emotion.status: {unknown[0]} is unknown (known: {sorted(STATUS_FROM_MESSAGE)})")
    return Emotions(
        stamp_ns(message.header.stamp),
        tuple(row.track_id for row in rows),
        _floats([row.probabilities for row in rows], len(EMOTIONS)),
        tuple(STATUS_FROM_MESSAGE[row.status] for row in rows),
        _floats([row.window_s for row in rows]),
        _floats([row.context_age_s for row in rows]),
    )


def context_to_message(context: Context, frame_id: str) -> ContextFeatures:
    """Features of the scene."""
    tokens, width = context.tokens.shape
    values = array.array("f")
    values.frombytes(np.ascontiguousarray(context.tokens, np.float32).data.cast("B"))
    return ContextFeatures(
        header=header_of(context.stamp_ns, frame_id),
        model=context.model,
        tokens=tokens,
        width=width,
        data=values,
    )


def context_from_message(message: ContextFeatures) -> Context:
    """Features of the scene.

    Raises:
        InputError: The data has not tokens x width values.
    """
    if not len(message.data) == message.tokens * message.width > 0:
        raise InputError(
            f"ContextFeatures.data has {len(message.data)} values; "
            f"expected tokens x width = {message.tokens} x {message.width}"
        )
    values = np.frombuffer(message.data, np.float32).reshape(message.tokens, message.width)
    return Context(stamp_ns(message.header.stamp), values, message.model)


def info_from_camera(camera: Camera | None, header: Header, width: int = 0, height: int = 0) -> CameraInfo:
    """Intrinsics; K all zeros, which means "not calibrated", where there are none.

    Args:
        camera: Intrinsics.
        header: That of the image.
        width, height: Of the image, where there is no camera.
    """
    if camera is None:
        return CameraInfo(header=header, width=width, height=height)
    return CameraInfo(
        header=header,
        width=camera.width,
        height=camera.height,
        distortion_model=camera.model or "plumb_bob",
        d=camera.distortion.tolist() or [0.0] * 5,
        k=camera.matrix.ravel(),
        r=np.eye(3).ravel(),
        p=np.hstack([camera.matrix, np.zeros((3, 1))]).ravel(),
    )


def image_to_message(image: NDArray[np.uint8], header: Header) -> Image:
    """An (H, W, 3) BGR image as ``bgr8``."""
    height, width = image.shape[:2]
    return Image(
        header=header, height=height, width=width, encoding="bgr8", step=width * 3, data=_bytes_of(image)
    )


def jpeg_to_message(jpeg: NDArray[np.uint8], header: Header) -> CompressedImage:
    """Encoded bytes of a JPEG file of a BGR image."""
    return CompressedImage(header=header, format="bgr8; jpeg compressed bgr8", data=_bytes_of(jpeg))


def _bytes_of(values: NDArray[np.uint8]) -> array.array[int]:
    # Anything but an array.array is copied value by value in Python: a second for one 1080p image.
    data = array.array("B")
    data.frombytes(np.ascontiguousarray(values).data.cast("B"))
    return data


def _point(values: Sequence[float]) -> Point:
    x, y, z = values
    return Point(x=x, y=y, z=z)


def _floats(rows: Sequence[object], *shape: int) -> Floats:
    return np.array(rows, np.float32).reshape(len(rows), *shape)


def _expect(found: str, expected: str, what: str) -> None:
    if found != expected:
        raise InputError(f"{what}: {found!r}; expected {expected!r}")
