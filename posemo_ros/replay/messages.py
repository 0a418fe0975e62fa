"""ROS messages as ``rosbags`` reads and writes them <-> the words of ``types``. No ROS needed."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from ..camera import Camera
from ..images import frame_from_compressed, frame_from_raw
from ..inference.resources import share_dir
from ..pipeline import Models
from ..skeleton import COCO17, H36M17
from ..types import EMOTIONS, Emotions, EmotionStatus, Floats, Frame, People2D, Skeletons3D

STATUS = (
    EmotionStatus.VALID,
    EmotionStatus.TOO_FEW_FRAMES,
    EmotionStatus.LOW_KEYPOINT_SCORES,
    EmotionStatus.NO_CONTEXT,
    EmotionStatus.NOT_ENOUGH_EVIDENCE,
)  # in the order of the constants of posemo_msgs/Emotion


@lru_cache(maxsize=1)
def typestore() -> Typestore:
    """The common ROS 2 types and those of posemo_msgs."""
    store = get_typestore(Stores.ROS2_JAZZY)
    types: dict[str, Any] = {}
    for path in sorted(share_dir("msg").glob("*.msg")):
        types |= get_types_from_msg(path.read_text(encoding="utf-8"), f"posemo_msgs/msg/{path.stem}")
    store.register(types)
    return store


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
    stamp, frame_id = stamp_of(message) or otherwise_ns, message.header.frame_id
    if hasattr(message, "format"):
        return frame_from_compressed(message.format, message.data, stamp, frame_id, camera)
    return frame_from_raw(
        message.encoding,
        message.height,
        message.width,
        message.step,
        bool(message.is_bigendian),
        message.data,
        stamp,
        frame_id,
        camera,
    )


def people_from_message(message: Any) -> People2D:
    """2D people of a Person2DArray."""
    rows = message.people
    return People2D(
        tuple(p.track_id for p in rows),
        _floats([p.box for p in rows], 4),
        _floats([p.box_score for p in rows]),
        _floats([[(k.x, k.y, k.score) for k in p.keypoints] for p in rows], len(COCO17), 3),
    )


def skeletons_from_message(message: Any) -> Skeletons3D:
    """3D skeletons of a Skeleton3DArray."""
    rows = message.skeletons
    return Skeletons3D(
        stamp_of(message),
        tuple(s.track_id for s in rows),
        _floats([[(p.x, p.y, p.z) for p in s.relative] for s in rows], len(H36M17), 3),
        _floats([(s.root.x, s.root.y, s.root.z) for s in rows], 3),
        _floats([s.scores for s in rows], len(H36M17)),
    )


def emotions_from_message(message: Any) -> Emotions:
    """Emotion estimates of an EmotionArray."""
    rows = message.emotions
    return Emotions(
        stamp_of(message),
        tuple(e.track_id for e in rows),
        _floats([e.probabilities for e in rows], len(EMOTIONS)),
        tuple(STATUS[e.status] for e in rows),
        _floats([e.window_s for e in rows]),
        _floats([e.context_age_s for e in rows]),
    )


class MessageMaker:
    """Makes messages of the words of ``types``.

    Args:
        models: Names in the manifest.
    """

    def __init__(self, models: Models) -> None:
        self._types = typestore().types
        self._models = models

    def header(self, stamp_ns: int, frame_id: str) -> Any:
        """``std_msgs/Header``."""
        time = self._types["builtin_interfaces/msg/Time"](
            sec=stamp_ns // 1_000_000_000, nanosec=stamp_ns % 1_000_000_000
        )
        return self._types["std_msgs/msg/Header"](stamp=time, frame_id=frame_id)

    def jpeg(self, frame: Frame, quality: int) -> Any:
        """``sensor_msgs/CompressedImage``."""
        _, data = cv2.imencode(".jpg", frame.bgr(), [cv2.IMWRITE_JPEG_QUALITY, quality])
        return self._types["sensor_msgs/msg/CompressedImage"](
            header=self.header(frame.stamp_ns, frame.frame_id),
            format="bgr8; jpeg compressed bgr8",
            data=np.asarray(data, np.uint8).ravel(),
        )

    def camera_info(self, frame: Frame, camera: Camera) -> Any:
        """``sensor_msgs/CameraInfo``; K all zeros for a camera that was only assumed."""
        matrix = np.zeros((3, 3)) if camera.assumed else camera.matrix
        roi = self._types["sensor_msgs/msg/RegionOfInterest"](
            x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
        )
        return self._types["sensor_msgs/msg/CameraInfo"](
            header=self.header(frame.stamp_ns, frame.frame_id),
            height=camera.height,
            width=camera.width,
            distortion_model=camera.model or "plumb_bob",
            d=camera.distortion if camera.distortion.size else np.zeros(5),
            k=matrix.ravel(),
            r=np.eye(3).ravel(),
            p=np.hstack([matrix, np.zeros((3, 1))]).ravel(),
            binning_x=0,
            binning_y=0,
            roi=roi,
        )

    def people(self, people: People2D, frame: Frame, camera: Camera) -> Any:
        """``posemo_msgs/Person2DArray``."""
        point, person = (self._types[f"posemo_msgs/msg/{n}"] for n in ("Keypoint2D", "Person2D"))
        return self._types["posemo_msgs/msg/Person2DArray"](
            header=self.header(frame.stamp_ns, frame.frame_id),
            joint_set=COCO17.name,
            image_width=frame.width,
            image_height=frame.height,
            camera_info=self.camera_info(frame, camera),
            camera_assumed=camera.assumed,
            detector_model=self._models.detector,
            keypoint_model=self._models.keypoints,
            people=[
                person(
                    track_id=name,
                    box=people.boxes[n],
                    box_score=float(people.scores[n]),
                    keypoints=[point(x=x, y=y, score=s) for x, y, s in people.keypoints[n].tolist()],
                )
                for n, name in enumerate(people.ids)
            ],
        )

    def skeletons(self, skeletons: Skeletons3D, frame_id: str, *, camera_assumed: bool) -> Any:
        """``posemo_msgs/Skeleton3DArray``."""
        point, skeleton = self._types["geometry_msgs/msg/Point"], self._types["posemo_msgs/msg/Skeleton3D"]
        return self._types["posemo_msgs/msg/Skeleton3DArray"](
            header=self.header(skeletons.stamp_ns, frame_id),
            joint_set=H36M17.name,
            lifter_model=self._models.lifter,
            camera_assumed=camera_assumed,
            skeletons=[
                skeleton(
                    track_id=name,
                    root=point(*skeletons.roots[n].tolist()),
                    relative=[point(*p) for p in skeletons.relative[n].tolist()],
                    scores=skeletons.scores[n],
                )
                for n, name in enumerate(skeletons.ids)
            ],
        )

    def emotions(self, emotions: Emotions, frame_id: str) -> Any:
        """``posemo_msgs/EmotionArray``."""
        emotion = self._types["posemo_msgs/msg/Emotion"]
        return self._types["posemo_msgs/msg/EmotionArray"](
            header=self.header(emotions.stamp_ns, frame_id),
            emotion_model=self._models.emotion,
            context_model=self._models.context,
            emotions=[
                emotion(
                    track_id=name,
                    probabilities=emotions.probabilities[n],
                    valid=emotions.status[n] is EmotionStatus.VALID,
                    status=STATUS.index(emotions.status[n]),
                    window_s=float(emotions.windows_s[n]),
                    context_age_s=float(emotions.context_ages_s[n]),
                )
                for n, name in enumerate(emotions.ids)
            ],
        )


def _floats(rows: list[Any], *shape: int) -> Floats:
    return np.array(rows, np.float32).reshape(len(rows), *shape)
