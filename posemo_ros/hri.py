"""Results as the messages of REP-155, "Conventions, Topics, Interfaces for Perception in HRI" (ROS4HRI).

The message classes are handed in, as in ``messages``: hri_msgs is only needed where they are published.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .messages import MessageMaker
from .skeleton import COCO17
from .types import EMOTIONS, Emotions, EmotionStatus, Floats, People2D

BODIES = "/humans/bodies"
TRACKED = "hri_msgs/msg/IdsList"
ROI = "hri_msgs/msg/NormalizedRegionOfInterest2D"
SKELETON = "hri_msgs/msg/Skeleton2D"
POINT = "hri_msgs/msg/NormalizedPointOfInterest2D"
EXPRESSION = "hri_msgs/msg/Expression"
TOPICS = {"roi": ROI, "skeleton2d": SKELETON, "expression": EXPRESSION}
"""Type by topic below ``/humans/bodies/<id>``."""

# The order of hri_msgs/Skeleton2D; the neck is the middle of the shoulders.
SKELETON2D = (
    "nose",
    "neck",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
)
_WORDS = dict(zip(EMOTIONS, ("happy", "angry", "disgusted", "scared", "sad", "surprised"), strict=True))


class HriMaker:
    """Makes the messages of hri_msgs.

    Args:
        class_of: Gives the class of a type such as ``hri_msgs/msg/IdsList``.
        make: Makes headers of the same family of classes.
    """

    def __init__(self, class_of: Callable[[str], Any], make: MessageMaker) -> None:
        self._class_of = class_of
        self._make = make

    def tracked(self, people: People2D) -> Any:
        """``/humans/bodies/tracked``: the ids of the people in the image."""
        return self._class_of(TRACKED)(header=self._make.header(people.view), ids=list(people.ids))

    def roi(self, people: People2D, row: int) -> Any:
        """A person's box; coordinates from 0 to 1, parts outside of the image cut off."""
        x0, y0, x1, y1 = _normalised(people.boxes[row].reshape(2, 2), people).ravel().tolist()
        return self._class_of(ROI)(
            header=self._make.header(people.view),
            xmin=x0,
            ymin=y0,
            xmax=x1,
            ymax=y1,
            c=float(people.scores[row]),
        )

    def skeleton(self, people: People2D, row: int) -> Any:
        """A person's keypoints in the order of ``SKELETON2D``, coordinates from 0 to 1."""
        points = {name: people.keypoints[row, i] for i, name in enumerate(COCO17.joints)}
        left, right = points["left_shoulder"], points["right_shoulder"]
        points["neck"] = np.append((left[:2] + right[:2]) / 2, min(left[2], right[2]))
        rows = np.stack([points[name] for name in SKELETON2D]).astype(np.float32)
        places = _normalised(rows[:, :2], people)
        point = self._class_of(POINT)
        return self._class_of(SKELETON)(
            header=self._make.header(people.view),
            skeleton=[
                point(x=x, y=y, c=c) for (x, y), c in zip(places.tolist(), rows[:, 2].tolist(), strict=True)
            ],
        )

    def expression(self, emotions: Emotions, row: int) -> Any | None:
        """A person's most probable emotion; None where there is no answer.

        Valence and arousal are not estimated and NaN.
        """
        if emotions.status[row] is not EmotionStatus.VALID:
            return None
        best = int(emotions.probabilities[row].argmax())
        return self._class_of(EXPRESSION)(
            header=self._make.header(emotions.view),
            expression=_WORDS[EMOTIONS[best]],
            valence=float("nan"),
            arousal=float("nan"),
            confidence=float(emotions.probabilities[row, best]),
        )


def _normalised(points: Floats, people: People2D) -> Floats:
    """(N, 2) px -> 0 to 1, the image's edges being half a pixel outside the outermost pixel centres."""
    size = np.array([people.view.width, people.view.height], np.float32)
    return np.asarray(np.clip((points + 0.5) / size, 0.0, 1.0), np.float32)
