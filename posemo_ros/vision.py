"""People's boxes as ``vision_msgs/Detection2DArray``, for those who want no more.

The message classes are handed in, as in ``messages``: vision_msgs is only needed where they are published.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .messages import MessageMaker
from .types import People2D

DETECTIONS = "vision_msgs/msg/Detection2DArray"
PERSON = "person"


def detections(people: People2D, class_of: Callable[[str], Any], make: MessageMaker) -> Any:
    """The boxes of one image, px, with the track id as id and the class ``person``.

    Args:
        people: The people of an image.
        class_of: Gives the class of a type such as ``vision_msgs/msg/Detection2D``.
        make: Makes headers of the same family of classes.
    """

    def own(name: str, **fields: Any) -> Any:
        return class_of(f"vision_msgs/msg/{name}")(**fields)

    def geometry(name: str, **fields: Any) -> Any:
        return class_of(f"geometry_msgs/msg/{name}")(**fields)

    header = make.header(people.view)
    nowhere = geometry(
        "PoseWithCovariance",
        pose=geometry(
            "Pose",
            position=geometry("Point", x=0.0, y=0.0, z=0.0),
            orientation=geometry("Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
        ),
        covariance=np.zeros(36),
    )

    def one(name: str, box: list[float], score: float) -> Any:
        x0, y0, x1, y1 = box
        hypothesis = own("ObjectHypothesis", class_id=PERSON, score=score)
        position = own("Point2D", x=(x0 + x1) / 2, y=(y0 + y1) / 2)
        center = own("Pose2D", position=position, theta=0.0)
        return own(
            "Detection2D",
            header=header,
            results=[own("ObjectHypothesisWithPose", hypothesis=hypothesis, pose=nowhere)],
            bbox=own("BoundingBox2D", center=center, size_x=x1 - x0, size_y=y1 - y0),
            id=name,
        )

    rows = zip(people.ids, people.boxes.tolist(), people.scores.tolist(), strict=True)
    return own("Detection2DArray", header=header, detections=[one(*row) for row in rows])
