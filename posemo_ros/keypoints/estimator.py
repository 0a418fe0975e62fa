"""2D keypoints of all people of a frame, in one batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..inference.manifest import KeypointSpec
from ..inference.session import Session, one_by_one
from ..skeleton import COCO17
from ..tensors import Writer, write_tensor
from ..types import Floats, Frame
from .codecs import codec_for, in_order
from .crop import Placement, crop_into, place

NEAR_EDGE = 0.5  # trunk lengths from the hips to the lower edge of the image
CUT_LOGIT = 3.0
_SHOULDERS, _HIPS, _LEGS = [5, 6], [11, 12], [13, 14, 15, 16]
BEYOND = 0.02  # of the crop's side: so far outside the image a keypoint still counts as at its edge


class KeypointEstimator:
    """Runs a top-down keypoint network.

    Attributes:
        session: The network; its first input takes the crops, (N, 3, height, width).
        spec: Crop size, normalisation and codec.
        write: Turns a crop into a tensor.
    """

    def __init__(self, session: Session, spec: KeypointSpec) -> None:
        self.session = session
        self.spec = spec
        self.write: Writer = write_tensor
        self._codec = codec_for(spec)
        self._buffer: Floats = np.empty((0, 3, spec.input.height, spec.input.width), np.float32)

    def estimate(self, frame: Frame, boxes: Floats) -> Floats:
        """Keypoints in image pixels.

        Args:
            frame: The image.
            boxes: (N, 4) xyxy px.

        Returns:
            (N, 17, 3) float32 x, y, score in 0..1. NaN, NaN, 0 where nothing is known: the network
            has no peak, the peak lies outside the image, or the box has no area in the image.

        Raises:
            ModelError: The network's outputs do not have the form the manifest says.
        """
        return self.estimate_each([(frame, boxes)])[0]

    def estimate_each(self, images: Sequence[tuple[Frame, Floats]]) -> list[Floats]:
        """The same for several images, the people of all of them in one run of the network.

        Args:
            images: Each with its (N, 4) boxes.

        Returns:
            (N, 17, 3) of every image, see ``estimate``.

        Raises:
            ModelError: See ``estimate``.
        """
        out = [np.full((len(boxes), len(COCO17), 3), (np.nan, np.nan, 0), np.float32) for _, boxes in images]
        usable = [_inside(boxes, frame) for frame, boxes in images]
        if not any(rows.any() for rows in usable):
            return out
        placements = [self._place(boxes[rows]) for (_, boxes), rows in zip(images, usable, strict=True)]
        counts = [len(p.centres) for p in placements]
        crops = self._crop([frame for frame, _ in images], placements)
        found = self._codec.decode(self._outputs(crops, sum(counts)))
        found[..., 2] = calibrated(found[..., 2], self.spec.calibration)
        for i, rows in enumerate(np.split(found, np.cumsum(counts)[:-1])):
            out[i][usable[i]] = _in_image(images[i][0], placements[i], rows)
        return out

    def _place(self, boxes: Floats) -> Placement:
        size = self.spec.input
        return place(
            boxes,
            width=size.width,
            height=size.height,
            box_scale=self.spec.box_scale,
            unbiased=self._codec.unbiased,
        )

    def _crop(self, frames: Sequence[Frame], placements: Sequence[Placement]) -> Floats:
        """(N, 3, height, width) of all people, with the flip test their mirror images after them."""
        counts = [len(p.centres) for p in placements]
        count = sum(counts)
        crops = self._crops(2 * count if self.spec.flip_test else count)
        targets = np.split(crops[:count], np.cumsum(counts)[:-1])
        for frame, placement, target in zip(frames, placements, targets, strict=True):
            crop_into(frame, placement, self.spec.input, target, self.write)
        crops[count:] = crops[: len(crops) - count, ..., ::-1]
        return crops

    def _crops(self, count: int) -> Floats:
        """(count, 3, height, width) of a buffer that only grows."""
        if len(self._buffer) < count:
            self._buffer = np.empty((count, *self._buffer.shape[1:]), np.float32)
        return self._buffer[:count]

    def _outputs(self, crops: Floats, count: int) -> list[Floats]:
        """For ``count`` crops; their mirror images follow them where the spec asks for the flip test."""
        both = self._run(crops)
        if len(crops) == count:
            return both
        mirrored = self._codec.flip([o[count:] for o in both], COCO17.flip_index)
        return [np.asarray((a[:count] + b) / 2, np.float32) for a, b in zip(both, mirrored, strict=True)]

    def _run(self, crops: Floats) -> list[Floats]:
        """COCO's 17 of the outputs in the codec's order; one by one where its batch is fixed to 1."""
        feeds = {self.session.inputs[0].name: crops}
        single = self.session.inputs[0].shape[0] == 1
        found = one_by_one(self.session, feeds) if single else self.session.run(feeds)
        names = in_order([output.name for output in self.session.outputs])
        return [np.asarray(found[name], np.float32)[:, : len(COCO17)] for name in names]


def _in_image(frame: Frame, placement: Placement, found: Floats) -> Floats:
    """(N, 17, 3) of the crops in image px; NaN, NaN, 0 where that is outside the image."""
    found[..., :2] = placement.to_image(found[..., :2])
    found[..., 2] = without_cut_legs(found, frame.height)  # hips outside the image say most about it
    slack = BEYOND * placement.sizes.max(axis=1)[:, None, None]
    low, high = -slack, np.array([frame.width - 1, frame.height - 1]) + slack
    outside = ~((found[..., :2] >= low) & (found[..., :2] <= high)).all(axis=-1)
    found[outside] = (np.nan, np.nan, 0)
    return found


def calibrated(scores: Floats, calibration: tuple[float, float]) -> Floats:
    """Scores as probabilities (Platt, 1999): sigmoid(a * logit(s) + b); 0 stays 0, 1 stays 1.

    Args:
        scores: (...) 0..1.
        calibration: a, b.
    """
    a, b = calibration
    if (a, b) == (1.0, 0.0):
        return scores
    with np.errstate(divide="ignore", over="ignore"):
        odds = np.exp(-b) * ((1 - scores) / scores) ** a
    return np.asarray(1 / (1 + odds), np.float32)


def without_cut_legs(keypoints: Floats, height: int) -> Floats:
    """Scores with less belief in knees and ankles where the image ends at the hips.

    A network that sees no legs still answers, at the edge of the image. Of somebody whose hips are nearer to
    the lower edge than half a trunk, or beyond it, the odds of knees and ankles are divided by e³ (chosen on
    people kept from training, see the model card).

    Args:
        keypoints: (N, 17, 3) COCO-17: x px, y px, score; also outside the image, as the network answered.
        height: Of the image, px.

    Returns:
        (N, 17) scores.
    """
    shoulders, hips = (keypoints[:, pair, 1].mean(axis=1) for pair in (_SHOULDERS, _HIPS))
    cut = hips + NEAR_EDGE * np.abs(hips - shoulders) > height  # False where NaN
    scores: Floats = keypoints[..., 2].copy()
    odds = np.exp(-CUT_LOGIT)
    legs = scores[np.ix_(cut, _LEGS)]
    scores[np.ix_(cut, _LEGS)] = legs * odds / (1 - legs + legs * odds)
    return scores


def _inside(boxes: Floats, frame: Frame) -> NDArray[np.bool_]:
    """(N,) whether a box is finite and covers at least a pixel of the image."""
    low = np.maximum(boxes[:, :2], 0)
    high = np.minimum(boxes[:, 2:], (frame.width, frame.height))
    return np.asarray(np.isfinite(boxes).all(axis=1) & (high - low >= 1).all(axis=1), np.bool_)
