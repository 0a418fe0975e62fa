"""Pictures that show nothing, and pictures that do."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from posemo_ros.image_check import complaint
from posemo_ros.types import Frame, PixelOrder


def scene(size: tuple[int, int] = (480, 640), seed: int = 0) -> np.ndarray:
    """Edges and shades of all sizes."""
    rng = np.random.default_rng(seed)
    image = np.full((*size, 3), 90, np.uint8)
    for _ in range(60):
        corner = rng.integers(0, size[::-1])
        colour = tuple(int(c) for c in rng.integers(0, 256, 3))
        cv2.rectangle(image, corner.tolist(), (corner + rng.integers(5, 120, 2)).tolist(), colour, -1)
    return image


@pytest.mark.parametrize("size", [(48, 64), (480, 640), (1080, 1920), (640, 8)])
def test_a_scene_is_fine(size: tuple[int, int]) -> None:
    assert complaint(Frame(scene(size))) == ""
    grey = cv2.cvtColor(scene(size), cv2.COLOR_BGR2GRAY)
    assert complaint(Frame(grey, pixel_order=PixelOrder.GRAY)) == ""


@pytest.mark.parametrize("seed", range(3))
def test_noise_is_sharp(seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (480, 640, 3), np.uint8)
    assert complaint(Frame(noise)) == ""


@pytest.mark.parametrize(
    ("image", "text"),
    [
        (np.zeros((480, 640, 3), np.uint8), "dark"),
        ((scene() * 0.1).astype(np.uint8), "dark"),
        (np.full((480, 640, 3), 255, np.uint8), "all alike"),
        (cv2.GaussianBlur(scene(), (0, 0), 16), "blurred"),
    ],
)
def test_what_is_wrong_is_named(image: np.ndarray, text: str) -> None:
    assert text in complaint(Frame(image))


@pytest.mark.shared
def test_photos_are_fine(shared_data) -> None:
    photos = sorted((shared_data / "backgrounds").glob("*.jpg"))[:40]
    assert len(photos) == 40
    assert [complaint(Frame(cv2.imread(str(photo)))) for photo in photos] == [""] * 40
