"""Messages <-> types: nothing is lost, rounded, dropped or reordered."""

from __future__ import annotations

import array
from dataclasses import fields

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (make test brings it)")
pytest.importorskip("posemo_msgs", reason="posemo_msgs is not built (make test does it)")

from posemo_msgs.msg import ContextFeatures, Emotion, EmotionArray, Person2DArray, Skeleton3DArray
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CompressedImage, Image

from posemo_ros.camera import Camera
from posemo_ros.errors import InputError
from posemo_ros.nodes import conversion
from posemo_ros.pipeline import Models
from posemo_ros.types import Context, Emotions, EmotionStatus, Frame, People2D, Skeletons3D

STAMP = 1_700_000_000_123_456_789
RNG = np.random.default_rng(0)


def over_the_wire(message):
    return deserialize_message(serialize_message(message), type(message))


def floats(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def assert_same(a, b) -> None:
    for field in fields(a):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if isinstance(x, np.ndarray):
            assert (x.dtype, x.shape) == (y.dtype, y.shape), field.name
            np.testing.assert_array_equal(x, y, field.name)
        else:
            assert x == y, field.name


def frame(camera: Camera | None = None) -> Frame:
    camera = camera or Camera.from_fov(64, 48)
    return Frame(np.zeros((48, 64, 3), np.uint8), STAMP, "cam", camera)


def people() -> People2D:
    keypoints = floats(2, 17, 3)
    keypoints[0, 5] = (np.nan, np.nan, 0)
    keypoints[1, :, 2] = 0.01
    return People2D(("p1", "p7"), floats(2, 4), np.float32([0.9, 0.1]), keypoints)


def test_people_survive_with_nan_and_low_scores():
    message = over_the_wire(conversion.people_to_message(people(), frame(), Models()))
    back, _ = conversion.people_from_message(message)
    assert_same(people_like(message), back)
    assert [len(p.keypoints) for p in message.people] == [17, 17]
    assert np.isnan(back.keypoints[0, 5, :2]).all()
    assert (back.keypoints[1, :, 2] == np.float32(0.01)).all()


def people_like(message: Person2DArray) -> People2D:
    """Read field by field, another way than the code does."""
    keypoints = np.zeros((len(message.people), 17, 3), np.float32)
    for row, person in enumerate(message.people):
        for joint, point in enumerate(person.keypoints):
            keypoints[row, joint] = (point.x, point.y, point.score)
    return People2D(
        tuple(p.track_id for p in message.people),
        np.stack([p.box for p in message.people]),
        np.float32([p.box_score for p in message.people]),
        keypoints,
    )


def test_people_carry_the_images_header_size_and_camera():
    camera = Camera(64, 48, [[50, 0, 31], [0, 51, 23], [0, 0, 1]], [0.1, -0.2, 0.01, 0, 0.03], "plumb_bob")
    message = over_the_wire(conversion.people_to_message(people(), frame(camera), Models(detector="d")))
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1_700_000_000, 123_456_789)
    assert message.camera_info.header == message.header
    assert message.header.frame_id == "cam"
    assert (message.joint_set, message.detector_model) == ("coco17", "d")
    _, back = conversion.people_from_message(message)
    assert (back.stamp_ns, back.frame_id, back.width, back.height) == (STAMP, "cam", 64, 48)
    np.testing.assert_array_equal(back.camera.matrix, camera.matrix)
    np.testing.assert_array_equal(back.camera.distortion, camera.distortion)
    assert not back.camera.assumed


def test_assumed_camera_is_marked_and_exact():
    message = over_the_wire(conversion.people_to_message(people(), frame(), Models()))
    _, back = conversion.people_from_message(message)
    assert message.camera_assumed
    assert back.camera.assumed
    np.testing.assert_array_equal(back.camera.matrix, Camera.from_fov(64, 48).matrix)


