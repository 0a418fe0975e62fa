"""Golden inputs: what the networks are given to find out whether a runtime answers rightly.

They come from the demo clip (its images, and the exact truth about its people), go through the
stations' own preparation and decoding, and are compared in the units a user sees: pixels,
metres, probabilities. Tolerances: boxes IoU 0.98; keypoints 1 px and 0.02 score; joints 2 mm;
probabilities 0.02; context features 2 % of their length.

Lower precision rounds: an answer the network itself is unsure of may jump to another place. What
that costs is measured elsewhere, on people kept apart (``ModelSpec.precision_loss``); here it must
only show that this machine computes it rightly: of every joint and of every person the median
keypoint or joint stays within twice the tolerance, and somebody among others gets the answer that
he gets alone, as far.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .detect.boxes import iou
from .detect.detector import Detector
from .emotion.context import ContextEncoder
from .emotion.estimator import EmotionEstimator
from .inference.manifest import ContextSpec, DetectSpec, EmotionSpec, KeypointSpec, LiftSpec, TaskSpec
from .inference.resources import share_dir
from .inference.session import Feeds, Outputs, Session, SessionLike
from .keypoints.estimator import KeypointEstimator
from .lift.lifter import Lifter
from .types import EMOTIONS, NEUTRAL, Context, Frame, People2D, Skeletons3D, View

IMAGES = (40, 160)  # of the demo clip
MAX_PX, MAX_SCORE, MIN_IOU, MAX_M, MAX_PROBABILITY, MAX_FEATURE = 1.0, 0.02, 0.98, 0.002, 0.02, 0.02
BORDER = 0.05  # a box so close to the threshold may be found by one and not by the other
SEEN = 0.3

Answers = list[NDArray[np.float32]]


@dataclass(frozen=True)
class Golden:
    """The golden test of one network.

    Attributes:
        ask: Gives the golden inputs to a station with this session; the station's answers.
        difference: What is wrong with the second answers, in words; empty when they agree with
            the first.
        rounded: The same, for second answers that were computed in a lower precision.
    """

    ask: Callable[[Session], Answers]
    difference: Callable[[Answers, Answers], str]
    rounded: Callable[[Answers, Answers], str]

    def feeds(self, session: Session) -> list[Feeds]:
        """What the network itself is given, in order."""
        tap = Tap(session)
        self.ask(tap)
        return tap.feeds

    def answers(self, session: Session, outputs: Sequence[Outputs]) -> Answers:
        """The station's answers when the network gives these outputs; ``session`` only describes it."""
        return self.ask(_Replay(session, outputs))


def golden_for(spec: TaskSpec) -> Golden:
    """The golden test for a manifest entry's task.

    Raises:
        InputError, ModelError: The demo clip is missing or damaged.
    """
    if isinstance(spec, DetectSpec):
        boxes_differ = _boxes_differ(spec.score_threshold)
        return Golden(lambda session: _boxes(session, spec), boxes_differ, boxes_differ)
    if isinstance(spec, KeypointSpec):
        return Golden(lambda session: _keypoints(session, spec), _keypoints_differ, _keypoints_rounded)
    if isinstance(spec, LiftSpec):
        return Golden(lambda session: _joints(session, spec), _within(MAX_M, "joints", "m"), _joints_rounded)
    if isinstance(spec, EmotionSpec):
        within = _within(MAX_PROBABILITY, "probabilities")
        return Golden(lambda session: _probabilities(session, spec), within, within)
    return Golden(lambda session: _features(session, spec), _features_differ, _features_differ)


