"""Messages of rclpy: the same codec, the same bytes on the wire as without ROS."""

from __future__ import annotations

import array
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (make test brings it)")
pytest.importorskip("posemo_msgs", reason="posemo_msgs is not built (make test does it)")

from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image

from posemo_ros.messages import frame_from_message
from posemo_ros.nodes.conversion import MAKE
from posemo_ros.replay.typestore import MAKE as WITHOUT_ROS
from posemo_ros.replay.typestore import typestore
from posemo_ros.types import View

from .. import codec


def over_the_wire(message: Any) -> Any:
    return deserialize_message(serialize_message(message), type(message))


@pytest.mark.parametrize("name", codec.ARRAYS)
def test_every_field_of_the_definition_survives(name: str):
    message = codec.Filler(MAKE).message(codec.OWN + name)
    assert codec.read_and_write(over_the_wire(message), MAKE) == message


@pytest.mark.parametrize("value", codec.values(), ids=lambda v: f"{type(v).__name__}")
def test_every_value_survives_and_both_families_write_the_same_bytes(value: Any):
    message, other = codec.write(value, MAKE), codec.write(value, WITHOUT_ROS)
    codec.assert_value_survives(value, codec.read(over_the_wire(message)))
    # By way of rosbags, since rclpy leaves what it finds in the bytes between the fields.
    store, name = typestore(), other.__msgtype__
    same = store.deserialize_cdr(serialize_message(message), name)
    assert store.serialize_cdr(same, name) == store.serialize_cdr(other, name)


def test_a_sent_image_has_the_one_type_that_is_not_copied_value_by_value():
    image = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)[:, ::-1]
    message = MAKE.image(image, View(5, "cam"))
    assert type(message.data) is array.array
    np.testing.assert_array_equal(frame_from_message(over_the_wire(message)).image, image)


def test_a_received_image_is_a_view():
    message = Image(height=2, width=3, encoding="bgr8", step=9, data=array.array("B", range(18)))
    frame = frame_from_message(message)
    message.data[0] = 200
    assert frame.image[0, 0, 0] == 200
