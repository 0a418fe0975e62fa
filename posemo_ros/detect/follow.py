"""The next box of a person from their last keypoints, so that the detector may rest."""

from __future__ import annotations

import numpy as np

from ..types import Detections, Floats


def boxes_from_keypoints(
    keypoints: Floats, *, min_score: float, min_keypoints: int = 5, margin: float = 0.1
) -> Detections:
    """Boxes around the keypoints that were seen.

    Args:
        keypoints: (N, 17, 3) x px, y px, score.
        min_score: Keypoints below this score were not seen.
        min_keypoints: With fewer than these a person cannot be followed.
        margin: Added at every side, in parts of the longer side of the keypoints' extent: a body
            reaches beyond its outermost keypoints, and it moves.

    Returns:
        N boxes; the score is the mean of the seen keypoints' scores, and 0 (with NaN corners)
        where a person cannot be followed.
    """
    points = np.asarray(keypoints, np.float32)
    seen = (points[..., 2] >= min_score) & np.isfinite(points[..., :2]).all(axis=-1)  # (N, 17)
    enough = seen.sum(axis=1) >= max(min_keypoints, 1)
    low = np.where(seen[..., None], points[..., :2], np.inf).min(axis=1)  # (N, 2)
    high = np.where(seen[..., None], points[..., :2], -np.inf).max(axis=1)
    low[~enough], high[~enough] = np.nan, np.nan
    pad = margin * (high - low).max(axis=1, keepdims=True)
    scores = np.where(seen, points[..., 2], 0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    return Detections(
        np.concatenate([low - pad, high + pad], axis=1).astype(np.float32),
        np.where(enough, np.clip(scores, 0, 1), 0).astype(np.float32),
    )
