"""A picture of a few bytes that claims a size beyond all memory is refused before it is decoded."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import pytest

from posemo_ros.errors import InputError
from posemo_ros.pictures import MAX_PIXELS, decode


def png(width: int, height: int) -> bytes:
    """A grey PNG whose header claims that size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    """A small JPEG whose header claims that size."""
    data = bytearray(cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.parametrize("make", [png, jpeg])
@pytest.mark.parametrize("size", [(9000, 9000), (30000, 30000), (65000, 65000)])
def test_a_bomb_is_not_decoded(make, size, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    assert size[0] * size[1] > MAX_PIXELS
    with pytest.raises(InputError, match=r"claims .* 80 million"):
        decode(make(*size))


def test_a_large_camera_is_not_refused():
    image = np.zeros((6000, 8000), np.uint8)
    data = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1]
    assert decode(data, cv2.IMREAD_UNCHANGED).shape == image.shape
