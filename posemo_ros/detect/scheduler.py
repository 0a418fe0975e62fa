"""When the detector runs, and which boxes the people of a frame get."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..settings import KEYPOINT_THRESHOLD
from ..types import Detections, Floats, People2D
from .boxes import inside, iou, pairs
from .codecs import suppress
from .follow import boxes_from_keypoints

SAME_IOU = 0.3
DUPLICATE_IOU = 0.7
PART_OF = 0.7  # of two boxes, one followed, one detected, one lies so much in the other: one person
REST_S = 1.0
FILL_IOU = 0.5  # of the keypoints' box with the box they were looked for in; usually 0.7 to 0.9


class BoxSchedule:
    """Runs the detector on every k-th frame and follows people by their keypoints in between.

    It also runs at once when nobody is there, when somebody cannot be followed (they would be seen
    on every k-th frame only), and while somebody is followed whom it did not see when it last ran:
    either it sees them soon again, or they are dropped, since a keypoint network may well find a
    body in an empty place.

    Attributes:
        detect_every: k; 1 for the detector on every frame.
        rest_s: It rests no longer than this: k images of a slow camera may be a minute.
        min_score: Keypoints below this score do not count, see ``boxes_from_keypoints``.
        stretch: ``detect_every`` counts so many times. May change at any time.
        unconfirmed_s: How long somebody is followed whom the detector does not see.
        joined: Whether boxes of the detector are among those of the last answer.
    """

    def __init__(
        self, *, detect_every: int = 5, min_score: float = KEYPOINT_THRESHOLD, unconfirmed_s: float = 0.5
    ) -> None:
        self.detect_every = detect_every
        self.min_score = min_score
        self.unconfirmed_s = unconfirmed_s
        self.stretch = 1
        self.rest_s = REST_S
        self.reset()

    def reset(self) -> None:
        """Forget everybody."""
        self.joined = False
        self._rested = 0
        self._ran_ns: int | None = None
        self._missed_since: dict[str, int] = {}  # track id -> stamp of the first run that missed them

    def boxes(
        self,
        people: People2D,
        stamp_ns: int,
        detect: Callable[[], Detections],
        image: NDArray[np.uint8] | None = None,
    ) -> Detections:
        """The boxes of one frame.

        Args:
            people: Those of the frame before, with their ids and keypoints.
            stamp_ns: Of this frame.
            detect: Runs the detector on this frame; called only when it is due.
            image: Of this frame; not looked at here.
        """
        ids, followed = self._follow(people)
        self._missed_since = {i: s for i, s in self._missed_since.items() if i in ids}
        self._rested += 1
        all_followed = 0 < len(ids) == len(people)
        fresh = self._ran_ns is None or stamp_ns - self._ran_ns <= self.rest_s * 1e9
        due = not fresh or self._rested >= self.detect_every * self.stretch
        self.joined = due or not all_followed or bool(self._missed_since)
        if not self.joined:
            return followed
        self._rested, self._ran_ns = 0, stamp_ns
        detected = detect()
        kept = self._unconfirmed(ids, followed, detected, stamp_ns)
        return Detections(
            np.concatenate([detected.boxes, followed.boxes[kept]]),
            np.concatenate([detected.scores, followed.scores[kept]]),
        )

    def begin(self) -> None:
        """The frame is done: a detector that runs beside the chain may start on it."""

    def _follow(self, people: People2D) -> tuple[tuple[str, ...], Detections]:
        """Those who can be followed; of two who share a place, the better seen one.

        Keypoints that do not fill the box in which they were looked for are guesses, as for
        somebody of whom only the head has entered the image: the detector must look again.
        """
        found = boxes_from_keypoints(people.keypoints, min_score=self.min_score)
        fill = np.diagonal(iou(found.boxes, people.boxes))
        able = np.flatnonzero((found.scores > 0) & (fill >= FILL_IOU))
        able = able[np.argsort(-found.scores[able], kind="stable")]
        able = able[suppress(found.boxes[able], found.scores[able], DUPLICATE_IOU)]
        return tuple(people.ids[i] for i in able), Detections(found.boxes[able], found.scores[able])

    def _unconfirmed(
        self, ids: tuple[str, ...], followed: Detections, detected: Detections, stamp_ns: int
    ) -> list[int]:
        """Indices of the followed whom the detector missed, but not yet for too long."""
        seen = _same(followed.boxes, detected.boxes)
        kept = []
        for row, person in enumerate(ids):
            if row in seen:
                self._missed_since.pop(person, None)
                continue
            since = self._missed_since.setdefault(person, stamp_ns)
            if stamp_ns - since <= self.unconfirmed_s * 1e9:
                kept.append(row)
        return kept


def _same(followed: Floats, detected: Floats) -> set[int]:
    """Indices of the followed (n, 4) who are among the detected (m, 4)."""
    together = pairs(followed, detected, SAME_IOU)
    free = sorted(set(range(len(detected))) - {c for _, c in together})
    within = np.nonzero(inside(followed, detected) >= PART_OF)[0]
    around = np.nonzero(inside(detected[free], followed) >= PART_OF)[1]
    return {r for r, _ in together} | {int(r) for r in (*within, *around)}
