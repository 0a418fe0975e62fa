"""rtmlib's PoseTracker around our ONNX files; see its README for what is compared. Needs the extra ``bench``.

rtmlib prepares the pixels, runs the sessions and follows people; only what the networks put out is
read by our codecs, since rtmlib knows no other than its own models' forms.
"""

from __future__ import annotations

import contextlib
import io
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..detect.codecs import decode
from ..inference.manifest import DetectSpec, KeypointSpec
from ..inference.store import ModelStore
from ..keypoints.codecs import codec_for
from ..pipeline import Models, Network, Settings
from ..types import Frame, FrameResult, People2D


class RtmlibTracker:
    """See ``contenders.Contender``."""

    def __init__(self, models: Models, settings: Settings, store: ModelStore) -> None:
        from rtmlib import Custom, PoseTracker

        detector, pose = _classes(models, settings, store)

        def solution(**options: Any) -> Any:
            made = Custom.__new__(Custom)
            made.det_model, made.pose_model = detector(), pose()
            return made

        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it loads
            self._tracker = PoseTracker(partial(solution), det_frequency=settings.detect_every)
        self.networks = {
            name: Network(getattr(models, name), "onnxruntime", "fp32") for name in ("detector", "keypoints")
        }

    def reset(self) -> None:
        """Forget everybody."""
        self._tracker.reset()

    def step(self, frame: Frame) -> FrameResult:
        """People of the next frame, without names."""
        keypoints, scores = self._tracker(frame.image)
        count = len(keypoints)
        if not count:
            return FrameResult(People2D(view=frame.view()))
        points = np.concatenate([np.asarray(keypoints), np.asarray(scores)[..., None]], -1).astype(np.float32)
        boxes = np.concatenate([points[..., :2].min(1), points[..., :2].max(1)], 1)
        names = tuple(str(i) for i in range(count))
        return FrameResult(People2D(names, boxes, points[..., 2].mean(1), points, view=frame.view()))


def _classes(models: Models, settings: Settings, store: ModelStore) -> tuple[Any, Any]:
    from rtmlib import RTMDet, RTMPose

    detect = cast(DetectSpec, store.spec(models.detector).spec)
    keypoints = cast(KeypointSpec, store.spec(models.keypoints).spec)
    threshold = settings.detector_threshold or detect.score_threshold
    codec = codec_for(keypoints)

    class OurDetector(RTMDet):  # type: ignore[misc]
        def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
            padded, ratio = self.preprocess(image)
            names = [output.name for output in self.session.get_outputs()]
            outputs = dict(zip(names, self.inference(padded), strict=True))
            return np.asarray(decode(outputs, detect, threshold).boxes / ratio, np.float32)

    class OurPose(RTMPose):  # type: ignore[misc]
        def preprocess(self, image: NDArray[np.uint8], box: Any) -> Any:
            crop, centre, scale = super().preprocess(image, box)
            return crop[..., ::-1], centre, scale  # ours take RGB

        def postprocess(self, outputs: Any, centre: Any, scale: Any, **_: Any) -> Any:
            found = codec.decode(outputs)
            return found[..., :2] / self.model_input_size * scale + centre - scale / 2, found[..., 2]

    def sized(spec: Any) -> tuple[int, int]:
        return spec.input.height, spec.input.width

    make_detector = partial(
        OurDetector,
        str(store.path(models.detector)),
        sized(detect),
        mean=detect.input.mean,
        std=detect.input.std,
        backend="onnxruntime",
    )
    make_pose = partial(
        OurPose,
        str(store.path(models.keypoints)),
        sized(keypoints)[::-1],
        mean=keypoints.input.mean,
        std=keypoints.input.std,
        backend="onnxruntime",
    )
    return make_detector, make_pose
