"""Who is who from frame to frame.

**Why this module and no tracking library.** Looked at in November 2026: ``trackers`` (Roboflow,
Apache-2.0, well kept) is the best fit, but since 2.0 it demands NumPy >= 2.0.2, and ROS 2 Jazzy on
Ubuntu 24.04 has NumPy 1.26, with message types and ``cv_bridge`` compiled against it: to install it
would be to replace the NumPy under the very ROS it shall run in. ``norfair`` demands NumPy < 2 and
the abandoned ``filterpy``; ``supervision`` has removed its ByteTrack; ``boxmot`` and ``ultralytics``
are AGPL. All but the newest ``trackers`` count frames where this chain needs seconds: a robot's
camera runs at 5 to 60 Hz, with gaps. So the association here is SciPy's ``linear_sum_assignment``,
as in all of these, and the rest is the small part below; a test runs the same scenes through
``trackers`` where that is installed and asks for fewer identity switches.

**What it does.** Every track has a last box and a smoothed velocity, in pixels per second. A
frame's boxes go to the predicted tracks, those of the frame before and the lost ones alike, so that
overlap plus nearness is largest in all. How far a box may lie from the prediction grows with the
time since it was seen, in body heights: people, not pixels, set the scale. Whoever stays unmatched
is a new person at once; a flicker at one place is the same lost track again, so it does not use up
ids. Who was hidden comes back as tall and in the same clothes (``lost``).

**How good it is.** In made-up crowds (``evaluate/crowds.py``; the constants below were chosen on
others) it switches ids about half as often as ByteTrack, or less, at 5 to 60 Hz: ``posemo evaluate
tracker`` prints the table, docs/evaluation.md has it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..types import Detections, Floats
from .boxes import inside, iou
from .looks import CHANNELS, blend, overlapped
from .lost import NEVER, another_height, other_clothes

MAX_SPEED = 3.0  # body heights per second that nobody's unforeseen motion exceeds: about 5 m/s
REACH = 0.3  # body heights a box may be off at no distance in time
MAX_REACH = 1.0  # body heights, after a long time
SMOOTHING_S = 0.25  # time constant of the velocity
COASTING_S = 0.5  # a lost person goes on at their velocity, which fades with this time constant
MIN_SIMILARITY = 0.2
HANDICAP = 0.3  # of similarity, for a track that was not seen
HANDICAP_S = 0.2  # for this long or longer


@dataclass(frozen=True, eq=False)
class _Track:
    """A person's last sighting: box (4,) float64 px, velocity (2,) px/s, stamp in ns, and (6,) look."""

    id: str
    box: NDArray[np.float64]
    velocity: NDArray[np.float64]
    stamp_ns: int
    look: Floats

    def predict(self, stamp_ns: int) -> NDArray[np.float64]:
        """(4,) box at a later time."""
        gap = (stamp_ns - self.stamp_ns) / 1e9
        travelled = self.velocity * COASTING_S * -math.expm1(-gap / COASTING_S)
        return self.box + np.tile(travelled, 2)

    def seen(self, box: NDArray[np.float64], look: Floats, stamp_ns: int) -> _Track:
        """The track with another sighting."""
        gap = (stamp_ns - self.stamp_ns) / 1e9
        look = blend(self.look, look, gap)
        if gap <= 0:
            return _Track(self.id, box, self.velocity, stamp_ns, look)
        moved = (_centre(box) - _centre(self.box)) / gap
        velocity = self.velocity - math.expm1(-gap / SMOOTHING_S) * (moved - self.velocity)
        return _Track(self.id, box, velocity, stamp_ns, look)


