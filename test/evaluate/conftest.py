"""Clip files and COCO files for the tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

# A standing person, H36M-17, metres, facing +x, z up (y to the left).
STANDING = np.array(
    [
        (0, 0, 0.95),
        (0, -0.13, 0.93),
        (0, -0.13, 0.5),
        (0, -0.13, 0.08),
        (0, 0.13, 0.93),
        (0, 0.13, 0.5),
        (0, 0.13, 0.08),
        (0, 0, 1.2),
        (0, 0, 1.45),
        (0, 0, 1.5),
        (0, 0, 1.6),
        (0, 0.18, 1.42),
        (0, 0.25, 1.14),
        (0, 0.27, 0.88),
        (0, -0.18, 1.42),
        (0, -0.25, 1.14),
        (0, -0.27, 0.88),
    ],
    np.float32,
)
WRISTS = (13, 16)


def arrays(**changes: Any) -> dict[str, np.ndarray]:
    """Two clips of 40 and 80 frames at 60 Hz: somebody glides along x at 1 m/s. None leaves an array out."""
    time = np.arange(120) / 60
    positions = STANDING + np.stack([time, 0 * time, 0 * time], -1)[:, None]
    file = {
        "positions": positions.astype(np.float32),
        "clip_start": np.array([0, 40, 120]),
        "clip_names": np.array(["first", "second"]),
        "fps": np.float32(60),
    }
    return {k: np.asarray(v) for k, v in {**file, **changes}.items() if v is not None}


@pytest.fixture
def clip_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes ``arrays(**changes)`` and gives the path."""

    def write(**changes: Any) -> Path:
        path = tmp_path / "clips.npz"
        np.savez(path, **arrays(**changes))
        return path

    return write


def coco_person(number: int, left: float, **changes: Any) -> dict[str, Any]:
    """The annotation of somebody in the image of the same number; None leaves a key out."""
    points = [[left + 3 * j, 20 + 5 * j, 2] for j in range(17)]
    person = {
        "id": number,
        "image_id": number,
        "category_id": 1,
        "bbox": [left, 20, 50, 85],
        "area": 2000.0,
        "iscrowd": 0,
        "keypoints": [v for p in points for v in p],
        "num_keypoints": 17,
    }
    return {k: v for k, v in {**person, **changes}.items() if v is not None}


def coco_file(folder: Path, people: list[dict[str, Any]] | None = None, **changes: Any) -> Path:
    """Two images of 200 x 120 px and the annotations of their people."""
    data = {
        "images": [{"id": i, "file_name": f"{i}.png"} for i in (1, 2)],
        "annotations": [coco_person(1, 10), coco_person(2, 100)] if people is None else people,
        "categories": [{"id": 1, "name": "person"}],
    }
    path = folder / "people.json"
    path.write_text(json.dumps({**data, **changes}))
    for i in (1, 2):
        cv2.imwrite(str(folder / f"{i}.png"), np.zeros((120, 200, 3), np.uint8))
    return path
