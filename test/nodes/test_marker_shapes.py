"""Markers: nothing stale, nothing NaN, only what was seen."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("visualization_msgs", reason="needs ROS 2 (make test brings it)")

from std_msgs.msg import Header
from visualization_msgs.msg import Marker

from posemo_ros.nodes.marker_shapes import person_text, skeleton_markers
from posemo_ros.skeleton import H36M17
from posemo_ros.types import Emotions, EmotionStatus, Skeletons3D

HEADER = Header(frame_id="cam")


def skeletons(n: int = 1) -> Skeletons3D:
    relative = np.zeros((n, 17, 3), np.float32)
    relative[:, :, 1] = np.linspace(0.8, -0.8, 17)
    return Skeletons3D(
        tuple(f"p{i + 1}" for i in range(n)),
        relative,
        np.full((n, 3), (0, 0, 4), np.float32),
        np.ones((n, 17), np.float32),
    )


def draw(people: Skeletons3D, emotions: Emotions | None = None) -> list[Marker]:
    return skeleton_markers(HEADER, people, emotions, min_score=0.3, lifetime_s=1.25)


def test_first_marker_removes_the_last_images():
    markers = draw(skeletons(0))
    assert [m.action for m in markers] == [Marker.DELETEALL]


def test_one_of_each_kind_per_person_with_header_and_lifetime():
    markers = draw(skeletons(2))[1:]
    assert len({(m.ns, m.id) for m in markers}) == 6
    assert {m.header.frame_id for m in markers} == {"cam"}
    assert {(m.lifetime.sec, m.lifetime.nanosec) for m in markers} == {(1, 250_000_000)}
    bones = next(m for m in markers if m.ns == "bones")
    assert len(bones.points) == len(bones.colors) == 2 * len(H36M17.bones)


def test_unseen_joints_are_left_out_with_their_bones():
    people = skeletons()
    people.scores[0, H36M17.index("left_wrist")] = 0.1
    people.relative[0, H36M17.index("right_wrist")] = np.nan
    bones, joints, _ = draw(people)[1:]
    assert len(joints.points) == 15
    assert len(bones.points) == 2 * (len(H36M17.bones) - 2)


def test_a_person_without_place_is_left_out():
    people = skeletons(2)
    people.roots[0] = np.nan
    markers = draw(people)[1:]
    assert {m.id for m in markers} == {1}
    assert all(np.isfinite([(p.x, p.y, p.z) for p in m.points]).all() for m in markers)


def test_text_stands_above_the_head_where_y_points_down():
    text = draw(skeletons())[3]
    assert text.type == Marker.TEXT_VIEW_FACING
    assert text.pose.position.y == pytest.approx(-0.8 - 0.3)
    assert text.pose.position.z == pytest.approx(4)


def test_text_names_the_likeliest_emotions_or_the_reason():
    emotions = Emotions(
        ("p1", "p2"),
        np.float32([[0.1, 0.5, 0, 0.1, 0.3, 0], [1 / 6] * 6]),
        (EmotionStatus.VALID, EmotionStatus.TOO_FEW_FRAMES),
        np.ones(2, np.float32),
        np.full(2, np.nan, np.float32),
    )
    assert person_text("p1", emotions) == "p1\nanger 50%\nsadness 30%"
    assert person_text("p2", emotions) == "p2\ntoo few frames yet"
    assert person_text("p3", emotions) == "p3"
