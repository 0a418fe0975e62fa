"""Labelled movement clips, from video or motion capture, as the fusion task takes them.

Symbols: B clips, T poses of a window, K context encodings, P tokens of one, C their width.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from posemo_ros.emotion.estimator import MIN_SCORE
from posemo_ros.emotion.window import MAX_GAP_S, in_axes, upright
from posemo_ros.errors import InputError
from posemo_ros.interpolate import at_times

from .cameras import LEVEL

_log = logging.getLogger(__name__)
Floats = NDArray[np.float32]
# Parts of the body that something in front of it hides together (H36M-17).
PARTS = ((1, 2, 3), (4, 5, 6), (11, 12, 13), (14, 15, 16), (9, 10), (1, 2, 3, 4, 5, 6))
UP_AXES = {"camera": (0.0, -1.0, 0.0), "world": (0.0, 0.0, 1.0)}


@dataclass(frozen=True, eq=False)
class EmotionClip:
    """One acted movement.

    Attributes:
        name: Unique.
        emotion: Index into ``posemo_ros.types.EMOTIONS``.
        actor: Who moves.
        motion: Which recording it comes from; clips that differ in their background alone share it.
        times: (N,) seconds, rising.
        poses: (N, 17, 3) float32 metres relative to the pelvis.
        context_times: (M,) seconds, rising; empty without context.
        context: (M, P, C) encodings of the scene.
        axes: Of the poses: ``camera`` (y down) or ``world`` (z up).
        scores: (N,) how well the body is seen (``emotion.window.body_score``); empty: as well as can be.
    """

    name: str
    emotion: int
    actor: str
    motion: str
    times: NDArray[np.float64]
    poses: Floats
    context_times: NDArray[np.float64]
    context: NDArray[np.floating]
    axes: str = "camera"
    scores: Floats = field(default_factory=lambda: np.zeros(0, np.float32))


def unbroken(clip: EmotionClip) -> EmotionClip:
    """The longest piece in which the person is not lost for longer than the station puts up with.

    There a new movement begins; a window across the gap would show a person who glides along a line.
    """
    ends = [*(np.flatnonzero(np.diff(clip.times) > MAX_GAP_S) + 1), len(clip.times)]
    pieces = [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    longest = max(pieces, key=lambda p: float(clip.times[p][-1] - clip.times[p][0]))
    kept = {name: getattr(clip, name)[longest] for name in ("times", "poses", "scores")}
    return replace(clip, **kept)


class Acted(Protocol):
    """What can be told apart by who moved and what was recorded."""

    @property
    def actor(self) -> str:
        """Who moves."""
        ...

    @property
    def motion(self) -> str:
        """Which recording."""
        ...


def check_splits(read: Callable[[str], Sequence[Acted]], *, val_is_test: bool = False) -> None:
    """Refuse parts that share an actor or a recording: validation chooses, and may not know the test either.

    Args:
        read: ``train``, ``val`` or ``test`` to its clips.
        val_is_test: The data have no validation of their own, and say so.

    Raises:
        InputError: Some do; it names them.
    """
    for first, second in combinations(("train", "val", "test"), 2):
        if not (val_is_test and "val" in (first, second)):
            check_disjoint(read(first), read(second), f"{first} and {second}")


def check_disjoint(one: Iterable[Acted], other: Iterable[Acted], parts: str = "train and test") -> None:
    """Refuse two parts that share an actor or a recording.

    Raises:
        InputError: They do; it names them.
    """
    first, second = list(one), list(other)
    for what in ("actor", "motion"):
        shared = {getattr(c, what) for c in first} & {getattr(c, what) for c in second}
        if shared:
            raise InputError(
                f"{what}s in both {parts}: {sorted(shared)[:8]}; the result would not say how well "
                "unseen people are read. Move their clips to one split (see docs/training.md, "
                "'Video clips with emotions'), or set shared_actors: true to repeat such a protocol knowingly"
            )


@dataclass(frozen=True)
class Occlusion:
    """What is hidden from a window; hidden joints lie at the pelvis, hidden frames repeat the last one.

    Attributes:
        joints: Probability of each joint.
        parts: Probability that one of ``PARTS`` is hidden.
        frames: Probability of each frame.
    """

    joints: float = 0.0
    parts: float = 0.0
    frames: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is None or not 0 <= value <= 1:
                raise InputError(f"{name}: {value}; expected a probability, 0 to 1")

    def hide(self, poses: Floats, rng: np.random.Generator) -> Floats:
        """(T, 17, 3) to the same, a copy."""
        out = poses.copy()
        hidden = rng.random(out.shape[1]) < self.joints
        if rng.random() < self.parts:
            hidden[list(PARTS[int(rng.integers(len(PARTS)))])] = True
        out[:, hidden] = 0
        kept = rng.random(len(out)) >= self.frames
        kept[0] = True
        return out[np.maximum.accumulate(np.where(kept, np.arange(len(out)), 0))]


class EmotionWindows:
    """A torch data set of whole batches (``sampling.EpochSampler`` with epochs).

    Args:
        clips: Where to take the windows from.
        frames: T.
        rate_hz: Poses per second.
        axes: ``camera``: of a level camera where the clips are not recorded by one; ``upright``: see
            ``posemo_ros.emotion.window.upright``; ``image``: what a camera's image shows, every joint in
            the plane of the pelvis.
        context_frames: K; 0 for none.
        random_start: Windows begin anywhere in the clip; else in its middle.
        occlusion: What is hidden.
        shuffle_context: Every clip sees the scene of another one (a control experiment).
        seed: Of starts, occlusion and shuffling; they depend on (seed, epoch, index) only.
    """

    def __init__(
        self,
        clips: Sequence[EmotionClip],
        frames: int,
        rate_hz: float,
        *,
        axes: str = "camera",
        context_frames: int = 0,
        random_start: bool = False,
        occlusion: Occlusion | None = None,
        shuffle_context: bool = False,
        seed: int = 0,
    ) -> None:
        if not clips:
            raise InputError("no clips to take windows from")
        bare = [c.name for c in clips if context_frames and not len(c.context)]
        if bare:
            raise InputError(f"context_frames: {context_frames}, but clips have no context: {bare[:5]}")
        turned = [c for c in clips if c.axes != "camera"]
        if axes == "image" and turned:
            raise InputError(
                f"{turned[0].name}: {turned[0].axes} axes have no image plane; expected dimensions: 3"
            )
        self.clips, self.frames, self.rate_hz, self.axes = tuple(clips), frames, rate_hz, axes
        self._say_what_is_short()
        self._say_what_is_hardly_seen()
        self.context_frames, self.random_start = context_frames, random_start
        self.occlusion, self.seed = occlusion or Occlusion(), seed
        self.scene_of = order = np.arange(len(clips))
        if shuffle_context:  # a round dance: nobody keeps the own scene
            dance = np.random.default_rng(seed).permutation(order)
            self.scene_of = np.roll(dance, 1)[np.argsort(dance)]

    def _say_what_is_short(self) -> None:
        """The chain would not judge such movements."""
        span = (self.frames - 1.5) / self.rate_hz  # the station's, half a step is forgiven
        short = [c.name for c in self.clips if c.times[-1] - c.times[0] < span]
        if short:
            _log.warning(
                "%d of %d clips show a person for less than the %.1f s that the network looks at, such as "
                "%s: their windows end at rest. The chain says 'too few frames' of them, so figures on them "
                "are not those of the chain",
                len(short),
                len(self.clips),
                (self.frames - 1) / self.rate_hz,
                short[0],
            )

    def _say_what_is_hardly_seen(self) -> None:
        """The chain refuses half bodies; training learns from them."""
        hardly = [c.name for c in self.clips if len(c.scores) and c.scores.mean() < MIN_SCORE]
        if hardly:
            _log.warning(
                "%d of %d clips show arms or legs with a mean score below %g, such as %s. The chain says "
                "'low keypoint scores' of them, so figures on them are not those of the chain",
                len(hardly),
                len(self.clips),
                MIN_SCORE,
                hardly[0],
            )

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, keys: Sequence[tuple[int, int]]) -> dict[str, NDArray[np.generic]]:
        """A batch.

        Args:
            keys: (epoch, index) of every clip.

        Returns:
            ``movement`` (B, T, 17, 3), ``label`` (B,), ``index`` (B,) and, with context, ``context``
            (B, K, P, C).
        """
        windows = [self._window(epoch, index) for epoch, index in keys]
        batch: dict[str, NDArray[np.generic]] = {
            "movement": np.stack([poses for poses, _ in windows]),
            "label": np.array([self.clips[i].emotion for _, i in keys], np.int64),
            "index": np.array([i for _, i in keys], np.int64),
        }
        if self.context_frames:
            batch["context"] = np.stack([context for _, context in windows])
        return batch

    def _window(self, epoch: int, index: int) -> tuple[Floats, Floats]:
        clip, rng = self.clips[index], np.random.default_rng((self.seed, epoch, index))
        span = (self.frames - 1) / self.rate_hz
        slack = max(clip.times[-1] - clip.times[0] - span, 0.0)
        start = clip.times[0] + slack * (rng.random() if self.random_start else 0.5)
        poses = at_times(clip.times, clip.poses, start + np.arange(self.frames) / self.rate_hz)
        if self.axes == "upright":
            poses = upright(poses, UP_AXES[clip.axes])
        else:
            poses = in_axes(poses @ LEVEL.T if clip.axes == "world" else poses, self.axes)
        scene = self.clips[self.scene_of[index]]
        return self.occlusion.hide(poses, rng), self._context(scene, start - clip.times[0], span)

    def _context(self, clip: EmotionClip, start: float, span: float) -> Floats:
        """(K, P, C) the newest encodings known at evenly spaced times, as the emotion station does."""
        if not self.context_frames:
            return np.zeros((0, 0, 0), np.float32)
        wanted = clip.times[0] + start + np.linspace(0, span, self.context_frames)
        at = np.searchsorted(clip.context_times, wanted + 1e-6, side="right") - 1
        return np.asarray(clip.context[np.maximum(at, 0)], np.float32)