def test_nobody_is_an_empty_array_of_the_right_shapes():
    message = over_the_wire(conversion.people_to_message(People2D(), frame(), Models()))
    assert_same(People2D(), conversion.people_from_message(message)[0])
    skeletons = Skeletons3D(STAMP)
    message = over_the_wire(conversion.skeletons_to_message(skeletons, "cam", "l", camera_assumed=False))
    assert_same(skeletons, conversion.skeletons_from_message(message))
    message = over_the_wire(conversion.emotions_to_message(Emotions(STAMP), "cam", "e", ""))
    assert_same(Emotions(STAMP), conversion.emotions_from_message(message))


def test_skeletons_survive_when_nobody_knows_where_they_are():
    relative, roots = floats(2, 17, 3), floats(2, 3)
    relative[1, 3], roots[0] = np.nan, np.nan
    skeletons = Skeletons3D(STAMP, ("a", "b"), relative, roots, floats(2, 17))
    message = over_the_wire(conversion.skeletons_to_message(skeletons, "cam", "l", camera_assumed=True))
    assert_same(skeletons, conversion.skeletons_from_message(message))
    assert (message.joint_set, message.header.frame_id, message.camera_assumed) == ("h36m17", "cam", True)


def test_emotions_survive_with_every_status():
    n = len(EmotionStatus)
    emotions = Emotions(
        STAMP, tuple(f"p{i}" for i in range(n)), floats(n, 6), tuple(EmotionStatus), floats(n), floats(n)
    )
    emotions.context_ages_s[0] = np.nan
    message = over_the_wire(conversion.emotions_to_message(emotions, "cam", "e", "c"))
    assert_same(emotions, conversion.emotions_from_message(message))
    assert [e.valid for e in message.emotions] == [s is EmotionStatus.VALID for s in EmotionStatus]
    assert message.emotions[0].status == Emotion.VALID


def test_context_survives():
    context = Context(STAMP, floats(5, 7)[:, ::-1], "clip")
    back = conversion.context_from_message(over_the_wire(conversion.context_to_message(context, "cam")))
    assert_same(context, back)


def test_wrong_messages_say_what_is_wrong():
    with pytest.raises(InputError, match="'halpe26'; expected 'coco17'"):
        conversion.people_from_message(Person2DArray(joint_set="halpe26"))
    with pytest.raises(InputError, match="image_width"):
        conversion.people_from_message(Person2DArray(joint_set="coco17"))
    with pytest.raises(InputError, match="''; expected 'h36m17'"):
        conversion.skeletons_from_message(Skeleton3DArray())
    with pytest.raises(InputError, match="2 x 3"):
        conversion.context_from_message(ContextFeatures(tokens=2, width=3, data=[1.0]))
    with pytest.raises(InputError, match="77 is unknown"):
        conversion.emotions_from_message(EmotionArray(emotions=[Emotion(status=77)]))


def test_image_is_sent_as_the_one_type_that_is_not_copied_value_by_value():
    image = RNG.integers(0, 256, (6, 8, 3), np.uint8)[:, ::-1]
    message = conversion.image_to_message(image, conversion.header_of(STAMP, "cam"))
    assert type(message.data) is array.array
    assert (message.encoding, message.step, message.height, message.width) == ("bgr8", 24, 6, 8)
    back = conversion.frame_from_message(over_the_wire(message))
    np.testing.assert_array_equal(back.image, image)
    assert (back.stamp_ns, back.frame_id) == (STAMP, "cam")


def test_received_image_is_a_view():
    message = Image(height=2, width=3, encoding="bgr8", step=9, data=array.array("B", range(18)))
    frame = conversion.frame_from_message(message)
    message.data[0] = 200
    assert frame.image[0, 0, 0] == 200


def test_jpeg():
    import cv2

    image = np.full((16, 16, 3), (20, 120, 220), np.uint8)
    _, jpeg = cv2.imencode(".jpg", image)
    message = conversion.jpeg_to_message(jpeg, conversion.header_of(STAMP, "cam"))
    assert isinstance(message, CompressedImage)
    back = conversion.frame_from_message(over_the_wire(message)).bgr()
    np.testing.assert_allclose(back, image, atol=4)


def test_uncalibrated_camera_is_all_zeros():
    info = conversion.info_from_camera(None, conversion.header_of(STAMP, "cam"), 64, 48)
    assert not np.any(info.k)
    assert (info.width, info.height) == (64, 48)
