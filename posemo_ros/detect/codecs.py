"""What detectors put out, as person boxes.

Symbols: n boxes, A anchors (grid cells of all strides), C classes, h x w cells of one grid.
"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..inference.manifest import DetectSpec
from ..types import Detections, Floats

Outputs = Mapping[str, NDArray[np.generic]]


def decode(outputs: Outputs, spec: DetectSpec, score_threshold: float) -> Detections:
    """Person boxes in input pixels, best first, without overlaps.

    Args:
        outputs: Of the network, in the form that ``spec.codec`` names (see ``DetectSpec``).
        spec: The detector's manifest entry.
        score_threshold: Lowest score to keep.

    Raises:
        ModelError: The outputs have another form, or are not numbers: a network that fails must not be taken
            for one that sees nobody.
    """
    boxes, scores = _DECODERS[spec.codec](outputs, spec, score_threshold)
    if not np.isfinite(boxes).all():
        raise _no_numbers("box")
    sane = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    boxes, scores = boxes[sane], scores[sane]
    order = np.argsort(-scores, kind="stable")
    if spec.codec != "nms":
        order = order[suppress(boxes[order], scores[order], spec.nms_threshold)]
    return Detections(boxes[order], scores[order])


def suppress(boxes: Floats, scores: Floats, iou_threshold: float) -> NDArray[np.int64]:
    """Indices of the boxes that no better box overlaps (non-maximum suppression), best first.

    Args:
        boxes: (n, 4) xyxy.
        scores: (n,)
        iou_threshold: A box is dropped when its IoU with a better one is above this.
    """
    if not len(boxes):
        return np.zeros(0, np.int64)
    xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxes(xywh.tolist(), scores.tolist(), 0.0, iou_threshold)
    return np.asarray(kept, np.int64).reshape(-1)


def _nms(outputs: Outputs, spec: DetectSpec, threshold: float) -> tuple[Floats, Floats]:
    """MMDeploy's end2end form: (1, n, 5) xyxy + score and (1, n) labels."""
    dets = next((v for v in outputs.values() if v.ndim == 3 and v.shape[2] == 5), None)
    labels = next((v for v in outputs.values() if v.ndim == 2), None)
    if dets is None or labels is None or dets.shape[:2] != labels.shape:
        raise _wrong(outputs, spec, "boxes (1, n, 5) and labels (1, n)")
    rows = np.asarray(dets[0], np.float32)
    rows = rows[labels[0] == spec.person_class]
    keep = _sure(rows[:, 4], threshold)
    return rows[keep, :4], rows[keep, 4]


def _rtmdet(outputs: Outputs, spec: DetectSpec, threshold: float) -> tuple[Floats, Floats]:
    """RTMDet's heads: class scores (1, C, h, w), then distances to the four sides (1, 4, h, w).

    Cell (row, col) looks out from the pixel (col, row) * stride (Lyu et al., 2022; MMDetection's
    ``MlvlPointGenerator`` with offset 0).
    """
    boxes, scores = [np.zeros((0, 4), np.float32)], [np.zeros(0, np.float32)]
    for stride in spec.strides:
        size = (spec.input.height // stride, spec.input.width // stride)
        maps = [np.asarray(v[0], np.float32) for v in outputs.values() if v.ndim == 4 and v.shape[2:] == size]
        # Told apart by the channels; in the network's order when both have 4.
        maps.sort(key=lambda m: len(m) == 4)
        if len(maps) != 2 or len(maps[1]) != 4 or len(maps[0]) <= spec.person_class:
            raise _wrong(outputs, spec, f"maps (1, C, {size[0]}, {size[1]}) and (1, 4, {size[0]}, {size[1]})")
        score = maps[0][spec.person_class]
        rows, cols = np.nonzero(_sure(score, threshold))
        left, top, right, bottom = maps[1][:, rows, cols]
        x, y = np.float32(stride) * cols, np.float32(stride) * rows
        boxes.append(np.stack([x - left, y - top, x + right, y + bottom], axis=1).astype(np.float32))
        scores.append(score[rows, cols])
    return np.concatenate(boxes), np.concatenate(scores)


def _yolox(outputs: Outputs, spec: DetectSpec, threshold: float) -> tuple[Floats, Floats]:
    """YOLOX: (1, A, 5 + C) with x, y, log w, log h in cells, objectness, classes (Ge et al., 2021).

    Objectness and classes have passed the sigmoid, as in the official export; the score is
    objectness times person class.
    """
    grid, strides = _cells(spec)
    rows = np.asarray(next(iter(outputs.values()))[0], np.float32)
    if rows.ndim != 2 or len(rows) != len(grid) or rows.shape[1] <= 5 + spec.person_class:
        raise _wrong(outputs, spec, f"(1, {len(grid)}, 5 + classes)")
    score = rows[:, 4] * rows[:, 5 + spec.person_class]
    keep = _sure(score, threshold)
    rows, grid, strides = rows[keep], grid[keep], strides[keep, None]
    centre = (rows[:, :2] + grid) * strides
    half = np.exp(rows[:, 2:4]) * strides / 2
    return np.concatenate([centre - half, centre + half], axis=1), score[keep]


def _cells(spec: DetectSpec) -> tuple[Floats, Floats]:
    """(A, 2) column and row, (A,) stride of every cell, in YOLOX's order."""
    cells, strides = [], []
    for stride in spec.strides:
        rows, cols = np.indices((spec.input.height // stride, spec.input.width // stride), np.float32)
        cells.append(np.stack([cols, rows], axis=-1).reshape(-1, 2))
        strides.append(np.full(cols.size, stride, np.float32))
    return np.concatenate(cells), np.concatenate(strides)


def _sure(scores: Floats, threshold: float) -> NDArray[np.bool_]:
    """Which scores, of any shape, reach the threshold; NaN would be nobody, whoever stands there."""
    if np.isnan(scores).any():
        raise _no_numbers("score")
    return np.asarray(scores >= threshold, np.bool_)


def _no_numbers(what: str) -> ModelError:
    return ModelError(
        f"the detector put out a {what} that is no finite number, so nobody knows who is in the image; its "
        "precision or runtime may be at fault: choose another (option --runtime, parameter runtime)"
    )


def _wrong(outputs: Outputs, spec: DetectSpec, expected: str) -> ModelError:
    got = ", ".join(f"{name} {value.shape}" for name, value in outputs.items())
    return ModelError(
        f"the detector put out {got}; its manifest entry says codec '{spec.codec}' with input "
        f"{spec.input.width} x {spec.input.height}, which means {expected}; correct the entry"
    )


_DECODERS = {"nms": _nms, "rtmdet": _rtmdet, "yolox": _yolox}
