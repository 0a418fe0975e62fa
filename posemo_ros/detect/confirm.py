"""Whether a box shows a person: weak boxes count only with a body in them, and each body counts once.

Symbols: N boxes of an image, K = 17 keypoints of COCO-17.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..metrics import COCO_SIGMAS
from ..types import Detections, Floats
from .boxes import iou

ENTER, STAY = -0.2, -0.7  # least evidence for a new person, and for somebody who was there just now
BODY = 0.5  # weight of the body beside the box
SAME_PLACE = 0.3  # IoU with a person of the frame before: that person may still be there
SAME_BODY = 0.8  # object keypoint similarity of two answers that are one person's
SEEN, FEWEST = 0.3, 4  # score of a joint that counts, and how many both must have, to compare bodies
WHOLE = 2.0  # weight of all the body's joints beside the box, to tell whose body it is
REST_NS = 200_000_000  # so long a weak box without a body is not looked into again
STANDS_STILL, SURER = 0.7, 0.1  # IoU with it, and how much higher a score is a reason to look at once
BEST = 8  # joints that say how sure a body is: half of one may be hidden


def body_scores(keypoints: Floats) -> Floats:
    """(N, K, 3) x px, y px, score -> (N,) mean of the 8 best joints' scores, 0..1."""
    return np.asarray(np.sort(keypoints[..., 2], axis=1)[:, -BEST:].mean(axis=1), np.float32)


def evidence(scores: Floats, keypoints: Floats, threshold: float) -> NDArray[np.float64]:
    """(N,) log-odds of a person: how far the box is above the threshold, and half of what the body says.

    Args:
        scores: (N,) of the boxes, 0..1.
        keypoints: (N, K, 3) x px, y px, score found in them.
        threshold: Score of a box that counts by itself.
    """
    return _logit(scores) - _logit(threshold) + BODY * _logit(body_scores(keypoints))


def confirmed(
    boxes: Floats, scores: Floats, keypoints: Floats, threshold: float, known: Floats
) -> NDArray[np.bool_]:
    """(N,) which boxes show a person.

    Args:
        boxes: (N, 4) xyxy px.
        scores: (N,) of the boxes, 0..1.
        keypoints: (N, K, 3) x px, y px, score found in them.
        threshold: Score from which a box is believed without looking at the body.
        known: (M, 4) boxes of the people of the frame before: they may stay with less evidence.
    """
    before = (iou(boxes, known) >= SAME_PLACE).any(axis=1)
    enough = evidence(scores, keypoints, threshold) >= np.where(before, STAY, ENTER)
    return np.asarray((scores >= threshold) | enough, np.bool_)


@dataclass
class Refused:
    """Weak boxes without a body: chairs and coats need not be looked at in every image."""

    _boxes: Floats = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    _scores: Floats = field(default_factory=lambda: np.zeros(0, np.float32))
    _until_ns: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def worth_a_look(self, found: Detections, stamp_ns: int, threshold: float, known: Floats) -> Detections:
        """Without weak boxes that were refused a moment ago, stand still and are not much surer now.

        Args:
            found: Boxes of an image.
            stamp_ns: Of the image.
            threshold, known: See ``confirmed``.
        """
        lasts = self._until_ns > stamp_ns
        self._boxes, self._scores = self._boxes[lasts], self._scores[lasts]
        self._until_ns = self._until_ns[lasts]
        same = iou(found.boxes, self._boxes) >= STANDS_STILL
        no_surer = found.scores[:, None] < self._scores[None] + SURER
        rests = (same & no_surer).any(axis=1) & (found.scores < threshold)
        rests &= ~(iou(found.boxes, known) >= SAME_PLACE).any(axis=1)
        return Detections(found.boxes[~rests], found.scores[~rests])

    def remember(self, refused: Detections, stamp_ns: int) -> None:
        """In these was no body."""
        self._boxes = np.concatenate([self._boxes, refused.boxes])
        self._scores = np.concatenate([self._scores, refused.scores])
        self._until_ns = np.concatenate([self._until_ns, np.full(len(refused), stamp_ns + REST_NS)])


def best(found: Detections, most: int, known: Floats) -> Detections:
    """So many of the best boxes, in their order.

    Who was there just now needs less, as in ``confirmed``: with more people in view than there may be, the
    detector's scores alone would choose others each time it runs.

    Args:
        found: Boxes of an image.
        most: How many there may be.
        known: (M, 4) boxes of the people of the frame before.
    """
    if len(found) <= most:
        return found
    before = (iou(found.boxes, known) >= SAME_PLACE).any(axis=1)
    worth = _logit(found.scores) + np.where(before, ENTER - STAY, 0)
    chosen = np.sort(np.argsort(-worth, kind="stable")[:most])
    return Detections(found.boxes[chosen], found.scores[chosen])


def _logit(probability: Floats | float) -> NDArray[np.float64]:
    cut = np.clip(np.asarray(probability, np.float64), 1e-4, 1 - 1e-4)
    return np.asarray(np.log(cut / (1 - cut)), np.float64)


def distinct(boxes: Floats, scores: Floats, keypoints: Floats) -> NDArray[np.int64]:
    """Indices of those whose body no better one has already, in ascending order.

    The keypoint network may find the person in front in the box of somebody half hidden. Better is
    the box that is surer and in which more of the body was seen (``WHOLE``): the one in front has all of
    it, and so keeps the name.

    Args:
        boxes: (N, 4) xyxy px.
        scores: (N,) of the boxes.
        keypoints: (N, K, 3) x px, y px, score.
    """
    alike = body_similarity(boxes, keypoints)
    whole = keypoints[..., 2].mean(axis=1)
    kept: list[int] = []
    for index in np.argsort(-(scores + WHOLE * whole), kind="stable"):
        if not (alike[index, kept] > SAME_BODY).any():
            kept.append(int(index))
    return np.array(sorted(kept), np.int64)


def body_similarity(boxes: Floats, keypoints: Floats) -> NDArray[np.float64]:
    """(N, N) object keypoint similarity of all pairs over the joints that both show; 0 with too few.

    Args:
        boxes: (N, 4) xyxy px; the smaller one of a pair sets the scale.
        keypoints: (N, K, 3) x px, y px, score.
    """
    points, seen = keypoints[..., :2].astype(np.float64), keypoints[..., 2] >= SEEN
    both = seen[:, None] & seen[None]
    areas = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 1).astype(np.float64), axis=1)
    area = np.minimum(areas[:, None], areas[None])[..., None]
    squared = np.where(both, ((points[:, None] - points[None]) ** 2).sum(axis=-1), 0)
    alike = np.exp(-squared / (2 * area * (2 * COCO_SIGMAS) ** 2)) * both
    count = both.sum(axis=-1)
    return np.asarray(np.where(count >= FEWEST, alike.sum(axis=-1) / np.maximum(count, 1), 0.0), np.float64)
