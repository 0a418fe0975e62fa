"""Messages <-> types without ROS: nothing is lost, rounded, dropped or reordered."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from posemo_ros.camera import Camera
from posemo_ros.errors import InputError
from posemo_ros.messages import (
    context_from_message,
    emotions_from_message,
    frame_from_message,
    people_from_message,
    skeletons_from_message,
)
from posemo_ros.replay.typestore import MAKE, typestore
from posemo_ros.settings import Models
from posemo_ros.types import Emotions, EmotionStatus, People2D, View

from . import codec

VIEW = View.through(Camera.from_fov(*codec.SIZE), 1_700_000_000_123_456_789, "cam")


def over_the_wire(message: Any) -> Any:
    store = typestore()
    return store.deserialize_cdr(store.serialize_cdr(message, message.__msgtype__), message.__msgtype__)


@pytest.mark.parametrize("name", codec.ARRAYS)
def test_every_field_of_the_definition_survives(name: str) -> None:
    message = codec.Filler(MAKE).message(codec.OWN + name)
    codec.assert_same(message, codec.read_and_write(over_the_wire(message), MAKE), name)


@pytest.mark.parametrize("value", codec.values(), ids=lambda v: type(v).__name__)
def test_every_value_survives(value: Any) -> None:
    codec.assert_value_survives(value, codec.read(over_the_wire(codec.write(value, MAKE))))


def test_people_carry_the_images_header_size_and_camera() -> None:
    camera = Camera(64, 48, [[50, 0, 31], [0, 51, 23], [0, 0, 1]], [0.1, -0.2, 0.01, 0, 0.03], "plumb_bob")
    message = over_the_wire(
        MAKE.people(People2D(view=View.through(camera, 1_700_000_000_123_456_789, "cam")), Models())
    )
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1_700_000_000, 123_456_789)
    assert message.camera_info.header == message.header
    view = people_from_message(message).view
    assert (view.stamp_ns, view.frame_id, view.width, view.height) == (
        1_700_000_000_123_456_789,
        "cam",
        64,
        48,
    )
    np.testing.assert_array_equal(view.camera.matrix, camera.matrix)
    np.testing.assert_array_equal(view.camera.distortion, camera.distortion)
    assert not view.camera_assumed


@pytest.mark.parametrize("hfov_deg", [1.0, 40.0, 95.0, 179.0])
def test_an_assumed_camera_is_marked_and_exact(hfov_deg: float) -> None:
    """Whoever lifts from the message uses the field of view that was assumed when it was made."""
    view = View.through(Camera.from_fov(64, 48, hfov_deg))
    message = over_the_wire(MAKE.people(People2D(view=view), Models()))
    back = people_from_message(message).view
    assert message.camera_assumed
    assert back.camera_assumed
    assert back.camera.assumed
    np.testing.assert_array_equal(back.camera.matrix, Camera.from_fov(64, 48, hfov_deg).matrix)


def test_people_of_another_sender_without_a_camera_have_an_assumed_one() -> None:
    """Who fills in no camera_info is likely to forget camera_assumed, too."""
    message = MAKE.people(People2D(view=View.through(Camera.from_fov(64, 48))), Models())
    message.camera_info = MAKE.camera_info(View(width=64, height=48))
    message.camera_assumed = False
    back = people_from_message(over_the_wire(message)).view
    assert back.camera_assumed
    assert back.camera.assumed


def test_the_camera_of_a_part_of_the_image_is_exact() -> None:
    """Its axis may lie outside; the station that reads it took a lens of 60 degrees, and said calibrated."""
    camera = Camera(64, 48, [[1500, 0, -240], [0, 1500, 24], [0, 0, 1]])
    message = over_the_wire(MAKE.people(People2D(view=View.through(camera)), Models()))
    back = people_from_message(message).view
    assert not back.camera_assumed
    np.testing.assert_array_equal(back.camera.matrix, camera.matrix)


def test_an_uncalibrated_camera_is_all_zeros() -> None:
    info = over_the_wire(MAKE.camera_info(View(width=64, height=48)))
    assert not np.any(info.k)
    assert (info.width, info.height) == (64, 48)


def test_wrong_messages_say_what_is_wrong() -> None:
    people = MAKE.people(People2D(view=VIEW), Models())
    people.joint_set = "halpe26"
    with pytest.raises(InputError, match="'halpe26'; expected 'coco17'"):
        people_from_message(people)
    people.joint_set, people.image_width = "coco17", 0
    with pytest.raises(InputError, match="image_width"):
        people_from_message(people)
    with pytest.raises(InputError, match="''; expected 'h36m17'"):
        skeletons_from_message(_with(codec.Filler(MAKE).message(codec.OWN + "Skeleton3DArray"), joint_set=""))
    with pytest.raises(InputError, match="2 x 4"):
        context_from_message(_with(codec.Filler(MAKE).message(codec.OWN + "ContextFeatures"), width=4))
    emotions = codec.Filler(MAKE).message(codec.OWN + "EmotionArray")
    emotions.emotions[0].status = 77
    with pytest.raises(InputError, match="77 is unknown"):
        emotions_from_message(emotions)
    with pytest.raises(InputError, match="without camera"):
        MAKE.people(People2D(), Models())


def _with(message: Any, **changes: Any) -> Any:
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def test_only_valid_estimates_are_marked_valid() -> None:
    emotions = next(v for v in codec.values() if isinstance(v, Emotions) and len(v))
    message = over_the_wire(MAKE.emotions(emotions, Models()))
    assert [e.valid for e in message.emotions] == [s is EmotionStatus.VALID for s in EmotionStatus]


def test_images() -> None:
    image = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)[:, ::-1]
    message = over_the_wire(MAKE.image(image, VIEW))
    assert (message.encoding, message.step, message.height, message.width) == ("bgr8", 24, 6, 8)
    back = frame_from_message(message)
    np.testing.assert_array_equal(back.image, image)
    assert (back.stamp_ns, back.frame_id) == (VIEW.stamp_ns, "cam")


def test_jpeg() -> None:
    image = np.full((16, 16, 3), (20, 120, 220), np.uint8)
    _, jpeg = cv2.imencode(".jpg", image)
    back = frame_from_message(over_the_wire(MAKE.jpeg(np.asarray(jpeg, np.uint8), VIEW))).bgr()
    np.testing.assert_allclose(back, image, atol=4)
