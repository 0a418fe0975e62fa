"""The lifter behind real keypoints: on rendered people kept apart, on the demo clip, beside a peer.

The films kept apart come in halves: one to choose with, the other to report. The peer is an independent
network (``train.data.blazepose``); it sees videos of real people, for whom nobody knows the truth.

Symbols: N persons, T frames, R rows (one person in one image).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from posemo_ros import metrics
from posemo_ros.camera import Camera
from posemo_ros.emotion.estimator import EmotionEstimator
from posemo_ros.lift.ground import Ground
from posemo_ros.lift.lifter import Lifter
from posemo_ros.people import PeopleFinder
from posemo_ros.replay.compare import LIMBS
from posemo_ros.replay.truth import read_truth
from posemo_ros.types import EmotionStatus, Floats, Frame, People2D, Skeletons3D, View
from train.data.blazepose import JOINTS, BlazePose
from train.data.demo_people import frames
from train.data.files import read_written, write_npz
from train.data.sightings import Sightings, watch_clip
from train.error_parts import parts_of
from train.people_report import reliability

HALVES = {"choose": 0, "report": 1}
STILL_M = 0.003  # per frame: joints that move less are called still
VISIBLE = 0.5  # of a peer's joint that is compared
MIN_COMPARED = 6
TOLD = ", floor known"
SURE_M = 0.1  # so near the truth a joint is right
LAGS = np.arange(0, 5)  # frames that answers may be behind


def on_films(lifter: Lifter, seen: Sightings) -> dict[str, Any]:
    """Figures of all frames in which a person is in view and was found.

    Returns:
        Half -> ``errors_of``; half + ``TOLD`` -> the same of a lifter that knows where the floor is.
    """
    out: dict[str, Any] = {}
    for name, half in HALVES.items():
        mine = seen.only(seen.film % 2 == half)
        if len(mine):
            out |= {name + told: figures for told, figures in _both(lifter, mine).items()}
    return out


def _both(lifter: Lifter, seen: Sightings) -> dict[str, dict[str, Any]]:
    """Figures without knowing where the floor is, and with it."""
    return {told: errors_of(lift_all(lifter, seen, tell=bool(told)), seen) for told in ("", TOLD)}


def on_demo(lifter: Lifter, finder: PeopleFinder, folder: Path) -> dict[str, Any]:
    """The same for the demo clip, through detector, tracker and keypoint network.

    Returns:
        See ``errors_of``; and of right keypoints ``true_keypoints`` (all joints) and
        ``true_keypoints_seen`` (the visible ones); and ``floor_known``.
    """
    truth = read_truth(folder / "people_truth.npz")
    with np.load(folder / "people_truth.npz", allow_pickle=False) as file:
        fps = float(file["fps"])
    images = (image for _, image in frames(folder / "people.mp4", 1))
    camera = json.loads((folder / "people.json").read_text())["camera"]
    floor = camera["height_m"], camera["tilt_deg"]
    seen = watch_clip(finder, images, truth, Camera.from_fov(640, 480, 60.0), floor, fps)
    right = {name: errors_of(lift_all(lifter, s), s) for name, s in with_true_keypoints(seen).items()}
    both = _both(lifter, seen)
    more = right | {"floor_known": both[TOLD]}
    return {**both[""], **{name: _short(figures) for name, figures in more.items()}}


def with_true_keypoints(seen: Sightings) -> dict[str, Sightings]:
    """The same persons with keypoints that are right: of all joints, and of those that are visible."""
    known = np.isfinite(seen.truth[..., 0])
    visible = known & (seen.truth[..., 2] == 2)
    out = {}
    for name, there in (("true_keypoints", known), ("true_keypoints_seen", visible)):
        found = np.where(there[..., None], seen.truth, np.float32(np.nan))
        found[..., 2] = there
        out[name] = replace(seen, found=found.astype(np.float32))
    return out


def _short(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {name: figures[name] for name in ("frames", "limbs_mm", "p_mpjpe_mm", "parts")}


def errors_of(answers: Sequence[Floats], seen: Sightings) -> dict[str, Any]:
    """Figures of answers (T, 17, 4): metres about the pelvis, and the score.

    Returns:
        ``mpjpe_mm`` and ``p_mpjpe_mm`` of 17 joints, as Human3.6M's with the pelvis, whose error is 0;
        ``limbs_mm`` of the 13 that mean the same in every data set; ``seen_mm`` of joints that are visible,
        ``hidden_mm`` of the others; ``mpjve_mm`` per frame; ``jitter_mm``: how far joints that stand
        still, but for the pelvis, move from frame to frame; ``lag_frames``: the delay of the truth that is
        nearest to the answers, of fast joints; ``reliability`` of the scores as in ``people_report``, but
        for the pelvis: a joint less than ``SURE_M`` off is right; ``parts`` of the error of the 13 as in
        ``error_parts``.
    """
    found, scores = np.split(np.stack(list(answers)), [3], -1)
    true = seen.joints - seen.joints[..., :1, :]
    judged = (
        np.isfinite(found).all((-1, -2)) & np.isfinite(true).all((-1, -2)) & (seen.found[..., 2] > 0).any(-1)
    )
    a, b = found[judged], true[judged]
    away = 1e3 * np.linalg.norm(a - b, axis=-1)
    visible = _h36m_visible(seen.truth)[judged]
    pairs = judged[:, 1:] & judged[:, :-1]
    moved, really = (np.diff(x, axis=1)[pairs] for x in (found, true))
    still = np.linalg.norm(really, axis=-1) < STILL_M
    still[:, 0] = False  # the pelvis, about which poses are given
    figures = {
        "mpjpe_mm": _mean(away),
        "p_mpjpe_mm": 1e3 * metrics.p_mpjpe(a, b),
        "limbs_mm": _mean(away[:, LIMBS]),
        "seen_mm": _mean(away[visible]),
        "hidden_mm": _mean(away[~visible]),
        "mpjve_mm": 1e3 * _mean(np.linalg.norm(moved - really, axis=-1)),
        "jitter_mm": 1e3 * _mean(np.linalg.norm(moved, axis=-1)[still]),
        "lag_frames": _lag(found, true, judged),
    }
    return {
        "frames": int(judged.sum()),
        **{k: round(float(v), 2) for k, v in figures.items()},
        "parts": parts_of(found, seen.joints, judged),
        "reliability": reliability(scores[judged][:, 1:, 0].ravel(), away[:, 1:].ravel() < 1e3 * SURE_M),
    }


def _mean(values: NDArray[np.floating]) -> float:
    return float(values.mean()) if values.size else float("nan")


def _h36m_visible(truth: Floats) -> NDArray[np.bool_]:
    """(..., 17) of H36M-17: limbs by their own keypoint, the others by shoulders, hips and nose."""
    seen = truth[..., 2] == 2
    limb = {1: 12, 2: 14, 3: 16, 4: 11, 5: 13, 6: 15, 11: 5, 12: 7, 13: 9, 14: 6, 15: 8, 16: 10}
    out = np.empty(seen.shape, np.bool_)
    for joint in range(17):
        group = {0: (11, 12), 7: (5, 6, 11, 12), 8: (5, 6), 9: (5, 6), 10: (0, 3, 4)}.get(joint)
        out[..., joint] = seen[..., limb[joint]] if group is None else seen[..., group].any(-1)
    return out


def _lag(found: Floats, true: Floats, judged: NDArray[np.bool_]) -> float:
    """By how many frames the truth must be delayed to be nearest, to tenths by a parabola."""
    last = LAGS[-1]
    whole = judged.astype(np.uint8)
    together = np.ones_like(judged[:, last:])
    for lag in LAGS:
        together &= whole[:, last - lag : judged.shape[1] - lag].astype(bool)
    speed = np.linalg.norm(np.diff(true, axis=1, prepend=true[:, :1]), axis=-1)[:, last:]
    fast = together[..., None] & (speed > 0.02)
    away = [
        _mean(np.linalg.norm(found[:, last:] - true[:, last - lag : true.shape[1] - lag], axis=-1)[fast])
        for lag in LAGS
    ]
    best = int(np.argmin(away))
    if not 0 < best < last:
        return float(best)
    before, here, after = away[best - 1 : best + 2]
    return best + 0.5 * float(before - after) / float(before - 2 * here + after)


def lift_all(lifter: Lifter, seen: Sightings, *, tell: bool = False) -> list[Floats]:
    """(T, 17, 4) of every person, each alone in the images: metres about the pelvis and the score; or NaN.

    With ``tell`` the lifter knows where the floor is.
    """
    answers = []
    for person in range(len(seen)):
        lifter.know(Ground(*map(float, seen.floor[person])) if tell else None)
        answers.append(_lift(lifter, seen, person))
    lifter.know(None)
    return answers


def _lift(lifter: Lifter, seen: Sightings, person: int) -> Floats:
    """(T, 17, 4) the station's answers for one person, alone in the images."""
    lifter.reset()
    width, height, fov = seen.camera[person]
    camera = Camera.from_fov(int(width), int(height), float(fov))
    out = np.full((seen.found.shape[1], 17, 4), np.nan, np.float32)
    for t, keypoints in enumerate(seen.found[person]):
        here = (keypoints[:, 2] > 0).any()
        answer = lifter.lift(
            people_of(keypoints[None] if here else keypoints[:0, None], camera, t / seen.fps)
        )
        if answer is not None and len(answer):
            out[t] = np.concatenate([answer.relative[0], answer.scores[0][:, None]], -1)
    return out


