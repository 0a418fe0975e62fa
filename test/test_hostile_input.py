"""Whatever comes in a message: a frame or camera that can be used, or an error that says why not."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("hypothesis", reason="hypothesis makes the input of these tests")

from hypothesis import example, given
from hypothesis import strategies as st

from posemo_ros.camera_info import camera_from_info
from posemo_ros.errors import InputError
from posemo_ros.image_check import complaint
from posemo_ros.images import frame_from_compressed, frame_from_raw
from posemo_ros.types import Frame

from .hostile import NUMBERS, SIZES, raw_images


def attempt(make: Callable[[], Frame]) -> Frame | None:
    """The frame, or None where there is an error that explains itself; anything else is raised."""
    try:
        return make()
    except InputError as error:
        if len(str(error)) < 20:
            raise
        return None


@given(fields=raw_images())
def test_raw_images(fields: dict[str, Any]) -> None:
    frame = attempt(lambda: frame_from_raw(**fields))
    if frame is None:
        return
    assert (frame.width, frame.height) == (fields["width"], fields["height"])
    assert frame.bgr().shape == (frame.height, frame.width, 3)
    complaint(frame)


def _picture() -> np.ndarray:
    image = np.zeros((24, 32, 3), np.uint8)
    image[4:20, 8:24] = (40, 120, 250)
    return image


WHOLE = {
    name: cv2.imencode(name, _picture())[1].tobytes() for name in (".jpg", ".png", ".webp", ".bmp", ".tiff")
}


@given(
    whole=st.sampled_from(sorted(WHOLE)),
    cut=st.floats(0, 1),
    changes=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=6),
    name=st.sampled_from(["jpeg", "png", "bgr8; jpeg compressed bgr8", "16UC1; png compressed ", "", "tiff"]),
)
@example(whole=".jpg", cut=0.5, changes=[], name="jpeg")
@example(whole=".png", cut=0.5, changes=[], name="png")
def test_compressed_images(whole: str, cut: float, changes: list[tuple[float, int]], name: str) -> None:
    data = bytearray(WHOLE[whole])
    for place, value in changes:
        data[int(place * len(data))] = value
    frame = attempt(lambda: frame_from_compressed(name, bytes(data[: int(cut * len(data))])))
    if frame is None:
        return
    assert frame.image.dtype == np.uint8
    complaint(frame)


@given(
    k=st.lists(NUMBERS, min_size=9, max_size=9),
    d=st.lists(NUMBERS, max_size=15),
    model=st.sampled_from(["", "plumb_bob", "rational_polynomial", "equidistant", "fisheye", "nonsense"]),
    size=st.tuples(SIZES, SIZES),
    roi=st.tuples(SIZES, SIZES, SIZES, SIZES),
    binning=st.tuples(SIZES, SIZES),
)
def test_camera_infos(
    k: list[float], d: list[float], model: str, size: tuple[int, int], roi: Any, binning: tuple[int, int]
) -> None:
    x, y, width, height = roi
    window = SimpleNamespace(x_offset=x, y_offset=y, width=width, height=height)
    info = SimpleNamespace(
        k=k,
        d=d,
        distortion_model=model,
        width=size[0],
        height=size[1],
        roi=window,
        binning_x=binning[0],
        binning_y=binning[1],
    )
    camera, note = camera_from_info(info, 640, 480)
    assert np.isfinite(camera.matrix).all()
    assert camera.matrix[0, 0] > 0
    assert camera.matrix[1, 1] > 0
    assert np.isfinite(camera.distortion).all()
    assert not camera.assumed or note
