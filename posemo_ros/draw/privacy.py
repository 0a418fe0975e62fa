"""Pictures that do not show who somebody is: faces made unrecognisable, or no pixels at all.

Where the head is, the keypoints of the face say, with a margin from the size of the body; where they
are not seen, the upper part of the box counts. What this does not promise stands in docs/privacy.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

import cv2
import numpy as np

from ..detect.boxes import iou
from ..types import Floats, Frame, People2D
from . import style
from .style import Picture


class Privacy(str, Enum):
    """What pictures show of the people in them."""

    NONE = "none"
    BLUR = "blur"
    SKELETON = "skeleton"

    def allows(self, other: Privacy) -> bool:
        """Whether what was made under ``other`` shows no more than this one lets through."""
        order = list(Privacy)
        return order.index(other) >= order.index(self)


CHOICES = tuple(privacy.value for privacy in Privacy)
# Who comes into view between two runs of the detector would be seen for so long.
EVERY_IMAGE = {"detect_every": 1}
EVERYWHERE = np.full(4, np.nan, np.float32)  # a box, where nobody knows which
CANVAS = style.bgr("#1F2630")

FACE = slice(0, 5)  # nose, eyes, ears in COCO-17
SEEN = 0.3  # score of a keypoint that counts
ENOUGH = 2  # keypoints of the face
NEAR = 0.25  # of the box: a face farther outside was not this person's
# Lengths as parts of the body height (Winter, Biomechanics and Motor Control of Human Movement, Fig. 4.1;
# those of the face from head breadths, distances of the pupils and ear to nose in anthropometric tables).
LENGTHS = {
    (5, 6): 0.259,  # shoulders
    (5, 11): 0.288,  # trunk, left and right
    (6, 12): 0.288,
    (3, 4): 0.09,  # ears
    (1, 2): 0.037,  # eyes
    (0, 3): 0.08,  # nose to the left and right ear: of somebody seen from the side, nothing else may be known
    (0, 4): 0.08,
    (1, 3): 0.057,  # eye to ear
    (2, 4): 0.057,
}
# From any keypoint of a face to the farthest point of the head it may lie from: ear to nose is 0.08, eye to
# crown 0.064, ear to chin 0.07 of the body height; the rest is for keypoints that are off and for hair.
MARGIN = 0.115
UPPER = 0.5  # of an upright box, where the face is not seen
UPRIGHT = 1.2  # height by width of a box
PAD = 0.1  # a box may cut into the head
CELLS = 4  # mean colours that are left of the longer side of a head
HOLD_S = 1.0  # somebody who is not found any more is hidden for so long,
NEXT_S = 5.0  # and in the next image, of a camera or machine so slow
SAME_PLACE = 0.5  # intersection over union of two places that are one's
SPREAD = 1.0  # and what is hidden grows by so many times its size in a second


def head_boxes(people: People2D) -> Floats:
    """Where the heads are.

    Args:
        people: N persons.

    Returns:
        (N, 4) float32 xyxy px; may reach beyond the image.
    """
    return np.array(
        [_head(b, k) for b, k in zip(people.boxes, people.keypoints, strict=True)], np.float32
    ).reshape(-1, 4)


def _head(box: Floats, keypoints: Floats) -> Floats:
    """(4,) around the keypoints of the face, or the upper part of the box."""
    points, size = keypoints[FACE, :2], box[2:] - box[:2]
    near = ((points >= box[:2] - NEAR * size) & (points <= box[2:] + NEAR * size)).all(axis=1)
    seen = near & (keypoints[FACE, 2] >= SEEN)
    if seen.sum() < ENOUGH:
        return upper_part(box)
    margin = MARGIN * _body_height(box, keypoints)
    low, high = points[seen].min(axis=0) - margin, points[seen].max(axis=0) + margin
    return np.concatenate([low, high]).astype(np.float32)


def _body_height(box: Floats, keypoints: Floats) -> float:
    """Pixels that the whole body would measure: the most that any part of it speaks for.

    No part looks longer than it is, so each is a least height; a box that the image cuts off is none.
    """

    def apart(a: int, b: int) -> float:
        both = keypoints[[a, b]]
        known = (both[:, 2] >= SEEN).all() and np.isfinite(both).all()
        return float(np.hypot(*(both[0, :2] - both[1, :2]))) if known else 0.0

    longer = float(max(box[2] - box[0], box[3] - box[1]))
    return max(longer, *(apart(*pair) / share for pair, share in LENGTHS.items()))


def upper_part(box: Floats) -> Floats:
    """(4,) where the head of somebody in an upright box is; all of a box that is not upright."""
    width, height = box[2] - box[0], box[3] - box[1]
    pad = PAD * max(float(width), float(height))
    bottom = box[1] + UPPER * height if height >= UPRIGHT * width else box[3] + pad
    return np.array([box[0] - pad, box[1] - pad, box[2] + pad, bottom], np.float32)


def hide(canvas: Picture, boxes: Iterable[Floats]) -> None:
    """Leave of each box no more than ``CELLS`` by ``CELLS`` mean colours, smoothly joined.

    Args:
        canvas: (H, W, 3) uint8; changed.
        boxes: (4,) each, xyxy px. Where somebody is of whom one of the numbers is not known nobody can
            tell: the whole canvas is hidden.
    """
    for box in boxes:
        if not np.isfinite(box).all():
            canvas[:] = CANVAS
            return
        low, high = np.clip(np.floor(box[:2]), -1e6, 1e6), np.clip(np.ceil(box[2:]), -1e6, 1e6)
        x0, y0, x1, y1 = style.clipped(canvas, (int(low[0]), int(low[1]), int(high[0]), int(high[1])))
        if x0 < x1 and y0 < y1:
            # Of the whole box: of a head that the image cuts off no finer cells are left than of another.
            cell = max(1.0, float((high - low).max()) / CELLS)
            canvas[y0:y1, x0:x1] = _coarse(canvas[y0:y1, x0:x1], cell)


def _coarse(part: Picture, cell: float) -> Picture:
    height, width = part.shape[:2]
    size = (max(1, round(width / cell)), max(1, round(height / cell)))
    means = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(means, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


class Background:
    """What results are drawn on, image by image of one stream.

    Keeps hidden for a second, and in the next image, where somebody was seen last, so that a face does not
    flash up in the image in which its person was missed.

    Args:
        privacy: What may be seen.
    """

    def __init__(self, privacy: Privacy) -> None:
        self.privacy = privacy
        self._last: dict[str, tuple[int, Floats]] = {}  # track id -> stamp, where the head was
        self._others: list[tuple[int, Floats]] = []  # stamp, where an unknown head may have been
        self._before_ns = 0  # stamp of the image before

    def of(self, frame: Frame, people: People2D | None) -> Picture:
        """The picture to draw on.

        Args:
            frame: The image.
            people: Who was found in it; None: nothing is known about it.

        Returns:
            (H, W, 3) uint8 BGR; a new one unless all may be seen.
        """
        if self.privacy is Privacy.NONE:
            return frame.bgr()
        if self.privacy is Privacy.SKELETON or people is None:
            return plain(frame.width, frame.height)
        canvas = np.array(frame.bgr(), np.uint8, order="C")
        hide(canvas, self.hidden(people))
        return canvas

    def hidden(self, people: People2D) -> list[Floats]:
        """Boxes to hide: everybody of this image, and those of the last second who are missing in it.

        Where somebody's box is not finite, that is one that ``hide`` takes for the whole image.
        """
        if not (np.isfinite(people.boxes).all() and np.isfinite(people.other_boxes).all()):
            return [EVERYWHERE]
        now = people.stamp_ns
        self._last = {k: v for k, v in self._last.items() if self._holds(v[0], now)}
        self._last |= {k: (now, head) for k, head in zip(people.ids, head_boxes(people), strict=True)}
        others = np.array([upper_part(box) for box in people.other_boxes], np.float32).reshape(-1, 4)
        self._others = [
            *((then, box) for then, box in self._others if self._still_hides(then, now, box, others)),
            *((now, box) for box in others),
        ]
        self._before_ns = now
        known = [_grown(head, (now - then) * 1e-9) for then, head in self._last.values()]
        return known + [head for _, head in self._others]

    def _holds(self, then: int, now: int) -> bool:
        """Whether what was seen at one stamp is still hidden at another."""
        longest_s = NEXT_S if then == self._before_ns else HOLD_S
        return 0 <= now - then <= longest_s * 1e9

    def _still_hides(self, then: int, now: int, box: Floats, others: Floats) -> bool:
        """Whether a place of before is held: not for long, and not where one of now is in its stead."""
        return self._holds(then, now) and not (iou(box[None], others) > SAME_PLACE).any()


def plain(width: int, height: int) -> Picture:
    """A picture without pixels of anybody."""
    return np.full((height, width, 3), CANVAS, np.uint8)


def _grown(box: Floats, seconds: float) -> Floats:
    grow = 0.5 * SPREAD * seconds * (box[2:] - box[:2])
    return np.concatenate([box[:2] - grow, box[2:] + grow]).astype(np.float32)