def people_of(keypoints: Floats, camera: Camera, seconds: float, ids: Sequence[str] = ("1",)) -> People2D:
    """Keypoints (N, 17, 3) as a message of the people finder; boxes are not filled in."""
    count = len(keypoints)
    return People2D(
        tuple(ids)[:count],
        np.zeros((count, 4), np.float32),
        np.ones(count, np.float32),
        keypoints.reshape(count, 17, 3),
        view=View.through(camera, round(seconds * 1e9)),
    )


# Beside the peer -----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Watched:
    """What chain and peer saw of real people.

    Attributes:
        names: (V,) of the videos.
        size: (V, 2) width and height px.
        video: (R,) number of the video; seconds: (R,) from its start; person: (R,) id.
        keypoints: (R, 17, 3) of the chain.
        joints, visible: (R, 12, 3) metres and (R, 12) of the peer; NaN where it was not asked or saw nobody.
    """

    names: NDArray[np.str_]
    size: NDArray[np.int64]
    video: NDArray[np.int64]
    seconds: NDArray[np.float64]
    person: NDArray[np.str_]
    keypoints: Floats
    joints: Floats
    visible: Floats

    def save(self, path: Path) -> None:
        """Write an NPZ file."""
        write_npz(path, **vars(self))

    @classmethod
    def load(cls, path: Path) -> Watched:
        """Read what ``save`` wrote.

        Raises:
            InputError: The file is missing or has another form.
        """
        return cls(**read_written(path, cls, "python -m train peer"))


