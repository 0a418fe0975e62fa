"""The detector beside the keypoint network: it never holds a frame up, its boxes join later.

For live streams only: when a run's boxes join depends on how fast the machine is, so the same images
give slightly different results the next time. Recordings use ``BoxSchedule``.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..types import Detections, Floats, People2D
from .boxes import iou, pairs
from .scheduler import SAME_IOU, BoxSchedule

CALM_S = 1.0  # the detector runs at least so often
LOST_S = 2.0  # after somebody was lost it does not rest
OVERLAP = 0.02  # of two boxes, IoU: somebody may be hidden there
PATIENCE_S = 1.0  # a run that takes longer is waited for
CELLS = (80, 60)  # of the thumbnail in which movement is looked for
CHANGED, FEWEST = 20, 6  # grey levels of a changed cell, and how many make a change
MARGIN = 0.05  # of a person's box, added on every side: there somebody moves anyway


@dataclass(frozen=True, eq=False)
class _Run:
    """A run of the detector, and whom it was started beside."""

    future: Future[Detections]
    ids: tuple[str, ...]
    boxes: Floats
    stamp_ns: int


class BesideSchedule(BoxSchedule):
    """As ``BoxSchedule``, with the detector in a thread of its own while somebody is followed.

    People who are followed keep the box of their keypoints, which is newer than the detector's;
    what the detector saw and nobody is followed for joins when it is ready, a frame later or two.
    Whom it missed counts as unconfirmed from then on. It rests, but for a look now and then, while
    nothing changes in the image but where the followed people are, no two of them overlap (somebody may
    be behind), and nobody was lost lately; it runs at once when somebody is lost.
    """

    _pool: ThreadPoolExecutor | None = None

    def reset(self) -> None:
        """Forget everybody; a run under way is not looked at any more."""
        super().reset()
        self._run: _Run | None = None
        self._due: Callable[[], _Run] | None = None
        self._started_ns: int | None = None
        self._lost_ns: int | None = None
        self._before = 0
        self._stir = Stir()

    def boxes(
        self,
        people: People2D,
        stamp_ns: int,
        detect: Callable[[], Detections],
        image: NDArray[np.uint8] | None = None,
    ) -> Detections:
        """See ``BoxSchedule.boxes``; without the image, it counts as changed every time."""
        self.begin()  # if nobody said that the frame before was done
        ids, followed = self._follow(people)
        self._missed_since = {i: s for i, s in self._missed_since.items() if i in ids}
        self._rested += 1
        run = self._arrived(stamp_ns, wait=not ids)
        self.joined = run is not None or not ids
        if not ids:  # nothing to do meanwhile
            run = run or self._start(detect, ids, followed, stamp_ns)
            return run.future.result()
        found = self._join(run, ids, followed, stamp_ns) if run else followed
        if self._run is None and self._is_due(people, len(ids), stamp_ns, image):
            self._due = partial(self._start, detect, ids, followed, stamp_ns)
            if image is not None:
                self._stir.remember(image, people.boxes)
        return found

    def begin(self) -> None:
        """See ``BoxSchedule.begin``."""
        if self._due is not None:
            self._run, self._due = self._due(), None

    def _is_due(
        self, people: People2D, followed: int, stamp_ns: int, image: NDArray[np.uint8] | None
    ) -> bool:
        if len(people) < self._before or followed < len(people):
            self._lost_ns = stamp_ns
        self._before = len(people)
        if followed < len(people) or self._missed_since or self._started_ns is None:
            return True
        if self._rested < self.detect_every * self.stretch:
            return False
        lately = self._lost_ns is not None and stamp_ns - self._lost_ns < LOST_S * 1e9
        if lately or stamp_ns - self._started_ns >= CALM_S * 1e9 or image is None or _overlap(people.boxes):
            return True
        return self._stir(image, people.boxes)

    def _start(
        self, detect: Callable[[], Detections], ids: tuple[str, ...], followed: Detections, stamp_ns: int
    ) -> _Run:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="posemo detector")
        self._rested, self._started_ns = 0, stamp_ns
        return _Run(self._pool.submit(detect), ids, followed.boxes, stamp_ns)

    def _arrived(self, stamp_ns: int, *, wait: bool) -> _Run | None:
        run = self._run
        if run is None:
            return None
        late = stamp_ns - run.stamp_ns > PATIENCE_S * 1e9
        if not (run.future.done() or late or wait):
            return None
        self._run = None
        return run

    def _join(self, run: _Run, ids: tuple[str, ...], followed: Detections, stamp_ns: int) -> Detections:
        """The followed who are not given up, and those whom only the detector saw."""
        detected = run.future.result()
        known = pairs(run.boxes, detected.boxes, SAME_IOU)
        then = Detections(run.boxes, np.ones(len(run.boxes), np.float32))
        confirmed = set(self._unconfirmed(run.ids, then, detected, stamp_ns))
        given_up = set(self._missed_since) & set(run.ids) - {run.ids[row] for row in confirmed}
        self._missed_since = {i: s for i, s in self._missed_since.items() if i in ids}
        kept = [row for row, person in enumerate(ids) if person not in given_up]
        theirs = {col for row, col in known if run.ids[row] in ids}
        new = [col for col in range(len(detected)) if col not in theirs]
        return Detections(
            np.concatenate([detected.boxes[new], followed.boxes[kept]]),
            np.concatenate([detected.scores[new], followed.scores[kept]]),
        )


def _overlap(boxes: Floats) -> bool:
    """Whether any two of (N, 4) boxes do."""
    return bool((np.triu(iou(boxes, boxes), 1) >= OVERLAP).any())


class Stir:
    """Whether an image has changed, beside where people are, since the last one that was remembered."""

    def __init__(self) -> None:
        self._before: NDArray[np.int16] | None = None
        self._people: Floats = np.zeros((0, 4), np.float32)

    def reset(self) -> None:
        """The next image counts as changed."""
        self._before = None

    def remember(self, image: NDArray[np.uint8], boxes: Floats) -> None:
        """Later images are compared with this one; (N, 4) boxes of the people in it, px."""
        self._before, self._people = thumbnail(image), boxes

    def __call__(self, image: NDArray[np.uint8], boxes: Floats) -> bool:
        """Whether at least ``FEWEST`` of the thumbnail's cells changed outside all the boxes."""
        now = thumbnail(image)
        if self._before is None or self._before.shape != now.shape:
            return True
        changed = np.abs(now - self._before) >= CHANGED
        height, width = image.shape[:2]
        scale = np.array([now.shape[1] / width, now.shape[0] / height] * 2)
        for box in np.concatenate([self._people, boxes]):
            pad = MARGIN * max(box[2] - box[0], box[3] - box[1])
            x1, y1, x2, y2 = (box + np.array([-pad, -pad, pad, pad])) * scale
            changed[max(int(y1), 0) : max(int(y2) + 1, 0), max(int(x1), 0) : max(int(x2) + 1, 0)] = False
        return int(changed.sum()) >= FEWEST


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Single pixels, about 80 x 60 of them, of the green (or only) channel; whatever the image's size."""
    height, width = image.shape[:2]
    plane = image if image.ndim == 2 else image[..., 1]
    return plane[:: max(height // CELLS[1], 1), :: max(width // CELLS[0], 1)].astype(np.int16)
