"""Messages of REP-155, made of the published definitions of hri_msgs (ROS 2) by rosbags."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from posemo_ros.hri import ROI, SKELETON2D, TOPICS, TRACKED, HriMaker
from posemo_ros.messages import MessageMaker
from posemo_ros.skeleton import COCO17
from posemo_ros.types import EMOTIONS, Emotions, EmotionStatus, People2D, View

# The fields of hri_msgs, branch humble-devel.
DEFINITIONS = {
    "IdsList": "std_msgs/Header header\nstring[] ids\n",
    "NormalizedPointOfInterest2D": "float32 x\nfloat32 y\nfloat32 c\n",
    "NormalizedRegionOfInterest2D": (
        "std_msgs/Header header\nfloat32 xmin\nfloat32 ymin\nfloat32 xmax\nfloat32 ymax\nfloat32 c\n"
    ),
    "Skeleton2D": "std_msgs/Header header\nhri_msgs/NormalizedPointOfInterest2D[18] skeleton\n",
    "Expression": (
        "std_msgs/Header header\nstring expression\nfloat32 valence\nfloat32 arousal\nfloat32 confidence\n"
    ),
}
EXPRESSIONS = {"happy", "angry", "disgusted", "scared", "sad", "surprised"}


@pytest.fixture(scope="module")
def types() -> Any:
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, text in DEFINITIONS.items():
        store.register(get_types_from_msg(text, f"hri_msgs/msg/{name}"))
    return store


@pytest.fixture(scope="module")
def make(types: Any) -> HriMaker:
    return HriMaker(types.types.__getitem__, MessageMaker(types.types.__getitem__, np.asarray))


def people() -> People2D:
    keypoints = np.zeros((2, 17, 3), np.float32)
    keypoints[:, :, 0] = np.arange(17) * 10
    keypoints[:, :, 1] = np.arange(17) * 5 + 100
    keypoints[:, :, 2] = np.linspace(0.1, 0.9, 17)
    keypoints[1, 0] = (-50, 900, 0.05)
    boxes = np.array([[10, 20, 110, 220], [-30, -5, 700, 500]], np.float32)
    view = View(1_500_000_007, "eye", None, 640, 480)
    return People2D(("p1", "p2"), boxes, np.array([0.9, 0.5], np.float32), keypoints, view=view)


def round_trip(types: Any, message: Any, kind: str) -> Any:
    """Through CDR, as it would go over the wire."""
    return types.deserialize_cdr(types.serialize_cdr(message, kind), kind)


def test_tracked(types: Any, make: HriMaker) -> None:
    message = round_trip(types, make.tracked(people()), TRACKED)
    assert message.ids == ["p1", "p2"]
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1, 500_000_007)
    assert message.header.frame_id == "eye"


def test_boxes_are_from_0_to_1_and_cut_off(types: Any, make: HriMaker) -> None:
    first, second = (round_trip(types, make.roi(people(), row), ROI) for row in range(2))
    assert (first.xmin, first.ymax, first.c) == pytest.approx((10.5 / 640, 220.5 / 480, 0.9))
    assert (second.xmin, second.ymin, second.xmax, second.ymax) == (0, 0, 1, 1)


def test_skeletons_have_the_order_of_hri_msgs_and_a_neck(types: Any, make: HriMaker) -> None:
    found = round_trip(types, make.skeleton(people(), 0), TOPICS["skeleton2d"]).skeleton
    assert len(found) == len(SKELETON2D) == 18
    for name, point in zip(SKELETON2D, found, strict=True):
        if name != "neck":
            x, y, score = people().keypoints[0, COCO17.index(name)]
            assert (point.x, point.y, point.c) == pytest.approx(((x + 0.5) / 640, (y + 0.5) / 480, score))
    left, right = (people().keypoints[0, COCO17.index(f"{side}_shoulder")] for side in ("left", "right"))
    neck = found[SKELETON2D.index("neck")]
    assert neck.x == pytest.approx(((left[0] + right[0]) / 2 + 0.5) / 640)
    assert neck.c == pytest.approx(min(left[2], right[2]))
    outside = round_trip(types, make.skeleton(people(), 1), TOPICS["skeleton2d"]).skeleton[0]
    assert (outside.x, outside.y) == (0, 1)


@pytest.mark.parametrize("best", range(len(EMOTIONS)))
def test_expressions_are_words_of_hri_msgs(types: Any, make: HriMaker, best: int) -> None:
    probabilities = np.full((2, len(EMOTIONS)), 0.1, np.float32)
    probabilities[0, best] = 0.5
    status = (EmotionStatus.VALID, EmotionStatus.NOT_ENOUGH_EVIDENCE)
    emotions = Emotions(("p1", "p2"), probabilities, status, view=people().view)
    message = round_trip(types, make.expression(emotions, 0), TOPICS["expression"])
    assert message.expression in EXPRESSIONS
    assert message.confidence == pytest.approx(0.5)
    assert np.isnan(message.valence)
    assert make.expression(emotions, 1) is None
    assert {"joy": "happy", "fear": "scared"}.get(EMOTIONS[best], message.expression) == message.expression
