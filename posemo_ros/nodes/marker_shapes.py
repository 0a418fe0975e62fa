"""Skeletons and emotion estimates as RViz markers."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Vector3
from numpy.typing import NDArray
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker

from ..draw import style
from ..frames import OPTICAL_UP
from ..skeleton import H36M17
from ..types import EMOTIONS, Emotions, EmotionStatus, Skeletons3D

KINDS = ("bones", "joints", "emotions", "trails", "contacts")
BONE_M, JOINT_M, TEXT_M, TRAIL_M, CONTACT_M = 0.02, 0.04, 0.12, 0.01, 0.08
TRAIL = 45  # images
CONTACT_M_S = 0.25
ANKLES = (H36M17.index("right_ankle"), H36M17.index("left_ankle"))
ABOVE_HEAD_M = 0.3
SHOWN_EMOTIONS = 2


class SkeletonMarkers:
    """Markers of the people of one image after another.

    A person keeps namespaces and ids while in view, and is deleted on leaving: displays can be
    switched per kind (``bones``, ``joints``, ``emotions``, ``trails``, ``contacts``), and nothing
    flickers. People that could not be placed in space are left out: RViz refuses NaN.
    """

    def __init__(self) -> None:
        self._shown: dict[str, int] = {}
        self._paths: dict[str, deque[_Step]] = {}
        self._first = True

    def draw(
        self,
        header: Header,
        skeletons: Skeletons3D,
        emotions: Emotions | None,
        *,
        min_score: float,
        lifetime_s: float,
        up: NDArray[np.float64] = OPTICAL_UP,
    ) -> list[Marker]:
        """The markers of one image; those of people who left are deleted.

        Args:
            header: Of the skeletons.
            skeletons: N persons.
            emotions: Newest estimates, matched by id.
            min_score: Joints below are left out.
            lifetime_s: Seconds until a marker goes by itself.
            up: (3,) unit vector in the skeletons' frame that points up in the picture.
        """
        seconds, rest = divmod(lifetime_s, 1)
        lifetime = Duration(sec=int(seconds), nanosec=int(rest * 1e9))
        # What an earlier run of this node left in RViz.
        markers = [Marker(header=header, action=Marker.DELETEALL)] if self._first else []
        self._first = False
        shown: dict[str, int] = {}
        for row, track_id in enumerate(skeletons.ids):
            joints = skeletons.joints[row]
            seen = np.isfinite(joints).all(axis=1) & (skeletons.scores[row] >= min_score)
            if not seen.any():
                continue
            shown[track_id] = self._shown.get(track_id, stable_id(track_id))
            path = self._paths.setdefault(track_id, deque(maxlen=TRAIL))
            if not path or path[-1].stamp_ns < skeletons.stamp_ns:
                path.append(_Step(skeletons.stamp_ns, joints))
            for shape in (
                _bones(joints, seen, skeletons.scores[row], track_id),
                _joints(joints, seen, skeletons.scores[row], track_id),
                _text(joints[seen], person_text(track_id, emotions), up),
                _trail(path, track_id),
                _contacts(path, seen),
            ):
                shape.header, shape.id, shape.lifetime = header, shown[track_id], lifetime
                shape.pose.orientation.w = 1.0
                if not (shape.points or shape.text):
                    shape.action = Marker.DELETE
                markers.append(shape)
        markers += self._leaving(header, shown)
        self._shown = shown
        self._paths = {track_id: self._paths[track_id] for track_id in shown}
        return markers

    def _leaving(self, header: Header, shown: dict[str, int]) -> list[Marker]:
        gone = [number for track_id, number in self._shown.items() if track_id not in shown]
        return [
            Marker(header=header, ns=kind, id=number, action=Marker.DELETE)
            for number in gone
            for kind in KINDS
        ]


def stable_id(track_id: str) -> int:
    """The same positive number for the same person in every run: that of ids such as ``p12``."""
    digits = track_id.lstrip("abcdefghijklmnopqrstuvwxyz_")
    return int(digits) if digits.isdecimal() and len(digits) < 9 else zlib.crc32(track_id.encode()) >> 1


@dataclass(frozen=True, eq=False)
class _Step:
    """Where a person's joints were, (17, 3) metres."""

    stamp_ns: int
    joints: NDArray[np.float32]


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


