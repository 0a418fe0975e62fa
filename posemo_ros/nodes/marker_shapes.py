"""Skeletons and emotion estimates as RViz markers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Vector3
from numpy.typing import NDArray
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker

from ..draw import style
from ..skeleton import H36M17
from ..types import EMOTIONS, Emotions, EmotionStatus, Skeletons3D

BONE_M, JOINT_M, TEXT_M = 0.02, 0.04, 0.12
ABOVE_HEAD_M = 0.3
SHOWN_EMOTIONS = 2


def skeleton_markers(
    header: Header,
    skeletons: Skeletons3D,
    emotions: Emotions | None,
    *,
    min_score: float,
    lifetime_s: float,
) -> list[Marker]:
    """Bones, joints and a text per person; the first marker removes those of the last image.

    People that could not be placed in space are left out: RViz refuses NaN.

    Args:
        header: Of the skeletons.
        skeletons: N persons.
        emotions: Newest estimates, matched by id.
        min_score: Joints below are left out.
        lifetime_s: Seconds until a marker goes by itself.
    """
    seconds, rest = divmod(lifetime_s, 1)
    lifetime = Duration(sec=int(seconds), nanosec=int(rest * 1e9))
    markers = [Marker(header=header, action=Marker.DELETEALL)]
    for row, track_id in enumerate(skeletons.ids):
        joints = skeletons.joints[row]
        seen = np.isfinite(joints).all(axis=1) & (skeletons.scores[row] >= min_score)
        if not seen.any():
            continue
        text = person_text(track_id, emotions)
        for shape in (
            _bones(joints, seen, track_id),
            _joints(joints, seen, track_id),
            _text(joints[seen], text),
        ):
            shape.header, shape.id, shape.lifetime, shape.frame_locked = header, row, lifetime, False
            shape.pose.orientation.w = 1.0
            markers.append(shape)
    return markers


def person_text(track_id: str, emotions: Emotions | None) -> str:
    """The id, and the most probable emotions or why there are none."""
    if emotions is None or track_id not in emotions.ids:
        return track_id
    row = emotions.ids.index(track_id)
    status, probabilities = emotions.status[row], emotions.probabilities[row]
    if status is not EmotionStatus.VALID:
        return f"{track_id}\n{style.WHY_NOT[status]}"
    best = np.argsort(-probabilities, kind="stable")[:SHOWN_EMOTIONS]
    return "\n".join([track_id, *(f"{EMOTIONS[i]} {probabilities[i]:.0%}" for i in best)])


def _bones(joints: NDArray[np.float32], seen: NDArray[np.bool_], track_id: str) -> Marker:
    pairs = [(a, b) for a, b in H36M17.bones if seen[a] and seen[b]]
    marker = Marker(ns="bones", type=Marker.LINE_LIST, action=Marker.ADD, scale=Vector3(x=BONE_M))
    marker.points = [_point(joints[j]) for pair in pairs for j in pair]
    marker.colors = [_colour(b, track_id) for _, b in pairs for _ in range(2)]
    return marker


def _joints(joints: NDArray[np.float32], seen: NDArray[np.bool_], track_id: str) -> Marker:
    chosen = np.flatnonzero(seen)
    size = Vector3(x=JOINT_M, y=JOINT_M, z=JOINT_M)
    marker = Marker(ns="joints", type=Marker.SPHERE_LIST, action=Marker.ADD, scale=size)
    marker.points = [_point(joints[j]) for j in chosen]
    marker.colors = [_colour(int(j), track_id) for j in chosen]
    return marker


def _text(joints: NDArray[np.float32], text: str) -> Marker:
    marker = Marker(ns="emotions", type=Marker.TEXT_VIEW_FACING, action=Marker.ADD, text=text)
    marker.scale.z = TEXT_M
    marker.color = _rgba(style.LIGHT)
    # The optical frame's y axis points down.
    x, _, z = joints.mean(axis=0).tolist()
    marker.pose.position = Point(x=x, y=float(joints[:, 1].min()) - ABOVE_HEAD_M, z=z)
    return marker


def _colour(joint: int, track_id: str) -> ColorRGBA:
    return _rgba(style.side_colour(H36M17.side(joint), style.person_colour(track_id)))


def _rgba(bgr: Sequence[int]) -> ColorRGBA:
    blue, green, red = (value / 255 for value in bgr)
    return ColorRGBA(r=red, g=green, b=blue, a=1.0)


def _point(values: NDArray[np.float32]) -> Point:
    x, y, z = values.tolist()
    return Point(x=x, y=y, z=z)
