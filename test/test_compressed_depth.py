"""Compressed depth gives what the raw image gives, within its quantisation; all else is refused."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest

pytest.importorskip("hypothesis", reason="hypothesis makes the input of these tests")

from hypothesis import given
from hypothesis import strategies as st

from posemo_ros.compressed_depth import MAX_PIXELS, depth_from_compressed
from posemo_ros.errors import InputError
from posemo_ros.images import depth_from_raw

from .depth_codec import QUANTISATION, compressed

PNG, RVL = "compressedDepth png", "compressedDepth rvl"
both = pytest.mark.parametrize("how", [PNG, RVL, "compressedDepth"])


def room() -> np.ndarray:
    """(48, 64) metres: a wall, somebody before it, noise, holes and an edge without depth."""
    rng = np.random.default_rng(3)
    metres = np.full((48, 64), 4.2) + np.linspace(0, 1, 64)
    metres[10:, 20:35] = 2.1
    metres += rng.normal(0, 0.004, metres.shape) * metres**2
    metres[rng.random(metres.shape) < 0.1] = np.nan
    metres[:, :5] = np.nan
    return metres


def millimetres() -> np.ndarray:
    return np.nan_to_num(np.rint(room() * 1000)).astype(np.uint16)


def raw(values: np.ndarray, encoding: str) -> np.ndarray:
    height, width = values.shape
    return depth_from_raw(encoding, height, width, width * values.itemsize, False, values.tobytes())


@both
@pytest.mark.parametrize("encoding", ["16UC1", "16U"])
def test_millimetres_are_exact(encoding: str, how: str) -> None:
    found = depth_from_compressed(f"{encoding}; {how}", compressed(millimetres(), rvl=how == RVL))
    np.testing.assert_array_equal(found, raw(millimetres(), encoding))
    assert np.isnan(found).mean() > 0.1


def test_a_png_of_millimetres_without_header() -> None:
    data = cv2.imencode(".png", millimetres())[1].tobytes()
    for form in ("16UC1; png compressed ", "16UC1; compressedDepth png"):
        np.testing.assert_array_equal(depth_from_compressed(form, data), raw(millimetres(), "16UC1"))


@both
@pytest.mark.parametrize("quantisation", [20.0, QUANTISATION])
def test_metres_are_as_near_as_one_step_of_the_quantisation(how: str, quantisation: float) -> None:
    metres = room().astype(np.float32)
    found = depth_from_compressed(
        f"32FC1; {how}", compressed(metres, rvl=how == RVL, quantisation=quantisation)
    )
    wanted = raw(metres, "32FC1")
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
    step = wanted**2 / (quantisation * (quantisation + 1) - wanted)
    assert np.nanmax(np.abs(found - wanted) / step) <= 1.001
    assert np.nanmax(np.abs(found - wanted)) > 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 5), (48, 64)])
@pytest.mark.parametrize("kind", ["nothing", "all the same", "steps of all sizes", "every other"])
def test_rvl_of_every_kind(shape: tuple[int, int], kind: str) -> None:
    values = np.zeros(shape, np.uint16)
    if kind == "all the same":
        values[:] = 65535
    elif kind == "steps of all sizes":
        values[:] = np.random.default_rng(0).integers(0, 65536, shape)
    elif kind == "every other":
        values.ravel()[::2] = 1234
    found = depth_from_compressed("16UC1; compressedDepth rvl", compressed(values, rvl=True))
    np.testing.assert_array_equal(found, raw(values, "16UC1"))


def test_rvl_as_the_paper_has_it() -> None:
    """Two unknown, three known (5, 3, 300), one unknown: 2 3 | 10 3 (2, 3) 594 (2, 2, 1, 1) | 1 0."""
    groups = [2, 3, 0xA, 1, 3, 0xA, 0xA, 9, 1, 1, 0]
    groups += [0] * (-len(groups) % 8)
    words = [
        sum(g << (28 - 4 * n) for n, g in enumerate(groups[i : i + 8])) for i in range(0, len(groups), 8)
    ]
    data = struct.pack("<iffII", 0, 0, 0, 6, 1) + struct.pack(f"<{len(words)}I", *words)
    found = depth_from_compressed("16UC1; compressedDepth rvl", data)
    np.testing.assert_allclose(found, [[np.nan, np.nan, 0.005, 0.003, 0.3, np.nan]], rtol=1e-6)


def header(a: float, b: float) -> bytes:
    return struct.pack("<iff", 0, a, b)


def png_of(image: np.ndarray) -> bytes:
    return bytes(12) + cv2.imencode(".png", image)[1].tobytes()


def bomb(side: int) -> bytes:
    """A PNG of 16 bits that claims side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", side, side, 16, 0, 0, 0, 0)
    parts = chunk(b"IHDR", size), chunk(b"IDAT", zlib.compress(bytes(1000))), chunk(b"IEND", b"")
    return bytes(12) + b"\x89PNG\r\n\x1a\n" + b"".join(parts)