class Tap(SessionLike):
    """Runs a session and keeps what it was fed."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self.feeds: list[Feeds] = []

    def run(self, feeds: Feeds) -> Outputs:
        """See ``Session``."""
        self.feeds.append({name: array.copy() for name, array in feeds.items()})
        return self._session.run(feeds)


class _Replay(SessionLike):
    """Gives recorded outputs, one after the other."""

    def __init__(self, session: Session, outputs: Sequence[Outputs]) -> None:
        super().__init__(session)
        self._outputs = iter(outputs)

    def run(self, feeds: Feeds) -> Outputs:
        return {name: array.copy() for name, array in next(self._outputs).items()}


def _boxes(session: Session, spec: DetectSpec) -> Answers:
    detector = Detector(session, spec, score_threshold=max(spec.score_threshold - BORDER, 0.0))
    found = [detector.detect(frame) for frame in _clip().frames]
    return [np.column_stack([d.boxes, d.scores]) for d in found]


def _boxes_differ(threshold: float) -> Callable[[Answers, Answers], str]:
    def difference(expected: Answers, given: Answers) -> str:
        for one, other in ((expected, given), (given, expected)):
            for a, b in zip(one, other, strict=True):
                sure = a[a[:, 4] >= threshold]
                overlap = iou(sure[:, :4], b[:, :4]).max(1, initial=0.0)
                if (overlap < MIN_IOU).any():
                    return f"boxes overlap by {overlap.min():.3f} only; expected {MIN_IOU}"
        return ""

    return difference


def _keypoints(session: Session, spec: KeypointSpec) -> Answers:
    estimator, clip = KeypointEstimator(session, spec), _clip()
    return [estimator.estimate(f, b) for f, b in zip(clip.frames, clip.boxes, strict=True)]


def _keypoints_differ(expected: Answers, given: Answers) -> str:
    one, other = np.concatenate(expected), np.concatenate(given)
    scores = np.abs(one[..., 2] - other[..., 2])
    if not scores.max() <= MAX_SCORE:
        return f"keypoint scores differ by up to {scores.max():.3f}; expected {MAX_SCORE}"
    seen = one[..., 2] >= SEEN
    pixels = np.linalg.norm(one[..., :2] - other[..., :2], axis=-1)[seen]
    if not (pixels <= MAX_PX).all():
        return f"keypoints differ by up to {pixels.max():.2f} px; expected {MAX_PX}"
    return ""


def _keypoints_rounded(expected: Answers, given: Answers) -> str:
    one, other = np.concatenate(expected), np.concatenate(given)
    pixels = np.linalg.norm(one[..., :2] - other[..., :2], axis=-1)
    pixels = np.where(np.isnan(pixels), np.inf, pixels)
    typical = _typical(np.where(one[..., 2] >= SEEN, pixels, np.nan))
    if not typical <= 2 * MAX_PX:
        return f"keypoints typically differ by {typical:.2f} px; expected {2 * MAX_PX} in lower precision"
    typical = _typical(np.abs(one[..., 2] - other[..., 2]))
    if not typical <= 2 * MAX_SCORE:
        return f"scores typically differ by {typical:.3f}; expected {2 * MAX_SCORE} in lower precision"
    return ""


def _joints_rounded(expected: Answers, given: Answers) -> str:
    one, other = np.concatenate(expected), np.concatenate(given)
    gap = np.where(np.isnan(one), np.nan, np.where(np.isnan(other), np.inf, np.abs(one - other)))
    typical = _typical(np.linalg.norm(gap, axis=-1))
    if not typical <= 2 * MAX_M:
        return f"joints typically differ by {typical:.4f} m; expected {2 * MAX_M} in lower precision"
    return ""


def _typical(gaps: NDArray[np.floating]) -> float:
    """Of (N, J) differences, NaN where nothing is known: the worst median of a person or a joint."""
    known = ~np.isnan(gaps)
    people, joints = gaps[known.any(1)], gaps[:, known.any(0)]
    return float(max(np.nanmedian(people, 1).max(initial=0), np.nanmedian(joints, 0).max(initial=0)))


def _joints(session: Session, spec: LiftSpec) -> Answers:
    lifter, clip = Lifter(session, spec), _clip()
    answers = [lifter.lift(people) for people in clip.people]
    return [a.relative for a in answers[-3:] if a is not None]


def _probabilities(session: Session, spec: EmotionSpec) -> Answers:
    """What the network believes; no emotion is ever reported, since an explanation asks the network again."""
    silent = replace(spec, thresholds=dict.fromkeys(EMOTIONS, 2.0)) if NEUTRAL in spec.labels else spec
    estimator, clip = EmotionEstimator(session, silent, min_confidence=0.0), _clip()
    if spec.context_frames:
        estimator.remember(_context(session))
    for skeletons in clip.skeletons:
        emotions = estimator.judge(skeletons)
    beliefs = [estimator.evidence(person) for person in emotions.ids]
    known = [b for b in beliefs if b is not None]
    return [np.stack(known)] if known else [emotions.probabilities]


def _context(session: Session) -> Context:
    """Made-up features of the width the network takes."""
    tokens, width = (
        size if size > 0 else standard
        for size, standard in zip(session.inputs[1].shape[2:], (50, 768), strict=True)
    )
    return Context(np.random.default_rng(0).normal(size=(tokens, width)).astype(np.float32), "")


def _features(session: Session, spec: ContextSpec) -> Answers:
    encoder = ContextEncoder(session, spec, "", rate_hz=0)
    return [encoder.encode(frame).tokens for frame in _clip().frames]


def _features_differ(expected: Answers, given: Answers) -> str:
    one, other = np.concatenate(expected), np.concatenate(given)
    share = np.linalg.norm(one - other, axis=-1) / np.linalg.norm(one, axis=-1)
    return (
        ""
        if (share <= MAX_FEATURE).all()
        else f"features differ by up to {share.max():.1%}; expected {MAX_FEATURE:.0%}"
    )


def _within(limit: float, what: str, unit: str = "") -> Callable[[Answers, Answers], str]:
    def difference(expected: Answers, given: Answers) -> str:
        one, other = np.concatenate(expected), np.concatenate(given)
        gap = np.abs(one - other)
        same = (np.isfinite(one) == np.isfinite(other)).all() and np.nanmax(gap, initial=0.0) <= limit
        return "" if same else f"{what} differ by up to {np.nanmax(gap):.4f} {unit}; expected {limit}"

    return difference


@dataclass(frozen=True, eq=False)
class _Clip:
    """What the golden inputs are made from.

    Attributes:
        frames: Images of the demo clip.
        boxes: Per image (N, 4) true boxes of those in view.
        people: A second of true keypoints.
        skeletons: A few seconds of true skeletons.
    """

    frames: list[Frame]
    boxes: list[NDArray[np.float32]]
    people: list[People2D]
    skeletons: list[Skeletons3D]


@lru_cache(maxsize=1)
def _clip() -> _Clip:
    from .replay.sources import open_source

    folder = share_dir("demo")
    with open_source(folder / "people.mp4") as source:
        images = {i: frame for i, frame in enumerate(source) if i <= max(IMAGES)}
    with np.load(folder / "people_truth.npz", allow_pickle=False) as truth:
        boxes, keypoints, joints, rate = (truth[k] for k in ("boxes", "keypoints", "joints3d", "fps"))
    frames = [images[i] for i in IMAGES]
    return _Clip(
        frames=frames,
        boxes=[boxes[i][np.isfinite(boxes[i]).all(-1)] for i in IMAGES],
        people=[
            _people(boxes[i], keypoints[i], replace(images[i], stamp_ns=round(i * 1e9 / float(rate))))
            for i in range(IMAGES[0], IMAGES[0] + 40)
        ],
        skeletons=[_skeletons(joints[i], round(i * 1e9 / float(rate))) for i in range(IMAGES[1])],
    )


def _people(boxes: NDArray[np.float32], keypoints: NDArray[np.float32], frame: Frame) -> People2D:
    names = tuple(f"p{i}" for i in range(len(boxes)))
    return People2D(names, boxes, np.ones(len(boxes), np.float32), keypoints, view=frame.view())


def _skeletons(joints: NDArray[np.float32], stamp_ns: int) -> Skeletons3D:
    names = tuple(f"p{i}" for i in range(len(joints)))
    scores = np.ones(joints.shape[:2], np.float32)
    return Skeletons3D(names, joints - joints[:, :1], joints[:, 0], scores, view=View(stamp_ns))