class PersonTracker:
    """Gives every person an id that stays while they are in view and through short occlusion.

    The same boxes and stamps give the same ids: p1, p2, ... in the order of appearance.

    Attributes:
        max_lost_s: Whoever was not seen for longer than this is somebody new, unless they were in the image
            before: between two images of a slow camera nobody is lost.
    """

    def __init__(self, *, max_lost_s: float = 2.0) -> None:
        # Half a second to load: not for the nodes and commands that track nobody, nor at the first image.
        from scipy.optimize import linear_sum_assignment

        self.max_lost_s = max_lost_s
        self._assign = linear_sum_assignment
        self.start()

    def start(self) -> None:
        """As new: the next person is p1. For another recording, whose results are its own."""
        self._count = 0
        self.reset()

    def reset(self) -> None:
        """Forget everybody. Ids go on counting, so none is ever used twice."""
        self._tracks: tuple[_Track, ...] = ()
        self._before_ns = 0

    def track(
        self,
        detections: Detections,
        stamp_ns: int,
        size: tuple[int, int] | None = None,
        looks: Floats | None = None,
    ) -> tuple[tuple[str, ...], Detections]:
        """Name the people of the next frame; stamps never go back (see ``Timeline``).

        Args:
            detections: Boxes of all the people in the frame, detected or followed.
            stamp_ns: Of the frame.
            size: Its width and height, px; None: nobody is known to walk out of it, or to be whole.
            looks: (N, 6) what the people in the boxes wear, see ``looks.looks_of``; None: not known.

        Returns:
            An id per box, and the boxes in the same order, without those that are not finite.
        """
        finite = np.asarray(np.isfinite(detections.boxes).all(axis=1))
        detections = Detections(detections.boxes[finite], detections.scores[finite])
        looks = np.full((len(finite), CHANNELS), np.nan, np.float32) if looks is None else looks
        looks = looks[finite]
        oldest = min(stamp_ns - round(self.max_lost_s * 1e9), self._before_ns)
        tracks = [t for t in self._tracks if t.stamp_ns >= oldest]
        before_ns, self._before_ns = self._before_ns, stamp_ns
        similarity = _similarity(tracks, detections.boxes, stamp_ns)
        heights, clothes = _against(tracks, detections.boxes, looks, stamp_ns, before_ns, size)
        mixed = overlapped(detections.boxes)
        surely = np.where(mixed & (heights < NEVER), 0, heights + clothes)
        owners = self._associate(tracks, similarity - heights - clothes, similarity - surely, stamp_ns)
        looks = np.where(mixed[:, None], np.float32(np.nan), looks)
        boxes = detections.boxes.astype(np.float64)
        current = tuple(
            self._new(box, look, stamp_ns) if owner is None else owner.seen(box, look, stamp_ns)
            for box, look, owner in zip(boxes, looks, owners, strict=True)
        )
        named = {t.id for t in current}
        self._tracks = (*current, *(t for t in tracks if t.id not in named))
        return tuple(t.id for t in current), detections

    def _associate(
        self,
        tracks: Sequence[_Track],
        likeness: NDArray[np.float64],
        worth: NDArray[np.float64],
        stamp_ns: int,
    ) -> list[_Track | None]:
        """The track of every box, None for somebody new.

        Args:
            tracks, stamp_ns: Who may be in the boxes, and when.
            likeness: (tracks, boxes) decides who is the best.
            worth: (tracks, boxes) decides whether the best is good enough: somebody who comes out from behind
                somebody else wears their clothes at first, to a camera, and is cut off, and not new for that.
        """
        owners: list[_Track | None] = [None] * likeness.shape[1]
        # A tie goes to whoever was there just now, not to the one hidden behind.
        handicap = HANDICAP * np.minimum(_gaps(tracks, stamp_ns) / HANDICAP_S, 1)
        rows, cols = self._assign(np.maximum(likeness, 0) - handicap[:, None], maximize=True)
        for row, col in zip(rows, cols, strict=True):
            if worth[row, col] >= MIN_SIMILARITY:
                owners[col] = tracks[row]
        return owners

    def _new(self, box: NDArray[np.float64], look: Floats, stamp_ns: int) -> _Track:
        self._count += 1
        return _Track(f"p{self._count}", box, np.zeros(2), stamp_ns, look)


def _centre(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((boxes[..., :2] + boxes[..., 2:]) / 2, np.float64)


def _gaps(tracks: Sequence[_Track], stamp_ns: int) -> NDArray[np.float64]:
    """(tracks,) seconds since they were seen."""
    return np.array([(stamp_ns - t.stamp_ns) / 1e9 for t in tracks], np.float64)


def _predicted(tracks: Sequence[_Track], stamp_ns: int) -> NDArray[np.float64]:
    """(tracks, 4) boxes, px."""
    return np.array([t.predict(stamp_ns) for t in tracks], np.float64).reshape(-1, 4)


def _similarity(tracks: Sequence[_Track], boxes: Floats, stamp_ns: int) -> NDArray[np.float64]:
    """(tracks, boxes) overlap plus nearness in place and size, 0 to 2."""
    predicted, gaps = _predicted(tracks, stamp_ns), _gaps(tracks, stamp_ns)
    seen = boxes.astype(np.float64)
    sizes, seen_sizes = _size(predicted)[:, None], _size(seen)[None]
    offset = np.linalg.norm(_centre(predicted)[:, None] - _centre(seen)[None], axis=2)
    distance = offset / np.sqrt(sizes * seen_sizes) + np.abs(np.log(seen_sizes / sizes))
    reach = np.minimum(REACH + MAX_SPEED * gaps, MAX_REACH)[:, None]
    nearness = np.where(distance < reach, 1 - distance / MAX_REACH, 0)
    known = predicted.astype(np.float32)
    # Somebody who comes into the image grows out of their first box: half counts for being inside.
    grown = 0.5 * np.maximum(inside(known, boxes), inside(boxes, known).T)
    return np.asarray(nearness + np.maximum(iou(known, boxes), grown), np.float64)


def _against(
    tracks: Sequence[_Track],
    boxes: Floats,
    looks: Floats,
    stamp_ns: int,
    before_ns: int,
    size: tuple[int, int] | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(tracks, boxes) twice: what height and clothes say against those who were lost, as similarity."""
    heights, clothes = np.zeros((2, len(tracks), len(boxes)))
    rows = [i for i, track in enumerate(tracks) if track.stamp_ns < before_ns]
    if rows:
        lost = [tracks[i] for i in rows]
        clothes[rows] = other_clothes(np.stack([t.look for t in lost]), looks)
        if size is not None:
            before, now = np.stack([t.box for t in lost]), _predicted(lost, stamp_ns)
            heights[rows] = another_height(before, now, boxes.astype(np.float64), size)
    return heights, clothes


def _size(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) longer side, px."""
    return np.asarray(np.maximum((boxes[:, 2:] - boxes[:, :2]).max(axis=1), 1e-6), np.float64)