def watch_videos(finder: PeopleFinder, peer: BlazePose, videos: Sequence[Path], step: int) -> Watched:
    """Let the chain see every image and the peer every ``step``-th."""
    rows: list[tuple[Any, ...]] = []
    sizes = []
    for number, path in enumerate(videos):
        finder.reset()
        fps = cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FPS)
        for index, image in frames(path, 1):
            found = finder.find(Frame(image, round(index / fps * 1e9)))
            for person, keypoints in zip(found.ids, found.keypoints, strict=True):
                predicted = _ask(peer, image, keypoints) if index % step == 0 else _NOTHING
                rows.append((number, index / fps, person, keypoints, *predicted))
        sizes.append(image.shape[1::-1])
    columns = [np.array(c) for c in zip(*rows, strict=True)]
    return Watched(np.array([p.stem for p in videos]), np.array(sizes), *columns)


_NOTHING = (np.full((12, 3), np.nan, np.float32), np.zeros(12, np.float32))


def _ask(peer: BlazePose, image: NDArray[np.uint8], keypoints: Floats) -> tuple[Floats, Floats]:
    if not np.isfinite(keypoints[[11, 12], :2]).all():
        return _NOTHING
    pose = peer.pose(image, keypoints)
    return (pose.joints, pose.visible) if pose.present > VISIBLE else _NOTHING