def _bones(
    joints: NDArray[np.float32], seen: NDArray[np.bool_], scores: NDArray[np.float32], track_id: str
) -> Marker:
    """Lines, the fainter the less sure their joints are."""
    pairs = [(a, b) for a, b in H36M17.bones if seen[a] and seen[b]]
    marker = Marker(ns="bones", type=Marker.LINE_LIST, action=Marker.ADD, scale=Vector3(x=BONE_M))
    marker.points = [_point(joints[j]) for pair in pairs for j in pair]
    marker.colors = [_colour(b, track_id, min(scores[a], scores[b])) for a, b in pairs for _ in range(2)]
    return marker


def _joints(
    joints: NDArray[np.float32], seen: NDArray[np.bool_], scores: NDArray[np.float32], track_id: str
) -> Marker:
    chosen = np.flatnonzero(seen)
    size = Vector3(x=JOINT_M, y=JOINT_M, z=JOINT_M)
    marker = Marker(ns="joints", type=Marker.SPHERE_LIST, action=Marker.ADD, scale=size)
    marker.points = [_point(joints[j]) for j in chosen]
    marker.colors = [_colour(int(j), track_id, scores[j]) for j in chosen]
    return marker


def _trail(path: Sequence[_Step], track_id: str) -> Marker:
    """The way of the pelvis through the last images, fading."""
    marker = Marker(ns="trails", type=Marker.LINE_STRIP, action=Marker.ADD, scale=Vector3(x=TRAIL_M))
    pelvises = [step.joints[0] for step in path if np.isfinite(step.joints[0]).all()]
    if len(pelvises) > 1:
        marker.points = [_point(p) for p in pelvises]
        colour = style.person_colour(track_id)
        marker.colors = [_rgba(colour, (i + 1) / len(pelvises)) for i in range(len(pelvises))]
    return marker


def _contacts(path: Sequence[_Step], seen: NDArray[np.bool_]) -> Marker:
    """Ankles that hardly move: feet on the ground, while the camera stands still."""
    size = Vector3(x=CONTACT_M, y=CONTACT_M, z=CONTACT_M)
    marker = Marker(ns="contacts", type=Marker.SPHERE_LIST, action=Marker.ADD, scale=size)
    if len(path) < 2:
        return marker
    before, now = path[-2], path[-1]
    seconds = (now.stamp_ns - before.stamp_ns) * 1e-9
    for ankle in ANKLES:
        speed = float(np.linalg.norm(now.joints[ankle] - before.joints[ankle])) / seconds
        if seen[ankle] and speed < CONTACT_M_S:
            marker.points.append(_point(now.joints[ankle]))
            marker.colors.append(_rgba(style.LIGHT, 0.8))
    return marker


def _text(joints: NDArray[np.float32], text: str, up: NDArray[np.float64]) -> Marker:
    marker = Marker(ns="emotions", type=Marker.TEXT_VIEW_FACING, action=Marker.ADD, text=text)
    marker.scale.z = TEXT_M
    marker.color = _rgba(style.LIGHT)
    middle = joints.mean(axis=0)
    above = ((joints - middle) @ up).max() + ABOVE_HEAD_M
    marker.pose.position = _point(middle + above * up)
    return marker


def _colour(joint: int, track_id: str, score: float) -> ColorRGBA:
    colour = style.side_colour(H36M17.side(joint), style.person_colour(track_id))
    return _rgba(colour, float(np.clip(0.25 + 0.9 * score, 0, 1)))


def _rgba(bgr: Sequence[int], alpha: float = 1.0) -> ColorRGBA:
    blue, green, red = (value / 255 for value in bgr)
    return ColorRGBA(r=red, g=green, b=blue, a=alpha)


def _point(values: NDArray[np.floating]) -> Point:
    x, y, z = values.tolist()
    return Point(x=x, y=y, z=z)
