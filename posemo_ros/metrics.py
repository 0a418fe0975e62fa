"""Metrics of poses and emotions, once for training, replay and benchmarks.

Protocols: Human3.6M (protocol 1 MPJPE, protocol 2 P-MPJPE, MPJVE of Pavllo et al., 2019),
MPI-INF-3DHP (PCK at 150 mm, AUC), COCO (object keypoint similarity), classification. Lengths come
out in the unit they went in. Joints with NaN in either array are left out of the means.

COCO's average precision and recall are computed by pycocotools, the reference itself.

Symbols: ... any leading dimensions, T frames, J joints, D dimensions, N samples, K classes.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError, MissingExtraError, reason
from .text_files import json_of

Doubles = NDArray[np.float64]

# Per-keypoint standard deviations of COCO-17 (cocodataset.org, keypoints-eval).
COCO_SIGMAS = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000.0
PERSON_SCORE_FLOOR = 0.2
_NOWHERE_PX = (-1e4, -1e4)
PCK_THRESHOLD_M = 0.150
AUC_THRESHOLDS_M = np.arange(31) * 0.005


def joint_errors(predicted: ArrayLike, truth: ArrayLike) -> Doubles:
    """(..., J) Euclidean distances of (..., J, D) joints; NaN where either is NaN.

    Raises:
        InputError: The shapes differ.
    """
    a, b = np.asarray(predicted, np.float64), np.asarray(truth, np.float64)
    if a.shape != b.shape:
        raise InputError(f"poses of shape {a.shape} cannot be compared with truth of shape {b.shape}")
    return np.asarray(np.linalg.norm(a - b, axis=-1))


def mpjpe(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Mean per-joint position error of (..., J, D) joints (protocol 1 when both are root-relative)."""
    return float(np.nanmean(joint_errors(predicted, truth)))


def procrustes(predicted: ArrayLike, truth: ArrayLike) -> Doubles:
    """Predicted poses moved, turned and scaled onto the truth; never mirrored (Umeyama, 1991).

    Args:
        predicted, truth: (..., J, 3); a pose with a NaN gives NaN.

    Returns:
        (..., J, 3) aligned predictions.
    """
    a, b = np.asarray(predicted, np.float64), np.asarray(truth, np.float64)
    joint_errors(a, b)
    ok = np.asarray(np.isfinite(a).all((-1, -2)) & np.isfinite(b).all((-1, -2)))
    a0, b0 = np.where(ok[..., None, None], a, 0.0), np.where(ok[..., None, None], b, 0.0)
    mean_a, mean_b = a0.mean(-2, keepdims=True), b0.mean(-2, keepdims=True)
    a0, b0 = a0 - mean_a, b0 - mean_b
    u, s, vt = np.linalg.svd(np.swapaxes(a0, -1, -2) @ b0)
    sign = np.ones_like(s)
    sign[..., -1] = np.sign(np.linalg.det(u) * np.linalg.det(vt))
    rotation = (u * sign[..., None, :]) @ vt
    spread = np.maximum((a0**2).sum((-1, -2)), np.finfo(float).tiny)
    scale = (s * sign).sum(-1) / spread
    aligned = scale[..., None, None] * (a0 @ rotation) + mean_b
    return np.asarray(np.where(ok[..., None, None], aligned, np.nan))


