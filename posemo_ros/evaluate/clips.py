"""Motion clips to measure on: one .npz file, in the form that docs/evaluation.md describes.

Symbols: N frames of the file, C clips, T frames of a clip as it is filmed, B = 22 points of a body:
the joints of H36M-17, then nose, left eye, right eye, left ear, right ear.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..archives import read_npz
from ..errors import InputError
from ..interpolate import at_times
from ..skeleton import H36M17
from ..types import EMOTIONS, NEUTRAL, Floats

FILM_HZ = 30.0  # of the virtual cameras; slower recordings are filmed at their own rate
PAGE = "docs/evaluation.md describes the form"
_SHAPES = {"positions": "(N, 17, 3)", "clip_start": "(C + 1,)", "clip_names": "(C,)", "fps": "one number"}
# Nose, eyes, ears from the middle of the head: metres forward, left, up (rough anthropometry).
_FACE_M = np.array(
    [[0.105, 0, -0.035], [0.085, 0.032, 0], [0.085, -0.032, 0], [0, 0.075, -0.01], [0, -0.075, -0.01]]
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Clip:
    """One recorded movement, as a film would sample it.

    Attributes:
        name: Unique in its file.
        rate_hz: Frames per second.
        body: (T, 22, 3) float32 metres, z up.
        ok: (T,) False: damaged or unknown, not to be used.
        emotion: Its label, one of ``EMOTIONS``; empty when the file has none.
    """

    name: str
    rate_hz: float
    body: Floats
    ok: NDArray[np.bool_]
    emotion: str = ""


def good_runs(ok: NDArray[np.bool_], shortest: int = 2) -> list[slice]:
    """Stretches of (T,) with at least that many good frames in a row."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], ok, [False]]).astype(int)))
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [slice(int(a), int(b)) for a, b in pairs if b - a >= shortest]


def read_clips(path: Path, *, labelled: bool = False) -> list[Clip]:
    """The clips of a file; those of the split ``test`` where it names splits.

    Args:
        path: File in the form of docs/evaluation.md.
        labelled: Emotions are needed.

    Raises:
        InputError: The file cannot be read, or an array is missing, has another shape or a label
            that nobody knows.
    """
    arrays = read_arrays(path, labelled=labelled)
    chosen = _test_split(path, arrays)
    clips = [_clip(arrays, i, labelled) for i in chosen]
    _check_units_and_axes(path, clips)
    return clips


def read_arrays(path: Path, *, labelled: bool = False) -> dict[str, NDArray[Any]]:
    """The checked content of a file of clips, see ``read_clips``."""
    arrays = read_npz(path, "clips")
    _check(path, arrays, labelled)
    return arrays


def _check(path: Path, arrays: Mapping[str, NDArray[Any]], labelled: bool) -> None:
    needed = [*_SHAPES, *(["emotion"] if labelled else [])]
    missing = [name for name in needed if name not in arrays]
    if missing:
        raise InputError(f"{path}: no array {missing[0]!r} (needed: {', '.join(needed)}); {PAGE}")
    positions, start, names = (arrays[n] for n in ("positions", "clip_start", "clip_names"))
    frames, clips = len(positions) if positions.ndim else 0, max(start.size - 1, 0)
    _expect(path, arrays, "positions", (frames, len(H36M17), 3))
    _expect(path, arrays, "clip_start", (names.size + 1,))
    _expect(path, arrays, "clip_names", (clips,))
    per_frame = {"frame_ok": (frames,), "head_forward": (frames, 3), "head_left": (frames, 3)}
    per_clip = {"split": (clips,), **({"emotion": (clips,)} if labelled else {})}
    for name, shape in {**per_frame, **per_clip}.items():
        if name in arrays:
            _expect(path, arrays, name, shape)
    numbers = [n for n in ("positions", "clip_start", "fps", *list(per_frame)[1:]) if n in arrays]
    wrong = [n for n in numbers if arrays[n].dtype.kind not in "fiu"]
    if wrong:
        raise InputError(f"{path}: '{wrong[0]}' holds {arrays[wrong[0]].dtype}; expected numbers")
    if not clips or start[0] != 0 or start[-1] != frames or (np.diff(start.astype(np.int64)) <= 0).any():
        raise InputError(
            f"{path}: 'clip_start' must rise from 0 to {frames}, the number of frames: clip i is "
            "positions[clip_start[i]:clip_start[i + 1]]"
        )
    called = Counter(_text(name) for name in names)
    if again := [name for name, count in called.items() if count > 1]:
        raise InputError(
            f"{path}: several clips are called {again[0]!r}; expected a name of its own for each, by which "
            "they are reported and compared"
        )
    if arrays["fps"].size != 1 or not 0 < float(arrays["fps"].reshape(-1)[0]) < 10000:
        raise InputError(f"{path}: 'fps' is {arrays['fps'].tolist()}; expected frames per second, one number")
    if "head_joint" in arrays and _head_joint(arrays) not in ("middle", "crown"):
        raise InputError(f"{path}: 'head_joint' is {_head_joint(arrays)!r}; expected 'middle' or 'crown'")
    if labelled:
        _check_labels(path, arrays["emotion"], names)


