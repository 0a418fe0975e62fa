"""Markers: nothing stale, nothing NaN, only what was seen."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("visualization_msgs", reason="needs ROS 2 (make test brings it)")

from std_msgs.msg import Header
from visualization_msgs.msg import Marker

from posemo_ros.nodes.marker_shapes import KINDS, SkeletonMarkers, person_text, stable_id
from posemo_ros.skeleton import H36M17
from posemo_ros.types import Emotions, EmotionStatus, Skeletons3D, View

HEADER = Header(frame_id="cam")


def skeletons(n: int = 1, *, first: int = 1, stamp_ns: int = 0) -> Skeletons3D:
    relative = np.zeros((n, 17, 3), np.float32)
    relative[:, :, 1] = np.linspace(0.8, -0.8, 17)
    return Skeletons3D(
        tuple(f"p{i + first}" for i in range(n)),
        relative,
        np.full((n, 3), (0, 0, 4), np.float32),
        np.ones((n, 17), np.float32),
        view=View(stamp_ns, "cam"),
    )


def draw(
    people: Skeletons3D, emotions: Emotions | None = None, on: SkeletonMarkers | None = None
) -> list[Marker]:
    return (on or SkeletonMarkers()).draw(HEADER, people, emotions, min_score=0.3, lifetime_s=1.25)


def added(markers: list[Marker]) -> dict[str, Marker]:
    return {m.ns: m for m in markers if m.action == Marker.ADD}


def test_the_first_marker_of_all_removes_what_an_earlier_run_left():
    markers = SkeletonMarkers()
    assert [m.action for m in draw(skeletons(0), on=markers)] == [Marker.DELETEALL]
    assert draw(skeletons(0), on=markers) == []


def test_one_of_each_kind_per_person_with_header_and_lifetime():
    markers = draw(skeletons(2))[1:]
    assert len({(m.ns, m.id) for m in markers}) == 2 * len(KINDS)
    assert {m.header.frame_id for m in markers} == {"cam"}
    assert {(m.lifetime.sec, m.lifetime.nanosec) for m in markers} == {(1, 250_000_000)}
    bones = added(markers)["bones"]
    assert len(bones.points) == len(bones.colors) == 2 * len(H36M17.bones)


def test_a_person_keeps_the_id_and_is_deleted_on_leaving():
    markers = SkeletonMarkers()
    both = draw(skeletons(2), on=markers)
    assert {m.id for m in both if m.ns} == {1, 2}
    alone = draw(skeletons(1, first=2, stamp_ns=40_000_000), on=markers)
    assert {m.id for m in alone if m.action == Marker.ADD} == {2}
    gone = [(m.ns, m.id) for m in alone if m.action == Marker.DELETE and m.id == 1]
    assert sorted(gone) == sorted((kind, 1) for kind in KINDS)
    assert not any(m.id == 1 for m in draw(skeletons(1, first=2, stamp_ns=80_000_000), on=markers))


def test_ids_of_markers_do_not_depend_on_the_run():
    assert stable_id("p12") == 12
    assert stable_id("bodyguard") == stable_id("bodyguard")
    assert 0 <= stable_id("a" * 50) < 2**31
    assert 0 <= stable_id("p123456789012") < 2**31


def test_trail_and_ground_contact():
    markers, people = SkeletonMarkers(), skeletons()
    draw(people, on=markers)
    people = skeletons(stamp_ns=100_000_000)
    people.roots[0, 0] += 0.1
    people.relative[0, H36M17.index("left_ankle"), 0] -= 0.1  # stays where it was
    drawn = added(draw(people, on=markers))
    assert len(drawn["trails"].points) == 2
    assert drawn["trails"].points[1].x == pytest.approx(0.1)
    assert [p.x for p in drawn["contacts"].points] == pytest.approx([0.0])


def test_unsure_bones_are_faint():
    people = skeletons()
    people.scores[0, H36M17.index("left_wrist")] = 0.4
    joints = added(draw(people))["joints"]
    assert joints.colors[H36M17.index("left_wrist")].a < joints.colors[0].a


def test_unseen_joints_are_left_out_with_their_bones():
    people = skeletons()
    people.scores[0, H36M17.index("left_wrist")] = 0.1
    people.relative[0, H36M17.index("right_wrist")] = np.nan
    drawn = added(draw(people))
    bones, joints = drawn["bones"], drawn["joints"]
    assert len(joints.points) == 15
    assert len(bones.points) == 2 * (len(H36M17.bones) - 2)


def test_a_person_without_place_is_left_out():
    people = skeletons(2)
    people.roots[0] = np.nan
    markers = draw(people)[1:]
    assert {m.id for m in markers} == {2}
    assert all(np.isfinite([(p.x, p.y, p.z) for p in m.points]).all() for m in markers)


def test_text_stands_above_the_head_where_y_points_down():
    text = added(draw(skeletons()))["emotions"]
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
