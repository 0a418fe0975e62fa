"""What is left out, the least important first, while frames take longer than they may.

Symbols: N boxes of a frame, M people of the frame before, K = 17 keypoints.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .detect.boxes import pairs
from .detect.scheduler import SAME_IOU
from .types import Floats, People2D

LEFT_OUT = (
    "",
    "the detector looks half as often",
    "the detector looks half as often; keypoints of far and still people on every 2nd image",
    "the detector looks half as often; keypoints of far and still people on every 3rd image",
)
REST = (1, 1, 2, 3)  # level -> those who may rest are looked at on every so many-th frame
CALM = 0.7  # of the deadline: below it, work comes back
SOON, LATER = 5, 60  # frames at least between a change and the next: to less, to more work
WEIGHT = 0.2  # of the newest frame in the running mean
FAR = 0.5  # of the tallest person's box
STILL = 0.01  # of the box: joints' median way between two looks


class Budget:
    """Watches what frames take.

    Attributes:
        deadline_ms: A frame may take so long; 0: as long as it takes. May change at any time.
        level: Index into ``LEFT_OUT``.
    """

    def __init__(self, deadline_ms: float = 0.0) -> None:
        self.deadline_ms = deadline_ms
        self.reset()

    def reset(self) -> None:
        """Nothing is left out."""
        self.level, self._since = 0, 0
        self._mean_ms: float | None = None

    def spent(self, ms: float) -> None:
        """A frame took so many milliseconds."""
        if not self.deadline_ms:
            self.reset()
            return
        self._mean_ms = ms if self._mean_ms is None else (1 - WEIGHT) * self._mean_ms + WEIGHT * ms
        self._since += 1
        if self._mean_ms > self.deadline_ms and self._since >= SOON and self.level < len(LEFT_OUT) - 1:
            self.level, self._since = self.level + 1, 0
        elif self._mean_ms < CALM * self.deadline_ms and self._since >= LATER and self.level:
            self.level, self._since = self.level - 1, 0

    @property
    def text(self) -> str:
        """What is left out and why; empty when nothing is."""
        if not self.level:
            return ""
        return f"over the deadline of {self.deadline_ms:g} ms: {LEFT_OUT[self.level]}"


class Resting:
    """Who may keep the keypoints of the frame before."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Nobody is known."""
        self._people = People2D()
        self._way: dict[str, float] = {}
        self._frame = 0

    def remember(self, people: People2D, rested: NDArray[np.bool_]) -> None:
        """The people of a frame, with keypoints as the network gave them, and who rested in it."""
        before = dict(zip(self._people.ids, self._people.keypoints, strict=True))
        way = {}
        for person, box, now, rests in zip(people.ids, people.boxes, people.keypoints, rested, strict=True):
            then = before.get(person)
            if rests and person in self._way:
                way[person] = self._way[person]
            elif then is not None:
                gaps = np.linalg.norm(now[:, :2] - then[:, :2], axis=1)
                known = gaps[np.isfinite(gaps)]
                height = max(float(box[3] - box[1]), 1.0)
                way[person] = float(np.median(known)) / height if len(known) else 1.0
        self._people, self._way = people, way

    def kept(self, boxes: Floats, level: int) -> tuple[NDArray[np.bool_], Floats]:
        """Which boxes need no look in this frame, and what was seen in them before.

        Args:
            boxes: (N, 4) xyxy px.
            level: Of the budget.

        Returns:
            (N,) bool; (N, K, 3) keypoints, NaN, NaN, 0 where there is nothing to keep.
        """
        rests = np.zeros(len(boxes), np.bool_)
        kept = np.full((len(boxes), 17, 3), (np.nan, np.nan, 0), np.float32)
        self._frame += 1
        every = REST[level]
        if every == 1 or not len(self._people):
            return rests, kept
        heights = self._people.boxes[:, 3] - self._people.boxes[:, 1]
        for now, then in pairs(boxes, self._people.boxes, SAME_IOU):
            still = self._way.get(self._people.ids[then], 1.0) < STILL
            if (still or heights[then] < FAR * heights.max()) and (self._frame + then) % every:
                rests[now], kept[now] = True, self._people.keypoints[then]
        return rests, kept
