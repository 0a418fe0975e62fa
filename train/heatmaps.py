"""2D networks side by side (paper B, Fig. 5): heat maps, keypoints, and the 3D pose a lifter makes of them.

Symbols: N people, J = 17 joints, maps of h x w cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from posemo_ros.camera import Camera
from posemo_ros.draw.overlay import overlay
from posemo_ros.draw.scene import fit_view, scene
from posemo_ros.errors import InputError
from posemo_ros.inference.manifest import KeypointSpec
from posemo_ros.inference.session import Feeds, Outputs, Session, TensorSpec, check_feeds
from posemo_ros.inference.sessions import open_session
from posemo_ros.inference.store import ModelStore
from posemo_ros.keypoints.codecs import codec_for
from posemo_ros.keypoints.crop import place
from posemo_ros.keypoints.estimator import KeypointEstimator
from posemo_ros.lift.lifter import Lifter
from posemo_ros.types import Floats, Frame, People2D, Skeletons3D, View

from .chain import read_source
from .models.zoo import Entry

Picture = NDArray[np.uint8]
_MIN_SCORE = 0.2
_CAPTION_PX = 28


class TorchSession:
    """A network of the zoo where a session is wanted."""

    runtime, precision = "torch", "fp32"

    def __init__(self, entry: Entry) -> None:
        self.inputs = tuple(
            TensorSpec(name, (-1, *example.shape[1:]), "float32") for name, example in entry.inputs.items()
        )
        self.outputs = tuple(TensorSpec(name, (), "float32") for name in entry.outputs)
        self._network = entry.network.eval()

    def run(self, feeds: Feeds) -> Outputs:
        """See ``Session``."""
        given = check_feeds(self.inputs, feeds, "network")
        with torch.inference_mode():
            found = self._network(*(torch.from_numpy(array) for array in given.values()))
        every = found if isinstance(found, tuple) else (found,)
        return {spec.name: each.float().numpy() for spec, each in zip(self.outputs, every, strict=False)}


class _Kept:
    """A session that remembers what it last said."""

    def __init__(self, session: Session) -> None:
        self._session, self.said = session, dict[str, NDArray[np.generic]]()
        self.runtime, self.precision = session.runtime, session.precision
        self.inputs, self.outputs = session.inputs, session.outputs

    def run(self, feeds: Feeds) -> Outputs:
        """See ``Session``."""
        self.said = self._session.run(feeds)
        return self.said


@dataclass(frozen=True, eq=False)
class Network:
    """A 2D network with heat maps.

    Attributes:
        label: Written beside its pictures.
        estimator: Its station.
        session: The station's.
    """

    label: str
    estimator: KeypointEstimator
    session: _Kept


def open_network(source: str, store: ModelStore | None = None) -> Network:
    """A network from the words of ``chain.read_source``: a run, weights of the zoo, a name in the manifest.

    Raises:
        PosemoError: It is none of these, or no keypoint network with heat maps.
    """
    store = store or ModelStore()
    read = read_source(source, store)
    spec: object = None
    if read.entry is None:
        spec = store.spec(read.name).spec
        session: Session = open_session(store.path(read.name), runtime="onnxruntime")
    else:
        session = TorchSession(read.entry)
        if read.entry.task == "keypoints":
            spec = read.entry.spec(KeypointSpec)
    if not isinstance(spec, KeypointSpec) or spec.codec not in ("quarter", "dark", "udp"):
        raise InputError(f"{source}: expected a keypoint network with heat maps, such as the run of an HRNet")
    kept = _Kept(session)
    return Network(source, KeypointEstimator(kept, spec), kept)


def figure(image: Picture, boxes: Floats, networks: Sequence[Network], lifter: Lifter | None) -> Picture:
    """A row per network: heat maps over the photo, keypoints over the photo, the 3D pose.

    Args:
        image: (H, W, 3) BGR.
        boxes: (N, 4) xyxy px of the people.
        networks: See ``open_network``.
        lifter: None: no third column. All 3D poses are drawn from the same place.
    """
    frame = Frame(image, camera=Camera.from_fov(image.shape[1], image.shape[0], 60.0))
    people = [_seen(frame, boxes, network) for network in networks]
    poses = [_lifted(lifter, each) for each in people] if lifter else []
    view = fit_view([p.joints for p in poses]) if poses else None
    rows = []
    for i, (network, each) in enumerate(zip(networks, people, strict=True)):
        parts = [_heat(image, boxes, network), overlay(image, each, min_score=_MIN_SCORE)]
        if poses:
            parts.append(scene(poses[i], (image.shape[1], image.shape[0]), view))
        rows.append(np.vstack([_caption(network.label, len(parts) * image.shape[1]), np.hstack(parts)]))
    return np.asarray(np.vstack(rows), np.uint8)


def _seen(frame: Frame, boxes: Floats, network: Network) -> People2D:
    found = network.estimator.estimate(frame, boxes)
    ids = tuple(f"p{i}" for i in range(len(boxes)))
    assert frame.camera is not None
    return People2D(ids, boxes, np.ones(len(boxes), np.float32), found, view=View.through(frame.camera))


def _lifted(lifter: Lifter, people: People2D) -> Skeletons3D:
    """One image: a window of the same pose."""
    lifter.reset()
    now = lifter.lift(people)
    owed = lifter.flush()
    return now or owed[0]


def _heat(image: Picture, boxes: Floats, network: Network) -> Picture:
    """The highest of the J maps at every place, over the grey photo; for all people."""
    spec, said = network.estimator.spec, next(iter(network.session.said.values()))
    maps = np.asarray(said, np.float32)[: len(boxes)].max(1)  # (N, h, w)
    size = spec.input.width, spec.input.height
    unbiased = codec_for(spec).unbiased
    places = place(boxes, width=size[0], height=size[1], box_scale=spec.box_scale, unbiased=unbiased)
    total = np.zeros(image.shape[:2], np.float32)
    for heat, matrix in zip(maps, places.matrices, strict=True):
        crop = cv2.resize(heat, size, interpolation=cv2.INTER_LINEAR)
        back = cv2.invertAffineTransform(matrix)
        total = np.maximum(total, cv2.warpAffine(crop, back, (image.shape[1], image.shape[0])))
    shade = (255 * np.clip(total / max(float(total.max()), 1e-6), 0, 1)).astype(np.uint8)
    colours = cv2.applyColorMap(shade, cv2.COLORMAP_INFERNO)
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    weight = (shade[..., None] / 255.0) ** 0.5
    return np.asarray(grey * (1 - weight) * 0.7 + colours * weight, np.uint8)


def _caption(words: str, width: int) -> Picture:
    line = np.full((_CAPTION_PX, width, 3), 255, np.uint8)
    cv2.putText(line, words, (6, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (30, 30, 30), 1, cv2.LINE_AA)
    return line