def beside_peer(lifter: Lifter, watched: Watched) -> dict[str, Any]:
    """P-MPJPE in mm to the peer, of joints that it sees; mean by video and over all rows."""
    rows: dict[str, list[float]] = {str(name): [] for name in watched.names}
    for number, name in enumerate(watched.names):
        for now, skeletons in _skeletons(lifter, watched, number):
            for row, relative in zip(now, skeletons.relative, strict=True):
                seen = (watched.visible[row] > VISIBLE) & np.isfinite(watched.joints[row]).all(-1)
                if seen.sum() >= MIN_COMPARED and np.isfinite(relative).all():
                    ours, theirs = relative[JOINTS[seen]], watched.joints[row][seen]
                    rows[str(name)].append(1e3 * metrics.p_mpjpe(ours[None], theirs[None]))
    everything = [value for values in rows.values() for value in values]
    return {
        "rows": len(everything),
        "p_mpjpe_mm": round(float(np.mean(everything)), 1),
        "by_video": {name: round(float(np.mean(v)), 1) for name, v in rows.items() if v},
    }


def quiet(lifter: Lifter, emotion: EmotionEstimator, watched: Watched) -> dict[str, int]:
    """Of the same people, who show no emotion: windows judged, and those that got one all the same."""
    judged = answered = 0
    for number in range(len(watched.names)):
        emotion.reset()
        for _, skeletons in _skeletons(lifter, watched, number):
            status = emotion.judge(skeletons).status
            judged += sum(s in (EmotionStatus.VALID, EmotionStatus.NOT_ENOUGH_EVIDENCE) for s in status)
            answered += sum(s is EmotionStatus.VALID for s in status)
    return {"windows": judged, "with_an_emotion": answered}


def _skeletons(
    lifter: Lifter, watched: Watched, video: int
) -> Iterator[tuple[NDArray[np.int64], Skeletons3D]]:
    """The lifter's answers to a video, with the rows that they are about, in the same order."""
    lifter.reset()
    rows = np.flatnonzero(watched.video == video)
    camera = Camera.from_fov(*(int(s) for s in watched.size[video]))
    for seconds in np.unique(watched.seconds[rows]):
        now = rows[watched.seconds[rows] == seconds]
        ids = [str(p) for p in watched.person[now]]
        answer = lifter.lift(people_of(watched.keypoints[now], camera, float(seconds), ids))
        if answer is not None:
            yield now, answer


def videos_in(data: Path) -> list[Path]:
    """The walking video and the gestures."""
    folder = data / "video"
    return [folder / "one-by-one-person-detection.mp4", *sorted((folder / "gestures").glob("*.mkv"))]


def summary(report: dict[str, Any]) -> Iterable[str]:
    """One line a set."""
    for name in ("films, choose", "films, report", "demo clip"):
        row = report.get(name)
        if row:
            yield f"{name:14} " + "  ".join(f"{k} {v}" for k, v in row.items() if not isinstance(v, dict))
            if row.get("parts"):
                shares = {k: v for k, v in row["parts"].items() if k != "joints_mm"}
                yield "".ljust(15) + "  ".join(f"{k} {v}" for k, v in shares.items())
    for name in ("peer", "no emotion shown"):
        if name in report:
            yield f"{name:14} {report[name]}"
