"""The lifting station: 2D keypoints over time in, 3D skeletons in the camera frame out."""

from __future__ import annotations

import math
from collections import deque
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..camera import Camera
from ..errors import InputError
from ..inference.manifest import UP_CHANNELS, LiftSpec
from ..inference.session import Session
from ..settings import KEYPOINT_THRESHOLD
from ..skeleton import COCO17, H36M17, JOINT_SETS, h36m_from_coco
from ..types import Floats, People2D, Skeletons3D, View
from .depth import DepthImage, scales
from .ground import Ground, GroundSizes
from .normalise import decode_person, encode_person, encode_screen
from .place import place
from .smooth import OneEuroFilter
from .window import MAX_GAP_S, Track

MIN_JOINTS = 4
FASTEST_HZ = 240.0  # of cameras
_MAX_GAP_FRAMES = 5.0  # where frames have no duration
REMEMBERED_NS = 2_000_000_000


class DepthSource(Protocol):
    """Who has depth images."""

    def at(self, view: View) -> DepthImage | None:
        """That of a picture, fitting it; None when there is none."""

    def used(self, measured: int, people: int, reason: str) -> None:
        """For how many people it was used, and why not for one of the others."""


class Lifter:
    """Sliding windows of all persons, lifted in one batch.

    The network sees F poses around the one it answers for. Windows are read at the rate the
    network was trained on (``spec.rate_hz``), whatever the rate of the stream.

    Args:
        session: Of the lifting network.
        spec: Its manifest entry.
        delay_frames: How many later images (of the stream) an answer waits for. 0: the future
            is padded with the newest pose, and every image is answered at once. More than
            ``images_ahead`` are of no use.
        min_score: Keypoints below it count as not seen: they are filled in from the person's other
            frames, with score 0. May change at any time, as an attribute.
        smoothing_hz: Lowest cut-off of the 1€ filter over the answers; 0: none. Lower is calmer
            and lags more.

    Attributes:
        depth: Where depth images come from; None: sizes are those of the bodies in the training.
        sizes: Whether the floor is known (``sizes.ground``), and what it says where depth images do not.
        up: (3,) straight up in the camera's optical frame, for networks that can be told (``told``);
            None: not known. May change at any time.

    Raises:
        InputError: ``delay_frames`` is negative or more than any camera needs, or ``smoothing_hz`` is
            negative.
    """

    def __init__(
        self,
        session: Session,
        spec: LiftSpec,
        *,
        delay_frames: int = 0,
        min_score: float = KEYPOINT_THRESHOLD,
        smoothing_hz: float = 0.0,
    ) -> None:
        half, longest = (spec.frames - 1) // 2, images_ahead(spec, FASTEST_HZ)
        if not 0 <= delay_frames <= longest:
            at = f" at {FASTEST_HZ:g} images a second" if spec.rate_hz else ""
            raise InputError(
                f"delay_frames: {delay_frames} is outside 0 .. {longest}, half the model's window{at}"
            )
        if not smoothing_hz >= 0:
            raise InputError(f"smoothing_hz: {smoothing_hz}; expected a frequency, or 0 for no smoothing")
        self.session, self._spec = session, spec
        self._smoother = OneEuroFilter(smoothing_hz) if smoothing_hz else None
        self._delay, self.min_score = delay_frames, min_score
        self._offsets = np.arange(-half, half + 1) / (spec.rate_hz or 1.0)
        self.depth: DepthSource | None = None
        self.sizes = GroundSizes()
        self.up: NDArray[np.floating] | None = None
        self._max_gap = MAX_GAP_S if spec.rate_hz else _MAX_GAP_FRAMES
        self.reset()

    def know(self, ground: Ground | None) -> None:
        """Where the floor is, for the sizes of people, and so which way is up; None: not known."""
        self.sizes.ground, self.up = ground, None if ground is None else ground.up

    @property
    def told(self) -> bool:
        """Whether the network makes use of ``up``."""
        return self._spec.channels == UP_CHANNELS

    def reset(self) -> None:
        """Forget everybody."""
        self._tracks: dict[str, Track] = {}
        self._waiting: deque[tuple[float, People2D]] = deque()
        self._first_ns: int | None = None
        self._count = 0
        self._factors: dict[str, tuple[int, float]] = {}
        self.sizes.reset()
        if self._smoother:
            self._smoother.reset()

    def lift(self, people: People2D) -> Skeletons3D | None:
        """Take the people of one more image; stamps never go back (see ``Timeline``).

        Args:
            people: N persons; without intrinsics in their view a 60 degree lens is assumed.

        Returns:
            The skeletons of the image ``delay_frames`` before this one; None as long as there is
            no such image.
        """
        stamp_ns = people.stamp_ns
        if self._first_ns is None:
            self._first_ns = stamp_ns
        time = (stamp_ns - self._first_ns) * 1e-9 if self._spec.rate_hz else float(self._count)
        self._count += 1
        self._remember(time, people)
        self._waiting.append((time, people))
        return self._answer(*self._waiting.popleft()) if len(self._waiting) > self._delay else None

    def flush(self) -> list[Skeletons3D]:
        """The skeletons still owed, oldest first, as if no further image came; then forget everybody."""
        late = [self._answer(time, people) for time, people in self._waiting]
        self.reset()
        return late

    def _remember(self, time: float, people: People2D) -> None:
        points, scores = self._points(people)
        for i, person in enumerate(people.ids):
            track = self._tracks.setdefault(person, Track(self._max_gap))
            track.append(time, points[i], scores[i])

    def _points(self, people: People2D) -> tuple[Floats, Floats]:
        """(N, J, 2) viewing rays or screen coordinates, NaN where missing; (N, J) scores."""
        keypoints, view = people.keypoints, people.view
        joints = keypoints if self._spec.input_joints == COCO17.name else h36m_from_coco(keypoints)
        missing = ~np.isfinite(joints).all(-1) | (joints[..., 2] < self.min_score)
        if self._spec.normalisation == "person":
            points = _camera(view).rays(joints[..., :2])[..., :2].astype(np.float32)
        else:
            points = encode_screen(joints[..., :2], view.width, view.height)
        points[missing] = np.nan
        return points, np.where(missing, np.float32(0), joints[..., 2]).astype(np.float32)

    def _answer(self, time: float, people: People2D) -> Skeletons3D:
        times = time + self._offsets
        count = len(people)
        if count:
            windows = [self._tracks[person].at(times) for person in people.ids]
            answer = self._infer(np.stack([w[0] for w in windows]), np.stack([w[1] for w in windows]))
        else:
            answer = np.zeros((0, len(H36M17), 3), np.float32)
        relative, scores = answer[..., :3], _h36m_scores(people.keypoints, _camera(people.view))
        if answer.shape[-1] > 3:  # the network says how sure it is
            scores = np.minimum(scores, np.nan_to_num(answer[..., 3]))
        self._prune(float(times[0]))
        roots = place(relative, people.keypoints, _camera(people.view), min_score=self.min_score)
        factors, measured = self._measure(people, relative, roots)
        relative, roots = relative * factors[:, None, None], roots * factors[:, None]
        relative, roots = self._smooth(people, relative, roots)
        return Skeletons3D(people.ids, relative, roots, scores, measured, view=people.view)

    def _measure(self, people: People2D, relative: Floats, roots: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """(N,) how much larger everybody is than was assumed, and (N,) whether the depth says so just now.

        Somebody whose depth is not known for a moment stays as large as before; who has none at all is as
        large as their feet on a known floor say.
        """
        nobody, standing = np.zeros(len(people), np.bool_), self.sizes.of(people, relative, roots)
        if self.depth is None:
            return standing, nobody
        found, now = self.depth.at(people.view), people.stamp_ns
        self._factors = {k: v for k, v in self._factors.items() if 0 <= now - v[0] <= REMEMBERED_NS}
        measured = nobody
        if found is not None:
            scaled = scales(relative, roots, people.keypoints, people.view, found, self.min_score)
            measured = np.isfinite(scaled.factors)
            for row in np.flatnonzero(measured):
                self._factors[people.ids[row]] = (now, float(scaled.factors[row]))
            self.depth.used(int(measured.sum()), len(people), scaled.reason)
        factors = [self._factors.get(n, (0, k))[1] for n, k in zip(people.ids, standing, strict=True)]
        return np.array(factors, np.float32), measured

    def _smooth(self, people: People2D, relative: Floats, roots: Floats) -> tuple[Floats, Floats]:
        """Joints and pelvis positions, filtered where that is asked for."""
        if self._smoother is None:
            return relative, roots
        both = np.concatenate([relative, roots[:, None]], 1)
        seconds = (people.stamp_ns - (self._first_ns or 0)) * 1e-9  # exact, whatever the clock's origin
        calm = self._smoother.smooth(seconds, people.ids, both)
        return calm[:, :-1], calm[:, -1]

    def _infer(self, points: Floats, scores: Floats) -> Floats:
        """(N, F, J, 2) points and (N, F, J) scores to (N, 17, 3 or 4); NaN for people hardly ever seen."""
        batch, rotation = encode(points, scores, self._spec, self.up)
        if self._spec.flip_test:
            both = self._run(np.concatenate([batch, _mirrored(batch, self._spec)]))
            answer = 0.5 * (both[: len(batch)] + H36M17.mirrored(both[len(batch) :]))
        else:
            answer = self._run(batch)
        if rotation is not None:
            turned = decode_person(answer[..., :3], rotation)
            answer = np.concatenate([turned, answer[..., 3:]], -1)
        seen = (scores > 0).any(1).sum(1) >= MIN_JOINTS
        return np.where(seen[:, None, None], answer, np.float32(np.nan))

    def _run(self, batch: Floats) -> Floats:
        """(N, F, J, channels) to (N, 17, 3 or 4): metres, pelvis at the origin, and how sure."""
        answer = self.session.run({self.session.inputs[0].name: batch})[self.session.outputs[0].name]
        answer = np.array(answer, np.float32).reshape(len(batch), len(H36M17), -1)
        answer[..., :3] -= answer[:, :1, :3]
        return answer

    def _prune(self, oldest: float) -> None:
        """Later windows start after ``oldest``: drop what lies before, and who was only seen before."""
        self._tracks = {k: t for k, t in self._tracks.items() if t.newest >= oldest}
        for track in self._tracks.values():
            track.forget_before(oldest)


def images_ahead(spec: LiftSpec, images_per_s: float) -> int:
    """Images of a stream that half a network's window lasts, so that an answer is the centre frame's."""
    half = (spec.frames - 1) // 2
    return math.ceil(half * images_per_s / spec.rate_hz - 1e-6) if spec.rate_hz else half


def _camera(view: View) -> Camera:
    return view.camera or Camera.from_fov(view.width, view.height)


def encode(
    points: Floats, scores: Floats, spec: LiftSpec, up: NDArray[np.floating] | None = None
) -> tuple[Floats, NDArray[np.floating] | None]:
    """The network's input; shared with training.

    Args:
        points: (N, F, J, 2) viewing rays at z = 1 (``person``) or screen coordinates; NaN for
            joints never seen.
        scores: (N, F, J), 0 where missing or filled in.
        spec: Says which normalisation, joint set and channels.
        up: (3,) or (N, 3) straight up, in the camera's frame; 0, 0, 0 or None where it is not known.

    Returns:
        (N, F, J, channels) float32, and for ``person`` the (N, 3, 3) rotation to undo.
    """
    rotation = None
    if spec.normalisation == "person":
        view = encode_person(points, scores, spec.input_joints)
        points, rotation = view.xy, view.rotation
    channels = [np.nan_to_num(points)]
    if spec.channels > 2:
        channels.append(scores[..., None])
    if spec.channels == UP_CHANNELS:
        turned = np.zeros((len(points), 3)) if up is None or rotation is None else _turned(rotation, up)
        channels.append(np.broadcast_to(turned[:, None, None], (*scores.shape, 3)))
    return np.ascontiguousarray(np.concatenate(channels, -1), np.float32), rotation


def _turned(rotation: NDArray[np.floating], vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    """(3,) or (N, 3) vectors in the axes of (N, 3, 3) virtual cameras, (N, 3)."""
    return np.asarray((rotation @ vectors[..., None])[..., 0])


def _mirrored(batch: Floats, spec: LiftSpec) -> Floats:
    out = JOINT_SETS[spec.input_joints].mirrored(batch)
    if spec.channels == UP_CHANNELS:
        out[..., 3] *= -1  # x of the direction straight up
    return out


def _h36m_scores(keypoints: Floats, camera: Camera) -> Floats:
    """(N, 17) scores of the H36M joints, 0 where a keypoint is missing or the lens describes no ray to it."""
    joints = h36m_from_coco(keypoints)
    known = np.isfinite(joints).all(-1) & np.isfinite(camera.rays(joints[..., :2])).all(-1)
    return np.where(known, joints[..., 2], np.float32(0)).astype(np.float32)
