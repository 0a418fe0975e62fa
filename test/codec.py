"""What the tests of both message families share: messages and values in which every field is set.

Both are made from the definitions, the ``.msg`` files and the dataclasses, so that a field added
to either is filled here, and a codec that forgets it fails.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
from rosbags.interfaces import Nodetype

from posemo_ros import messages
from posemo_ros.camera import Camera
from posemo_ros.messages import MessageMaker
from posemo_ros.replay.typestore import typestore
from posemo_ros.settings import Models
from posemo_ros.types import EMOTIONS, Context, Emotions, EmotionStatus, People2D, Skeletons3D, View

SIZE = (64, 48)
OWN = "posemo_msgs/msg/"
MODELS = Models(**{name: f"a-{name}" for name in ("detector", "keypoints", "lifter", "emotion", "context")})
# What the definitions say in words: fields that follow from others or have one value.
RULES: dict[str, Any] = {
    "Person2DArray.joint_set": "coco17",
    "Skeleton3DArray.joint_set": "h36m17",
    "Person2DArray.image_width": SIZE[0],
    "Person2DArray.image_height": SIZE[1],
    "Person2DArray.detector_model": MODELS.detector,
    "Person2DArray.keypoint_model": MODELS.keypoints,
    "Person2DArray.other_boxes": np.arange(1, 9, dtype=np.float32),
    "Skeleton3DArray.lifter_model": MODELS.lifter,
    "EmotionArray.emotion_model": MODELS.emotion,
    "EmotionArray.context_model": MODELS.context,
    "ContextFeatures.tokens": 2,
    "ContextFeatures.width": 3,
    "ContextFeatures.data": np.arange(6, dtype=np.float32),
    "Emotion.status": EmotionStatus.NO_CONTEXT,
    "Emotion.valid": False,
}


class Filler:
    """Values for the fields of messages, none of them a default, no two alike."""

    def __init__(self, make: MessageMaker) -> None:
        self._make, self._count = make, 0

    def _next(self) -> int:
        self._count += 1
        return self._count

    def message(self, name: str) -> Any:
        """A message of a type such as ``posemo_msgs/msg/Person2D``."""
        _, definition = typestore().fielddefs[name]
        values = {field: self._value(f"{name.rsplit('/')[-1]}.{field}", kind) for field, kind in definition}
        if "camera_info" in values:
            matrix, distortion = np.array([[50.5, 0, 31], [0, 51.25, 23], [0, 0, 1]]), np.arange(1, 6) / 10
            camera = Camera(*SIZE, matrix, distortion, "plumb_bob")
            values["camera_info"] = self._make.camera_info(View.through(camera))
            values["camera_info"].header = values["header"]
        return self._make._class_of(name)(**values)

    def _value(self, field: str, kind: Any) -> Any:
        if field in RULES:
            rule = RULES[field]
            if isinstance(rule, EmotionStatus):
                return getattr(self._make._own("Emotion"), rule.name)
            return self._make._sequence(rule) if isinstance(rule, np.ndarray) else rule
        shape, what = kind
        if shape is Nodetype.BASE:
            return self._scalar(what[0])
        if shape is Nodetype.NAME:
            return self.message(what)
        of, length = what
        count = length if shape is Nodetype.ARRAY else 2
        if of[0] is Nodetype.BASE:
            numbers = {"float32": np.float32, "float64": np.float64}
            values = [self._scalar(of[1][0]) for _ in range(count)]
            return np.array(values, numbers[of[1][0]]) if of[1][0] in numbers else values
        return [self.message(of[1]) for _ in range(count)]

    def _scalar(self, kind: str) -> Any:
        if kind == "string":
            return f"text {self._next()}"
        if kind == "bool":
            return True
        return self._next() + 0.5 if kind.startswith("float") else self._next()


def read_and_write(message: Any, make: MessageMaker) -> Any:
    """The message after its way through the values of ``types``."""
    kind = type(message).__name__.rsplit("__")[-1]
    read, write = {
        "Person2DArray": (messages.people_from_message, lambda v: make.people(v, MODELS)),
        "Skeleton3DArray": (messages.skeletons_from_message, lambda v: make.skeletons(v, MODELS)),
        "EmotionArray": (messages.emotions_from_message, lambda v: make.emotions(v, MODELS)),
        "ContextFeatures": (messages.context_from_message, make.context),
    }[kind]
    return write(read(message))


ARRAYS = ("Person2DArray", "Skeleton3DArray", "EmotionArray", "ContextFeatures")


def values() -> list[Any]:
    """One of each of the values that are published, NaN where NaN may be."""
    rng = np.random.default_rng(0)

    def floats(*shape: int) -> Any:
        return rng.normal(size=shape).astype(np.float32)

    n, view = len(EmotionStatus), View.through(Camera.from_fov(*SIZE), 1_700_000_000_123_456_789, "cam")
    ids, keypoints, relative, roots, ages = (
        tuple(f"p{i}" for i in range(n)),
        floats(n, 17, 3),
        floats(n, 17, 3),
        floats(n, 3),
        floats(n),
    )
    signs = tuple((f"sign {i}",) * i for i in range(n))
    keypoints[0, 5] = (np.nan, np.nan, 0)
    keypoints[1, :, 2] = 0.01
    relative[1, 3], roots[0], ages[0] = np.nan, np.nan, np.nan
    return [
        People2D(ids, floats(n, 4), floats(n), keypoints, floats(2, 4), view=view),
        People2D(view=view),
        Skeletons3D(ids, relative, roots, floats(n, 17), np.arange(n) % 2 == 0, view=view),
        Skeletons3D(view=view),
        Emotions(ids, floats(n, len(EMOTIONS)), tuple(EmotionStatus), floats(n), ages, signs, view=view),
        Emotions(view=view),
        Context(floats(5, 7)[:, ::-1], "clip", view=view),
    ]


def write(value: Any, make: MessageMaker) -> Any:
    """The message of a value."""
    if isinstance(value, Context):
        return make.context(value)
    name = {People2D: "people", Skeletons3D: "skeletons", Emotions: "emotions"}[type(value)]
    return getattr(make, name)(value, MODELS)


def read(message: Any) -> Any:
    """The value of a message."""
    for kind in ("people", "skeletons", "emotions", "data"):
        if hasattr(message, kind):
            return getattr(messages, f"{'context' if kind == 'data' else kind}_from_message")(message)
    raise TypeError(type(message))


def assert_same(a: Any, b: Any, where: str = "") -> None:
    """Field by field, bit by bit, NaN included."""
    if is_dataclass(a) and not isinstance(a, type):
        for field in fields(a):
            assert_same(getattr(a, field.name), getattr(b, field.name), f"{where}.{field.name}")
    elif isinstance(a, np.ndarray):
        assert (a.dtype, a.shape) == (b.dtype, b.shape), where
        np.testing.assert_array_equal(a, b, where)
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), where
        for index, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}[{index}]")
    else:
        assert a == b, where


def assert_value_survives(value: Any, back: Any) -> None:
    """All that a message carries; only people carry their camera and size."""
    if not isinstance(value, People2D):
        assumed = value.view.camera_assumed if isinstance(value, Skeletons3D) else True
        value = replace(value, view=View(value.stamp_ns, value.view.frame_id, camera_assumed=assumed))
    else:
        # Distortion is written out as five zeros; the camera is the same.
        assert_same(value.view.camera.matrix, back.view.camera.matrix)
        assert value.view.camera.assumed == back.view.camera.assumed
        value = replace(value, view=replace(value.view, camera=back.view.camera))
    assert_same(value, back)
