"""2D keypoints of Human3.6M's videos by a keypoint network of this package, in VideoPose3D's form.

For Table V of paper B: detectors into the lifter. People are cut out by the boxes of the true 2D
keypoints, widened, so that the keypoint networks alone are compared; say so beside the numbers.

Symbols: T frames of a video, B of a batch.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from posemo_ros.errors import InputError, ModelError
from posemo_ros.inference.checksum import write_atomically
from posemo_ros.inference.manifest import KeypointSpec
from posemo_ros.inference.runtimes import REFERENCE
from posemo_ros.inference.sessions import open_session
from posemo_ros.inference.store import ModelStore
from posemo_ros.interpolate import fill
from posemo_ros.keypoints.estimator import KeypointEstimator
from posemo_ros.skeleton import H36M17, h36m_from_coco
from posemo_ros.types import Floats, Frame

from .files import floats, load_pickled, malformed, need, write_npz
from .h36m import CAMERA_IDS, FPS, H36M_ORDER, SECTION, order_of

WIDENED = 1.2
FOUND_BY = "found_by"  # array of the file: the network's identity
_OTHER_NAMES = {"Photo": "TakingPhoto", "WalkDog": "WalkingDog"}

Estimate = Callable[[Sequence[Frame], Floats], Floats]  # B frames and (B, 4) boxes to (B, 17, 3)


@dataclass(frozen=True)
class Network:
    """What finds the keypoints.

    Attributes:
        estimate: See ``Estimate``.
        identity: Says all that its answers depend on; what another one began is not gone on with.
    """

    estimate: Estimate
    identity: str


def network(model: str, *, runtime: str = REFERENCE, store: ModelStore | None = None) -> Network:
    """The keypoint station with a model of the manifest, with flip test.

    Raises:
        ModelError: The model is unknown, not on this machine, or no keypoint network.
    """
    store = store or ModelStore()
    spec = store.spec(model).spec
    if not isinstance(spec, KeypointSpec):
        raise ModelError(f"{model}: a keypoint network is needed here; see `posemo models list`")
    station = KeypointEstimator(
        open_session(store.path(model), runtime=runtime), replace(spec, flip_test=True)
    )

    def estimate(frames: Sequence[Frame], boxes: Floats) -> Floats:
        return np.concatenate(
            station.estimate_each([(f, b[None]) for f, b in zip(frames, boxes, strict=True)])
        )

    settings = hashlib.sha256(repr(spec).encode()).hexdigest()[:8]
    return Network(estimate, f"{model} {store.sha256(model)} {settings} {runtime}")


def write_detections(folder: Path, videos: Path, name: str, network: Network, *, batch: int = 16) -> Path:
    """Write ``data_2d_h36m_<name>.npz`` for all actions of ``data_2d_h36m_gt.npz``.

    Every finished video lies in ``data_2d_h36m_<name>.parts`` until all are there: a call that was
    killed, at whatever moment, is gone on with by the same call, and the file has the same bytes.

    Args:
        folder: Of the npz files.
        videos: ``<subject>/[Videos/]<action>.<camera>.mp4`` as in Human3.6M's download.
        name: Of the new kind of keypoints.
        network: See ``network``.
        batch: So many frames of a video at once through the network.

    Raises:
        InputError: A video or file is missing, a video is too short, another network left the file or
            parts of it, or the name is one of other joints.
    """
    if order_of(name) is not H36M_ORDER:
        raise InputError(f"--name {name}: that says joints of {order_of(name).name}; these are Human3.6M's")
    path = folder / "data_2d_h36m_gt.npz"
    truth = load_pickled(path, ["positions_2d"], "true 2D keypoints, for the boxes", SECTION)["positions_2d"]
    out, parts = folder / f"data_2d_h36m_{name}.npz", folder / f"data_2d_h36m_{name}.parts"
    identity = f"{network.identity} batches of {batch}"
    if not _written(out, identity):
        _claim(parts, identity)
        found = {
            subject: {
                action: [
                    _once(
                        parts / f"{subject} {action}.{camera}.npy",
                        _video_path(videos / subject, action, camera),
                        boxes_around(floats(view, (None, 17, None), path, f"{subject} {action}", SECTION)),
                        network.estimate,
                        batch,
                    )
                    for camera, view in zip(CAMERA_IDS, views, strict=False)
                ]
                for action, views in actions.items()
            }
            for subject, actions in truth.items()
        }
        write_npz(out, **_members(found, identity))
    shutil.rmtree(parts, ignore_errors=True)
    return out


def _written(out: Path, identity: str) -> bool:
    """Whether the same call was killed after it had written the file, or had come to its end."""
    if not out.exists():
        return False
    try:
        with np.load(out, allow_pickle=False) as file:
            before = str(file[FOUND_BY]) if FOUND_BY in file else "somebody else"
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"{out}: no keypoints that can be read; remove it or choose another --name"
        ) from error
    if before != identity:
        raise InputError(f"{out}: found by {before}, not {identity}; remove it or choose another --name")
    return True


def _members(found: dict[str, dict[str, list[Floats]]], identity: str) -> dict[str, Any]:
    symmetry = [[a for a, _ in H36M17.pairs], [b for _, b in H36M17.pairs]]
    metadata = {"layout_name": "h36m", "num_joints": len(H36M17), "keypoints_symmetry": symmetry}
    objects = {"positions_2d": found, "metadata": metadata}
    arrays: dict[str, Any] = {name: np.array(value, dtype=object) for name, value in objects.items()}
    return {**arrays, FOUND_BY: np.array(identity)}


def _claim(parts: Path, identity: str) -> None:
    owner = parts / "found_by.txt"
    before = owner.read_text(encoding="utf-8") if owner.exists() else identity
    if before != identity:
        raise InputError(f"{parts}: begun by {before}, not {identity}; remove it or choose another --name")
    write_atomically(owner, identity)


def _once(part: Path, video: Path, boxes: Floats, estimate: Estimate, batch: int) -> Floats:
    """The keypoints of a video, found unless an earlier call did."""
    if not part.exists():
        file = io.BytesIO()
        np.save(file, _detect(video, boxes, estimate, batch))
        write_atomically(part, file.getvalue())
    return np.asarray(np.load(part, allow_pickle=False), np.float32)


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


def _detect(path: Path, boxes: Floats, estimate: Estimate, batch: int) -> Floats:
    """(T, 17, 2) px, H36M-17; keypoints that were not found lie between their neighbours in time."""
    frames = (Frame(image, round(i / FPS * 1e9)) for i, image in enumerate(_images(path)))
    rows: list[Floats] = []
    while len(rows) < len(boxes) and (some := list(islice(frames, min(batch, len(boxes) - len(rows))))):
        rows.extend(h36m_from_coco(estimate(some, boxes[len(rows) : len(rows) + len(some)])))
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
