"""2D keypoints of Human3.6M's videos by a keypoint network of this package, in VideoPose3D's form.

For Table V of paper B: detectors into the lifter. People are cut out by the boxes of the true 2D
keypoints, widened, so that the keypoint networks alone are compared; say so beside the numbers.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from posemo_ros.errors import InputError, ModelError
from posemo_ros.inference.manifest import KeypointSpec
from posemo_ros.inference.sessions import open_session
from posemo_ros.inference.store import ModelStore
from posemo_ros.interpolate import fill
from posemo_ros.keypoints.estimator import KeypointEstimator
from posemo_ros.skeleton import H36M17, h36m_from_coco
from posemo_ros.types import Floats, Frame

from .files import floats, load_pickled, malformed, need
from .h36m import CAMERA_IDS, FPS, SECTION

WIDENED = 1.2
_OTHER_NAMES = {"Photo": "TakingPhoto", "WalkDog": "WalkingDog"}

Estimate = Callable[[Frame, Floats], Floats]


def estimator(model: str, *, runtime: str = "auto", store: ModelStore | None = None) -> Estimate:
    """The keypoint station with a model of the manifest, with flip test.

    Raises:
        ModelError: The model is unknown, not on this machine, or no keypoint network.
    """
    store = store or ModelStore()
    spec = store.spec(model).spec
    if not isinstance(spec, KeypointSpec):
        raise ModelError(f"{model}: a keypoint network is needed here; see `posemo models list`")
    session = open_session(store.path(model), runtime=runtime)
    return KeypointEstimator(session, replace(spec, flip_test=True)).estimate


def write_detections(folder: Path, videos: Path, name: str, estimate: Estimate, *, model: str = "") -> Path:
    """Write ``data_2d_h36m_<name>.npz`` for all actions of ``data_2d_h36m_gt.npz``.

    Every finished video lies in ``data_2d_h36m_<name>.parts`` until all are there: a command that was
    stopped goes on with the next one.

    Args:
        folder: Of the npz files.
        videos: ``<subject>/[Videos/]<action>.<camera>.mp4`` as in Human3.6M's download.
        name: Of the new kind of keypoints.
        estimate: See ``estimator``.
        model: Which network that is; the parts of another one are not gone on with.

    Raises:
        InputError: A video or file is missing, a video is too short, or another network left its parts.
    """
    path = folder / "data_2d_h36m_gt.npz"
    truth = load_pickled(path, ["positions_2d"], "true 2D keypoints, for the boxes", SECTION)["positions_2d"]
    out, parts = folder / f"data_2d_h36m_{name}.npz", folder / f"data_2d_h36m_{name}.parts"
    _claim(parts, model)
    found: dict[str, dict[str, list[Floats]]] = {}
    for subject, actions in truth.items():
        found[subject] = {}
        for action, views in actions.items():
            found[subject][action] = [
                _once(
                    parts / f"{subject} {action}.{camera}.npy",
                    _video_path(videos / subject, action, camera),
                    boxes_around(floats(view, (None, 17, None), path, f"{subject} {action}", SECTION)),
                    estimate,
                )
                for camera, view in zip(CAMERA_IDS, views, strict=False)
            ]
    symmetry = [[a for a, _ in H36M17.pairs], [b for _, b in H36M17.pairs]]
    metadata = {"layout_name": "h36m", "num_joints": len(H36M17), "keypoints_symmetry": symmetry}
    np.savez_compressed(
        out, positions_2d=np.array(found, dtype=object), metadata=np.array(metadata, dtype=object)
    )
    shutil.rmtree(parts)
    return out


def _claim(parts: Path, model: str) -> None:
    parts.mkdir(exist_ok=True)
    owner = parts / "model.txt"
    before = owner.read_text(encoding="utf-8") if owner.exists() else model
    if before != model:
        raise InputError(f"{parts}: begun with {before!r}, not {model!r}; remove it or choose another --name")
    owner.write_text(model, encoding="utf-8")


def _once(part: Path, video: Path, boxes: Floats, estimate: Estimate) -> Floats:
    """The keypoints of a video, detected unless an earlier call did."""
    if part.exists():
        return np.asarray(np.load(part, allow_pickle=False), np.float32)
    points = _detect(video, boxes, estimate)
    half = part.with_suffix(".part")
    with half.open("wb") as file:
        np.save(file, points)
    half.replace(part)  # whole or not at all
    return points


def boxes_around(keypoints: Floats) -> Floats:
    """(T, 17, 2) to (T, 4) xyxy px, wider than the keypoints by ``WIDENED``."""
    low, high = keypoints[..., :2].min(1), keypoints[..., :2].max(1)
    middle, half = (low + high) / 2, WIDENED * (high - low) / 2
    return np.concatenate([middle - half, middle + half], 1).astype(np.float32)


def _video_path(folder: Path, action: str, camera: str) -> Path:
    first = action.split(" ")[0]
    names = [action] + ([action.replace(first, _OTHER_NAMES[first])] if first in _OTHER_NAMES else [])
    places = [folder / sub / f"{n}.{camera}.mp4" for n in names for sub in ("Videos", "")]
    found = next((p for p in places if p.exists()), places[0])
    return need(found, "a video of Human3.6M", SECTION)


def _detect(path: Path, boxes: Floats, estimate: Estimate) -> Floats:
    """(T, 17, 2) px, H36M-17; keypoints that were not found lie between their neighbours in time."""
    rows = [
        h36m_from_coco(estimate(Frame(image, round(i / FPS * 1e9)), box[None])[0])
        for i, (image, box) in enumerate(zip(_images(path), boxes, strict=False))
    ]
    if len(rows) < len(boxes):
        raise malformed(path, f"{len(rows)} frames", f"{len(boxes)}, as many as keypoints", SECTION)
    points = np.stack(rows)
    known = np.asarray(np.isfinite(points[..., :2]).all(-1))
    filled = fill(np.arange(len(points), dtype=np.float64), np.nan_to_num(points[..., :2]), known)
    return np.nan_to_num(filled).astype(np.float32)


def _images(path: Path) -> Iterator[NDArray[np.uint8]]:
    video = cv2.VideoCapture(str(path))
    try:
        while True:
            ok, image = video.read()
            if not ok:
                return
            yield np.asarray(image, np.uint8)
    finally:
        video.release()