def _expect(path: Path, arrays: Mapping[str, NDArray[Any]], name: str, shape: tuple[int, ...]) -> None:
    if arrays[name].shape != shape:
        wanted = f", {_SHAPES[name]}" if name in _SHAPES else ""
        raise InputError(f"{path}: '{name}' has shape {arrays[name].shape}; expected {shape}{wanted}; {PAGE}")


def _check_labels(path: Path, labels: NDArray[Any], names: NDArray[Any]) -> None:
    for label, name in zip(labels, names, strict=True):
        if _text(label) not in LABELS:
            raise InputError(
                f"{path}: clip {_text(name)!r} has the emotion {_text(label)!r}; known: {', '.join(LABELS)}"
            )


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _test_split(path: Path, arrays: Mapping[str, NDArray[Any]]) -> list[int]:
    if "split" not in arrays:
        return list(range(len(arrays["clip_names"])))
    splits = [_text(s) for s in arrays["split"]]
    chosen = [i for i, split in enumerate(splits) if split == "test"]
    if not chosen:
        raise InputError(
            f"{path}: 'split' has no clip 'test', only {', '.join(sorted(set(splits)))}; mark the clips to "
            "measure on, or leave the array out to take all"
        )
    return chosen


def _clip(arrays: Mapping[str, NDArray[Any]], index: int, labelled: bool) -> Clip:
    part = slice(int(arrays["clip_start"][index]), int(arrays["clip_start"][index + 1]))
    joints = arrays["positions"][part].astype(np.float64)
    axes = [_rows(arrays, name, part) for name in _HEAD_AXES]
    body = with_face(joints, *axes, crown=_head_joint(arrays) == "crown")
    ok: NDArray[np.bool_] = np.asarray(np.isfinite(body).all((1, 2)))
    if "frame_ok" in arrays:
        ok = ok & arrays["frame_ok"][part].astype(np.bool_)
    fps = float(arrays["fps"].reshape(-1)[0])
    body, ok, rate_hz = _filmed(np.nan_to_num(body), ok, fps)
    emotion = _text(arrays["emotion"][index]) if labelled else ""
    return Clip(_text(arrays["clip_names"][index]), rate_hz, body.astype(np.float32), ok, emotion)


LABELS = (*EMOTIONS, NEUTRAL)
_HEAD_AXES = ("head_forward", "head_left")


def _rows(arrays: Mapping[str, NDArray[Any]], name: str, part: slice) -> NDArray[np.float64] | None:
    both = all(axis in arrays for axis in _HEAD_AXES)
    return arrays[name][part].astype(np.float64) if both else None


def _head_joint(arrays: Mapping[str, NDArray[Any]]) -> str:
    value = arrays.get("head_joint")
    return "middle" if value is None or value.size != 1 else _text(value.reshape(-1)[0])


def with_face(
    joints: NDArray[np.float64],
    forward: NDArray[np.float64] | None,
    left: NDArray[np.float64] | None,
    *,
    crown: bool = False,
) -> NDArray[np.float64]:
    """(F, 22, 3): face points about the middle of the head; joint 10 becomes the crown."""
    neck = joints[:, 9]
    middle = (neck + joints[:, 10]) / 2 if crown else joints[:, 10]
    if forward is None or left is None:
        forward, left = _looking_ahead(joints)
    axes = np.stack([forward, left, np.cross(forward, left)], 1)  # (F, 3, 3) rows
    body = np.concatenate([joints, middle[:, None] + _FACE_M @ axes], 1)
    body[:, 10] = neck + 2 * (middle - neck)
    return np.asarray(body)


def _looking_ahead(joints: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(F, 3) forward and left of a head held like the chest."""
    left = _unit(joints[:, 11] - joints[:, 14])
    up = joints[:, 10] - joints[:, 9]
    return _unit(np.cross(left, up)), left


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-9))


def _filmed(
    body: NDArray[np.float64], ok: NDArray[np.bool_], fps: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_], float]:
    """At most ``FILM_HZ`` frames per second, straight lines between those of the recording."""
    rate_hz = min(fps, FILM_HZ)
    at = np.arange(int((len(body) - 1) / fps * rate_hz + 1e-6) + 1) * (fps / rate_hz)
    low, high = (np.clip(r.astype(int), 0, len(body) - 1) for r in (np.floor(at + 1e-6), np.ceil(at - 1e-6)))
    return at_times(np.arange(len(body), dtype=np.float64), body, at), ok[low] & ok[high], rate_hz


def _check_units_and_axes(path: Path, clips: list[Clip]) -> None:
    trunks = np.concatenate([c.body[c.ok, 8] - c.body[c.ok, 0] for c in clips])
    if not len(trunks):
        raise InputError(f"{path}: no frame can be used ('frame_ok' is False or joints are not finite)")
    length, mean = float(np.median(np.linalg.norm(trunks, axis=1))), trunks.mean(0)
    if not 0.1 < length < 2:
        raise InputError(f"{path}: pelvis and thorax are {length:.3g} apart; expected metres")
    if mean[2] < 0.5 * np.linalg.norm(mean):
        _log.warning("%s: bodies point along %s; expected z up", path, np.round(mean, 2).tolist())


def stretches(clips: list[Clip]) -> Iterator[tuple[Clip, slice]]:
    """All stretches of good frames of all clips."""
    for clip in clips:
        for run in good_runs(clip.ok):
            yield clip, run
