"""CMU motion capture clips: loading, and sampling of movement windows.

The file ``cmu_mocap/cmu_h36m17.npz`` is described in the data folder's README. Frames marked as
damaged are never read: a clip is cut into segments of consecutive good frames.
"The data used in this project was obtained from mocap.cs.cmu.edu. The database was created with
funding from NSF EIA-0196217."
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posemo_ros.evaluate.clips import good_runs, read_arrays, with_face

from .body import Floats

FILE = Path("cmu_mocap") / "cmu_h36m17.npz"
# All clips share one skeleton, 1.65 m tall. That is also how tall grown-ups of all countries are in the
# mean (NCD-RisC, "A century of trends in adult human height", eLife 2016: 1.71 and 1.59 m).


@dataclass(frozen=True, eq=False)
class Motion:
    """Clips of one split.

    Attributes:
        body: (N, 22, 3) float32 metres, z up; see ``body.NAMES``.
        starts, ends: (S,) first frame, and frame after the last, of every segment.
        actions: S names.
        clips: S names of the clips.
        fps: Frames per second.
    """

    body: Floats
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    actions: tuple[str, ...]
    clips: tuple[str, ...]
    fps: float

    def __len__(self) -> int:
        return len(self.starts)

    def only(self, wanted: Callable[[str], bool]) -> Motion:
        """The segments of some clips, chosen by the clip's name."""
        chosen = [i for i, clip in enumerate(self.clips) if wanted(clip)]
        return replace(
            self,
            starts=self.starts[chosen],
            ends=self.ends[chosen],
            actions=tuple(self.actions[i] for i in chosen),
            clips=tuple(self.clips[i] for i in chosen),
        )


def load(data: Path, split: str, *, min_frames: int = 24) -> Motion:
    """Read the clips of a split, ``train`` or ``test``; segments shorter than ``min_frames`` are left out.

    Raises:
        InputError: The file is not there or has another form.
    """
    arrays = read_arrays(data / FILE)
    bounds, chosen = arrays["clip_start"], np.flatnonzero(arrays["split"] == split)
    segments = [
        (clip, bounds[clip] + run.start, bounds[clip] + run.stop)
        for clip in chosen
        for run in good_runs(arrays["frame_ok"][bounds[clip] : bounds[clip + 1]], min_frames)
    ]
    body = with_face(arrays["positions"], arrays["head_forward"], arrays["head_left"])
    return Motion(
        body=body.astype(np.float32),
        starts=np.array([s[1] for s in segments]),
        ends=np.array([s[2] for s in segments]),
        actions=tuple(str(arrays["action"][s[0]]) for s in segments),
        clips=tuple(str(arrays["clip_names"][s[0]]) for s in segments),
        fps=float(arrays["fps"]),
    )


def sample(motion: Motion, rng: np.random.Generator, count: int, offsets: NDArray[np.floating]) -> Floats:
    """Random windows; rare actions are drawn more often than their share of the frames.

    Args:
        motion: Where to draw from.
        rng: Source of chance.
        count: B.
        offsets: (F,) or (B, F) seconds from each window's own instant.

    Returns:
        (B, F, 22, 3); at the ends of a segment the first or last pose stands still.
    """
    lengths = (motion.ends - motion.starts).astype(float)
    names, action = np.unique(motion.actions, return_inverse=True)
    per_action = np.bincount(action, lengths, len(names))
    weight = lengths / np.sqrt(per_action[action])
    chosen = rng.choice(len(motion), count, p=weight / weight.sum())
    instant = motion.starts[chosen] + rng.random(count) * lengths[chosen]
    return read(motion, chosen, instant[:, None] + np.asarray(offsets) * motion.fps)


def read(motion: Motion, segments: NDArray[np.int64], frames: NDArray[np.floating]) -> Floats:
    """(B, F, 22, 3) at fractional frame numbers (B, F), straight lines between frames."""
    first, last = motion.starts[segments, None], motion.ends[segments, None] - 1
    at = np.clip(frames, first, last)
    low = np.minimum(at.astype(np.int64), last - 1)
    part = (at - low).astype(np.float32)[..., None, None]
    return motion.body[low] * (1 - part) + motion.body[low + 1] * part
