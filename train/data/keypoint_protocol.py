"""How well keypoints answer labels: COCO's metrics by group of joints, similarity, pixels.

Symbols: N persons, J = 17 joints.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posemo_ros import metrics
from train.data.people import Person

GROUPS = {
    "all": tuple(range(17)),
    "face": (0, 1, 2, 3, 4),
    "shoulders": (5, 6),
    "arms": (7, 8, 9, 10),
    "hips": (11, 12),
    "legs": (13, 14, 15, 16),
}
NOWHERE = -1e4  # px; where a joint without an answer counts as being


def similarities(people: Sequence[Person], keypoints: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N,) object keypoint similarity of each person; NaN where no joint is labelled."""
    labels = np.stack([p.keypoints for p in people])
    return metrics.oks(keypoints, labels, np.array([p.area for p in people]))


def by_group(people: Sequence[Person], keypoints: NDArray[np.float32]) -> dict[str, dict[str, float]]:
    """AP, AP50, AP75 and AR over each group of joints, one answer per labelled person.

    Args:
        people: N with labels.
        keypoints: (N, J, 3) x px, y px, score in the photos; NaN where there is no answer.
    """
    truth, answers = _ground_truth(people), _answers(people, keypoints)
    return {name: metrics.coco_keypoint_ap(truth, answers, joints=joints) for name, joints in GROUPS.items()}


def _ground_truth(people: Sequence[Person]) -> dict[str, Any]:
    return {
        "info": {},
        "images": [{"id": i} for i in sorted({p.image_id for p in people})],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [_annotation(p) for p in people],
    }


def _annotation(person: Person) -> dict[str, Any]:
    x1, y1, x2, y2 = (float(v) for v in person.box)
    return {
        "id": person.person_id,
        "image_id": person.image_id,
        "category_id": 1,
        "iscrowd": 0,
        "area": person.area,
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "keypoints": person.keypoints.astype(float).ravel().tolist(),
    }


def _answers(people: Sequence[Person], keypoints: NDArray[np.float32]) -> list[dict[str, Any]]:
    placed = np.nan_to_num(keypoints, nan=NOWHERE)
    return [
        {
            "image_id": p.image_id,
            "category_id": 1,
            "keypoints": k.astype(float).ravel().tolist(),
            "score": float(s),
        }
        for p, k, s in zip(people, placed, metrics.person_scores(keypoints), strict=True)
    ]
