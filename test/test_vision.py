"""Boxes as vision_msgs, made of the published definitions (4.1) by rosbags."""

from __future__ import annotations

import numpy as np
import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from posemo_ros.messages import MessageMaker
from posemo_ros.types import People2D, View
from posemo_ros.vision import DETECTIONS, detections

DEFINITIONS = {
    "Point2D": "float64 x\nfloat64 y\n",
    "Pose2D": "vision_msgs/Point2D position\nfloat64 theta\n",
    "BoundingBox2D": "vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y\n",
    "ObjectHypothesis": "string class_id\nfloat64 score\n",
    "ObjectHypothesisWithPose": (
        "vision_msgs/ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose\n"
    ),
    "Detection2D": (
        "std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n"
        "vision_msgs/BoundingBox2D bbox\nstring id\n"
    ),
    "Detection2DArray": "std_msgs/Header header\nvision_msgs/Detection2D[] detections\n",
}


def test_boxes_keep_place_size_score_and_id() -> None:
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, text in DEFINITIONS.items():
        store.register(get_types_from_msg(text, f"vision_msgs/msg/{name}"))
    class_of = store.types.__getitem__
    boxes = np.array([[10, 20, 110, 220], [0, 0, 3, 5]], np.float32)
    view = View(1_500_000_007, "eye", None, 640, 480)
    people = People2D(
        ("p1", "p2"), boxes, np.array([0.75, 0.5], np.float32), np.zeros((2, 17, 3), np.float32), view=view
    )
    made = detections(people, class_of, MessageMaker(class_of, np.asarray))
    message = store.deserialize_cdr(store.serialize_cdr(made, DETECTIONS), DETECTIONS)
    assert message.header.frame_id == "eye"
    first, second = message.detections
    assert (first.id, second.id) == ("p1", "p2")
    assert (first.bbox.center.position.x, first.bbox.center.position.y) == (60, 120)
    assert (first.bbox.size_x, first.bbox.size_y) == (100, 200)
    assert (first.results[0].hypothesis.class_id, first.results[0].hypothesis.score) == ("person", 0.75)
    assert first.results[0].pose.pose.orientation.w == 1
    assert second.bbox.size_y == pytest.approx(5)
    assert first.header.stamp.nanosec == 500_000_007