GOOD, FLOATS = compressed(millimetres()), compressed(room().astype(np.float32))
RUNS = compressed(millimetres(), rvl=True)
JPEG = cv2.imencode(".jpg", np.zeros((8, 8), np.uint8))[1].tobytes()


@pytest.mark.parametrize(
    ("form", "data", "words"),
    [
        ("16UC1; compressedDepth png", b"", "header of 12 bytes"),
        ("16UC1; compressedDepth png", GOOD[:12], "header of 12 bytes"),
        ("16UC1; compressedDepth png", GOOD[:-60], "cut off"),
        ("16UC1; compressedDepth png", GOOD[:80] + b"x" + GOOD[81:-60] + b"IEND", "cut off|damaged"),
        ("16UC1; compressedDepth png", RUNS, "expected a PNG"),
        ("16UC1; compressedDepth png", bytes(12) + JPEG, "expected a PNG"),
        ("16UC1; compressedDepth png", png_of(np.zeros((9, 9), np.uint8)), "one channel of 16 bits"),
        ("16UC1; compressedDepth png", png_of(np.zeros((9, 9, 3), np.uint16)), "one channel of 16 bits"),
        ("16UC1; compressedDepth png", bomb(5000), "5000 x 5000 pixels; more than 20 million"),
        ("16UC1; compressedDepth png", bomb(60000), "million"),
        ("16UC1; jpeg compressed ", JPEG, "JPEG holds no depth"),
        ("32FC1; compressedDepth png", header(np.nan, 0) + FLOATS[12:], "finite numbers"),
        ("32FC1; compressedDepth png", header(0, 0) + FLOATS[12:], "above 0"),
        ("32FC1; compressedDepth png", header(1, np.inf) + FLOATS[12:], "finite numbers"),
        ("32FC1; png compressed", FLOATS[12:], "expected a PNG"),
        ("16UC1; compressedDepth rvl", RUNS[:15], "width and height"),
        ("16UC1; compressedDepth rvl", RUNS[:20], "damaged"),
        ("16UC1; compressedDepth rvl", RUNS[:-80], "cut off"),
        ("16UC1; compressedDepth rvl", header(0, 0) + struct.pack("<II", 0, 5) + RUNS[20:], "0 x 5 pixels"),
        ("16UC1; compressedDepth rvl", header(0, 0) + struct.pack("<II", 5000, 5000) + RUNS[20:], "million"),
        ("16UC1; compressedDepth rvl", RUNS[:20] + b"\xff" * 64, "damaged"),
        ("16UC1; compressedDepth rvl", header(0, 0) + struct.pack("<II", 30, 40) + RUNS[20:], "another size"),
        ("bgr8; jpeg compressed bgr8", JPEG, "expected an encoding of 16UC1"),
        ("", GOOD, "expected an encoding of 16UC1"),
        ("64FC1; compressedDepth png", GOOD, "expected an encoding of 16UC1"),
    ],
)
def test_what_is_no_depth_is_refused(form: str, data: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words) as error:
        depth_from_compressed(form, data)
    assert f"(format {form!r}, {len(data)} bytes)" in str(error.value)
    assert "\n" not in str(error.value)


def test_the_limit_is_above_every_depth_camera_on_a_4k_picture() -> None:
    assert MAX_PIXELS > 3840 * 2160
    values = np.full((2160, 3840), 1500, np.uint16)
    assert (
        depth_from_compressed("16UC1; compressedDepth rvl", compressed(values, rvl=True)).shape
        == values.shape
    )


@given(
    st.sampled_from([GOOD, FLOATS, RUNS]),
    st.sampled_from(["16UC1", "32FC1"]),
    st.sampled_from([PNG, RVL]),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=6),
    st.integers(0, 10**6),
)
def test_damaged_data_are_depth_or_refused(
    data: bytes, encoding: str, how: str, changes: list[tuple[int, int]], length: int
) -> None:
    damaged = bytearray(data)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    try:
        found = depth_from_compressed(f"{encoding}; {how}", bytes(damaged[: length % (2 * len(damaged))]))
    except InputError:
        return
    assert found.dtype == np.float32
    assert found.ndim == 2
    assert not (found <= 0).any()
    assert not np.isinf(found).any()
