"""Folders of acted video clips: ``<split>/<emotion>/<clip>.mp4`` and ``actors.csv``.

``actors.csv`` has the columns ``clip`` (file name without suffix) and ``actor``, and perhaps
``motion``: the recording a clip was made from, the same for copies with another background.
Poses and context encodings are computed once, by this package's own chain, and kept in a cache.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posemo_ros.archives import read_npz
from posemo_ros.emotion.context import ContextEncoder
from posemo_ros.emotion.window import body_score
from posemo_ros.errors import InputError, ModelError, reason
from posemo_ros.inference.store import ModelStore
from posemo_ros.lift.lifter import Lifter
from posemo_ros.people import PeopleFinder
from posemo_ros.pipeline import (
    Models,
    Settings,
    build_context,
    build_lifter,
    build_people,
)
from posemo_ros.replay.sources import open_source
from posemo_ros.types import EMOTIONS, Skeletons3D

from .emotion_clips import EmotionClip, unbroken
from .files import malformed, need, write_npz

SECTION = "Video clips with emotions"
SUFFIXES = (".mp4", ".mov", ".avi", ".mkv")
SYNONYMS = {
    "happy": "joy",
    "happiness": "joy",
    "angry": "anger",
    "sad": "sadness",
    "fearful": "fear",
    "disgusted": "disgust",
    "surprised": "surprise",
}
MIN_FRAMES = 2
Seen = dict[str, dict[float, tuple[NDArray[np.float32], float]]]  # person -> seconds -> pose and score


@dataclass(frozen=True, eq=False)
class Extraction:
    """What is computed from a video.

    Attributes:
        times: (N,) seconds.
        poses: (N, 17, 3) float32 metres relative to the pelvis, camera axes.
        context_times: (M,) seconds.
        context: (M, P, C) float16.
        scores: (N,) float32, see ``EmotionClip``.
    """

    times: NDArray[np.float64]
    poses: NDArray[np.float32]
    context_times: NDArray[np.float64]
    context: NDArray[np.float16]
    scores: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))


@dataclass(frozen=True)
class Extractor:
    """How poses and context are computed.

    Attributes:
        key: Changes whenever the results would; names the folder of the cache.
        extract: The computation.
        files: Station -> SHA-256 of the model file that computes, of ``detector``, ``keypoints``, ``lifter``
            and perhaps ``context``.
    """

    key: str
    extract: Callable[[Path], Extraction]
    files: Mapping[str, str] = field(default_factory=dict)


def chain_extractor(
    *,
    detector: str = Models.detector,
    keypoints: str = Models.keypoints,
    lifter: str = Models.lifter,
    context: str = "",
    context_rate_hz: float = 7.5,
    delay_frames: int = 0,
    store: ModelStore | None = None,
) -> Extractor:
    """The package's own chain, with models of the manifest.

    Args:
        detector, keypoints, lifter, context: Names; an empty context gives movement alone.
        context_rate_hz: Encodings per second of video; 7.5 as in the released MoEmo.
        delay_frames: Images that the lifter waits for.
        store: Where the models are.

    Raises:
        ModelError: A model is unknown or not on this machine.
    """
    models = Models(detector, keypoints, lifter, emotion="", context=context, delay_frames=delay_frames)
    store = store or ModelStore()
    settings = Settings(context_rate_hz=context_rate_hz, max_people=4)
    stations = {"detector": detector, "keypoints": keypoints, "lifter": lifter, "context": context}
    names = {station: name for station, name in stations.items() if name}
    digest = hashlib.sha256(b"".join(store.path(n).read_bytes() for n in names.values()))
    entries = [store.spec(n).spec for n in names.values()]  # one file may be said to read other joints
    digest.update(f"{models} {context_rate_hz} {entries} with scores".encode())
    people = build_people(models, store, settings)
    lifting, encoder = build_lifter(models, store), build_context(models, store, settings)
    if lifting is None:
        raise ModelError("lifter: expected the name of a model, got ''")

    def extract(path: Path) -> Extraction:
        return follow_main_person(path, people, lifting, encoder)

    files = {station: store.sha256(name) for station, name in names.items()}
    return Extractor(digest.hexdigest()[:16], extract, files)


def follow_main_person(
    path: Path, people: PeopleFinder, lifter: Lifter, encoder: ContextEncoder | None
) -> Extraction:
    """Poses of the person seen in most frames, and the context.

    Raises:
        InputError: Nobody is seen in the video.
    """
    for station in (people, lifter, encoder):
        if station is not None:
            station.reset()
    poses: Seen = {}
    context: dict[float, NDArray[np.float16]] = {}
    with open_source(path) as source:
        for frame in source:
            _collect(lifter.lift(people.find(frame)), poses)
            if encoder is not None:
                latest = encoder.encode(frame)
                context[latest.stamp_ns * 1e-9] = latest.tokens.astype(np.float16)
    for skeletons in lifter.flush():
        _collect(skeletons, poses)
    main = max(poses.values(), key=len, default={})
    if len(main) < MIN_FRAMES:
        raise InputError(f"{path}: nobody could be followed; expected one person, whole body in view")
    times, scenes = np.array(sorted(main)), np.array(sorted(context))
    return Extraction(
        times - times[0],
        np.stack([main[t][0] for t in times]),
        scenes - times[0],
        np.stack([context[t] for t in scenes]) if context else np.zeros((0, 0, 0), np.float16),
        np.array([main[t][1] for t in times], np.float32),
    )


def _collect(skeletons: Skeletons3D | None, poses: Seen) -> None:
    if skeletons is None:
        return
    for person, pose, scores in zip(skeletons.ids, skeletons.relative, skeletons.scores, strict=True):
        if np.isfinite(pose).all():
            poses.setdefault(person, {})[skeletons.stamp_ns * 1e-9] = pose, body_score(scores)


@dataclass(frozen=True)
class LabelledVideo:
    """A clip before anything is computed from it.

    Attributes:
        path: The video.
        emotion: Index into ``EMOTIONS``.
        actor, motion: See ``EmotionClip``.
    """

    path: Path
    emotion: int
    actor: str
    motion: str


def list_videos(folder: Path, split: str) -> list[LabelledVideo]:
    """All videos of a split.

    Raises:
        InputError: The folder, the table or an entry is missing or wrong.
    """
    root = need(folder / split, f"the split's folder, {split}/<emotion>/<clip>.mp4", SECTION)
    actors = read_actors(folder / "actors.csv")
    videos = []
    for emotion_folder in sorted(p for p in root.iterdir() if p.is_dir()):
        emotion = _emotion(emotion_folder)
        for path in sorted(p for p in emotion_folder.iterdir() if p.suffix.lower() in SUFFIXES):
            if path.stem not in actors:
                raise malformed(
                    folder / "actors.csv", f"no row for clip {path.stem!r}", "one per clip", SECTION
                )
            videos.append(LabelledVideo(path, emotion, *actors[path.stem]))
    if not videos:
        raise malformed(root, f"no {'/'.join(SUFFIXES)} files", f"{split}/<emotion>/<clip>.mp4", SECTION)
    return videos


def load_clips(folder: Path, split: str, extractor: Extractor) -> list[EmotionClip]:
    """All clips of a split; what is not in the cache is computed now.

    Raises:
        InputError: The folder, the table or an entry is missing or wrong.
    """
    cache = folder / ".cache" / extractor.key
    clips = []
    for video in list_videos(folder, split):
        inside = video.path.relative_to(folder)
        found = _cached(cache / inside.with_suffix(".npz"), video.path, extractor)
        clip = EmotionClip(
            str(inside),
            video.emotion,
            video.actor,
            video.motion,
            found.times,
            found.poses,
            found.context_times,
            found.context,
            scores=found.scores,
        )
        clips.append(unbroken(clip))
    return clips


def read_actors(path: Path) -> dict[str, tuple[str, str]]:
    """Clip -> (actor, motion); a clip without a motion of its own is its own recording.

    Raises:
        InputError: The table is missing, no text, lacks a column or an actor, or a clip stands in it twice.
    """
    need(path, "the table of actors with the columns clip, actor[, motion]", SECTION)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeError, csv.Error) as error:
        raise malformed(path, reason(error), "a table in CSV, as UTF-8", SECTION) from error
    if not rows or not {"clip", "actor"} <= set(rows[0]):
        columns = sorted(rows[0]) if rows else []
        raise malformed(path, f"columns {columns}", "clip, actor and perhaps motion", SECTION)
    if nobody := [r["clip"] for r in rows if not (r["actor"] or "").strip()]:
        raise malformed(path, f"clips without an actor: {nobody[:5]}", "who moves in every clip", SECTION)
    twice = [clip for clip, count in Counter(r["clip"] for r in rows).items() if count > 1]
    if twice:
        raise malformed(path, f"clips with several rows: {twice[:5]}", "one row per clip", SECTION)
    return {r["clip"]: (r["actor"], r.get("motion") or r["clip"]) for r in rows}


def _emotion(folder: Path) -> int:
    name = folder.name.lower()
    name = SYNONYMS.get(name, name)
    if name not in EMOTIONS:
        raise malformed(folder, f"{folder.name!r} is no emotion", f"one of {', '.join(EMOTIONS)}", SECTION)
    return EMOTIONS.index(name)


def _cached(path: Path, video: Path, extractor: Extractor) -> Extraction:
    if path.exists() and path.stat().st_mtime >= video.stat().st_mtime:
        with contextlib.suppress(InputError, KeyError):  # cut off: made anew
            arrays = read_npz(path, "what was extracted")
            return Extraction(**{member.name: arrays[member.name] for member in fields(Extraction)})
    found = extractor.extract(video)
    write_npz(
        path,
        times=found.times,
        poses=found.poses,
        context_times=found.context_times,
        context=found.context,
        scores=found.scores,
    )
    return found