def p_mpjpe(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Mean per-joint position error after ``procrustes`` of every pose (protocol 2)."""
    return mpjpe(procrustes(predicted, truth), truth)


def mpjve(predicted: ArrayLike, truth: ArrayLike, follows: ArrayLike | None = None) -> float:
    """Mean per-joint velocity error (Pavllo et al., 2019): length per frame, not per second.

    Args:
        predicted, truth: (T, J, D) joints of one video, or of several one behind the other.
        follows: (T - 1,) bool, whether a frame is the one after its forerunner in the same video;
            all by default.

    Returns:
        NaN where no frame follows another.
    """
    moves = joint_errors(np.diff(np.asarray(predicted), axis=0), np.diff(np.asarray(truth), axis=0))
    if follows is not None:
        moves = moves[np.asarray(follows, bool)]
    return float(np.nanmean(moves)) if np.isfinite(moves).any() else float("nan")


def pck(predicted: ArrayLike, truth: ArrayLike, threshold: float = PCK_THRESHOLD_M) -> float:
    """Fraction, 0..1, of the known joints nearer than ``threshold`` to the truth."""
    errors = joint_errors(predicted, truth)
    return float((errors[np.isfinite(errors)] < threshold).mean())


def auc(predicted: ArrayLike, truth: ArrayLike) -> float:
    """Mean PCK, 0..1, over the 31 thresholds 0, 5, ... 150 mm (MPI-INF-3DHP); joints in metres."""
    return float(np.mean([pck(predicted, truth, t) for t in AUC_THRESHOLDS_M]))


def keypoint_similarity(
    predicted: ArrayLike, truth: ArrayLike, area: ArrayLike, sigmas: ArrayLike = COCO_SIGMAS
) -> Doubles:
    """COCO's similarity of each keypoint, exp(-d^2 / (2 s^2 k^2)), whether labelled or not.

    Args:
        predicted: (..., J, 2 or more) pixels; a NaN keypoint counts as infinitely far away.
        truth: (..., J, 2 or more) pixels.
        area: (...,) of the person's segment, square pixels.
        sigmas: (J,) tolerance per keypoint, k / 2.

    Returns:
        (..., J) 0..1.
    """
    xy, label = (np.asarray(points, np.float64)[..., :2] for points in (predicted, truth))
    squared = ((xy - label) ** 2).sum(-1)
    variance = (2 * np.asarray(sigmas, np.float64)) ** 2
    size = np.asarray(area, np.float64)[..., None] + np.spacing(1)
    return np.asarray(np.nan_to_num(np.exp(-squared / (2 * variance * size)), nan=0.0))


def oks(predicted: ArrayLike, truth: ArrayLike, area: ArrayLike, sigmas: ArrayLike = COCO_SIGMAS) -> Doubles:
    """Object keypoint similarity of COCO.

    Args:
        predicted: (..., J, 2 or more) pixels; a NaN keypoint counts as infinitely far away.
        truth: (..., J, 3) pixels and COCO's visibility v; only joints with v > 0 count.
        area: (...,) of the person's segment, square pixels.
        sigmas: (J,) tolerance per keypoint.

    Returns:
        (...,) 0..1; NaN where the truth labels no joint.
    """
    similarity = keypoint_similarity(predicted, truth, area, sigmas)
    counted = np.asarray(truth)[..., 2] > 0
    with np.errstate(invalid="ignore"):
        return np.asarray((similarity * counted).sum(-1) / counted.sum(-1))


def person_scores(keypoints: ArrayLike) -> Doubles:
    """(N,) mean of the keypoint scores above 0.2 of (N, J, 3) keypoints, 0 where there is none (HRNet)."""
    points = np.asarray(keypoints, np.float64)
    sure = np.isfinite(points).all(-1) & (points[..., 2] > PERSON_SCORE_FLOOR)
    return np.asarray(np.where(sure, points[..., 2], 0).sum(1) / np.maximum(sure.sum(1), 1))


def coco_results(
    image_ids: Sequence[int], keypoints: ArrayLike, box_scores: ArrayLike, areas: ArrayLike
) -> list[dict[str, Any]]:
    """Answers of a top-down network in COCO's result format, by HRNet's protocol (Sun et al., 2019).

    A person's score is the box's times ``person_scores``; doubles go by ``oks_nms``.

    Args:
        image_ids: N.
        keypoints: (N, 17, 3) x, y in pixels of the photo and score; NaN where one is not known, which
            then lies far outside the image.
        box_scores: (N,).
        areas: (N,) of the crops, square pixels of the photo.
    """
    points = np.asarray(keypoints, np.float64)
    scores = np.asarray(box_scores, np.float64) * person_scores(points)
    placed = np.where(np.isfinite(points).all(-1, keepdims=True), points, (*_NOWHERE_PX, 0))
    return [
        {
            "image_id": int(image_ids[i]),
            "category_id": 1,
            "keypoints": placed[i].ravel().tolist(),
            "score": float(scores[i]),
        }
        for i in oks_nms(image_ids, points, scores, areas)
    ]


def oks_nms(
    image_ids: Sequence[int],
    keypoints: ArrayLike,
    scores: ArrayLike,
    areas: ArrayLike,
    threshold: float = 0.9,
) -> list[int]:
    """Which of N answers stay when of two of one image that agree the lower-scoring one goes (HRNet).

    Args:
        image_ids: N.
        keypoints: (N, 17, 2 or more) pixels; NaN agrees with nothing.
        scores: (N,).
        areas: (N,) of the crops the poses were found in, square pixels of the photo.
        threshold: Poses with a higher object keypoint similarity agree; the size is the mean of both.

    Returns:
        Indices, rising.
    """
    size = np.asarray(areas, np.float64)
    points = np.asarray(keypoints, np.float64)[..., :2]
    by_image: dict[int, list[int]] = {}
    for i in np.argsort(-np.asarray(scores, np.float64), kind="stable").tolist():
        better = by_image.setdefault(int(image_ids[i]), [])
        labels = np.concatenate([points[better], np.ones((len(better), points.shape[1], 1))], -1)
        alike = oks(np.broadcast_to(points[i], points[better].shape), labels, (size[better] + size[i]) / 2)
        if not (alike > threshold).any():
            better.append(i)
    return sorted(i for kept in by_image.values() for i in kept)


def coco_keypoint_ap(
    truth: Path | Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    *,
    joints: Sequence[int] | None = None,
) -> dict[str, float]:
    """COCO's keypoint metrics over all images of an annotation file, at most 20 people per image.

    Args:
        truth: Annotation file in COCO's format, or its content.
        results: ``[{"image_id", "category_id": 1, "keypoints": [x, y, score, ...], "score"}, ...]``.
        joints: Only these indices count; all by default.

    Returns:
        ``AP`` (mean over the similarities .50:.05:.95), ``AP50``, ``AP75``, ``APM``, ``APL`` (areas
        32^2..96^2 and more), ``AR``, all 0..1; NaN where the file has no such people.

    Raises:
        InputError: The file cannot be read, or a result is for an image it does not have.
        MissingExtraError: pycocotools is not installed.
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ModuleNotFoundError as error:
        raise MissingExtraError("pycocotools", "evaluate", "COCO's average precision") from error
    chosen = list(range(len(COCO_SIGMAS))) if joints is None else list(joints)
    names = ("AP", "AP50", "AP75", "APM", "APL", "AR")
    data = _coco_subset(truth, chosen)
    unknown = {r["image_id"] for r in results} - {i["id"] for i in data["images"]}
    if unknown:
        raise InputError(f"results for images that are not in the annotations: {sorted(unknown)[:5]}")
    if not results:
        return dict.fromkeys(names, 0.0)
    with contextlib.redirect_stdout(io.StringIO()):
        reference = COCO()
        reference.dataset = data
        reference.createIndex()
        answers = reference.loadRes([{**r, "keypoints": _of_joints(r["keypoints"], chosen)} for r in results])
        evaluation = COCOeval(reference, answers, "keypoints")
        evaluation.params.kpt_oks_sigmas = COCO_SIGMAS[chosen]
        evaluation.evaluate(), evaluation.accumulate(), evaluation.summarize()
    values = (float(v) if v >= 0 else float("nan") for v in evaluation.stats[:6])
    return dict(zip(names, values, strict=True))


def _coco_subset(truth: Path | Mapping[str, Any], joints: list[int]) -> dict[str, Any]:
    """The annotations with the chosen joints alone."""
    try:
        data = dict(truth if isinstance(truth, Mapping) else json_of(truth))
        annotations = []
        # pycocotools takes an answer that matches the annotation with the id 0 for one that matches none.
        for number, entry in enumerate(data["annotations"], 1):
            points = _of_joints(entry["keypoints"], joints)
            labelled = sum(v > 0 for v in points[2::3])
            annotations.append({**entry, "id": number, "keypoints": points, "num_keypoints": labelled})
        data["images"], data["categories"] = list(data["images"]), list(data["categories"])
        return {**data, "annotations": annotations}
    except (OSError, ValueError, KeyError, TypeError) as error:
        name = "annotations" if isinstance(truth, Mapping) else truth
        raise InputError(
            f"{name}: expected keypoint annotations in COCO's format ({reason(error)})"
        ) from error


def _of_joints(flat: Sequence[float], joints: list[int]) -> list[float]:
    return [float(v) for j in joints for v in flat[3 * j : 3 * j + 3]]


def confusion(predicted: ArrayLike, truth: ArrayLike, classes: int) -> NDArray[np.int64]:
    """(K, K) counts; row = true class, column = predicted class, from (N,) class indices."""
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (np.asarray(truth, np.int64), np.asarray(predicted, np.int64)), 1)
    return matrix


def accuracy(matrix: ArrayLike) -> float:
    """Fraction, 0..1, on the diagonal of a confusion matrix."""
    counts = np.asarray(matrix, np.float64)
    return float(np.trace(counts) / counts.sum())


def recall(matrix: ArrayLike) -> Doubles:
    """(K,) fraction of each true class that was found; NaN for a class without samples."""
    counts = np.asarray(matrix, np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.diag(counts) / counts.sum(1))


def macro_f1(matrix: ArrayLike) -> float:
    """Unweighted mean of the classes' F1, 0..1; a class neither present nor predicted is left out."""
    counts = np.asarray(matrix, np.float64)
    with np.errstate(invalid="ignore"):
        f1 = 2 * np.diag(counts) / (counts.sum(0) + counts.sum(1))
    return float(np.nanmean(f1))


def expected_calibration_error(probabilities: ArrayLike, truth: ArrayLike, bins: int = 15) -> float:
    """Mean gap, 0..1, between confidence and accuracy (Guo et al., 2017).

    Args:
        probabilities: (N, K), rows sum to 1.
        truth: (N,) class indices.
        bins: Equal-width bins of the highest probability; each weighs as many as fall into it.
    """
    rows = np.asarray(probabilities, np.float64)
    confidence, right = rows.max(1), rows.argmax(1) == np.asarray(truth)
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(index, weights=right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(rows))
