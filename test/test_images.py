"""Pictures in every encoding, against pixels written by hand."""

from __future__ import annotations

import array
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from posemo_ros import images
from posemo_ros.errors import InputError
from posemo_ros.images import ENCODINGS, RawImage, frame_from_compressed, frame_from_raw
from posemo_ros.types import Frame, PixelOrder

B, G, R = 30, 90, 200  # one colour, far from grey
H, W = 6, 8
rng = np.random.default_rng(0)


def noise(*shape: int) -> np.ndarray:
    return rng.integers(0, 256, shape, dtype=np.uint8)


def raw(encoding: str, pixels: np.ndarray, pad: int = 0, **fields: Any) -> Frame:
    """Frame of rows of pixels, each followed by ``pad`` bytes of rubbish."""
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
    padded = np.concatenate([rows, noise(len(rows), pad)], axis=1)
    height = H if encoding.startswith(("nv", "i420", "yuv420", "yv12")) else len(pixels)
    message = {
        "encoding": encoding,
        "height": height,
        "width": W,
        "step": padded.shape[1],
        "is_bigendian": False,
        "data": array.array("B", padded.tobytes()),
    }
    return frame_from_raw(**{"convert": images.rosbags_converter, **message, **fields})


class TestViews:
    @pytest.mark.parametrize("pad", [0, 5])
    @pytest.mark.parametrize(
        ("encoding", "order"),
        [("bgr8", PixelOrder.BGR), ("rgb8", PixelOrder.RGB), ("8UC3", PixelOrder.BGR)],
    )
    def test_colour(self, encoding: str, order: PixelOrder, pad: int) -> None:
        pixels = noise(H, W, 3)
        frame = raw(encoding, pixels, pad)
        np.testing.assert_array_equal(frame.image, pixels)
        assert frame.pixel_order is order

    @pytest.mark.parametrize("pad", [0, 5])
    @pytest.mark.parametrize("encoding", ["mono8", "8UC1", "8U"])
    def test_grey(self, encoding: str, pad: int) -> None:
        pixels = noise(H, W)
        frame = raw(encoding, pixels, pad)
        np.testing.assert_array_equal(frame.image, pixels)
        assert frame.pixel_order is PixelOrder.GRAY

    @pytest.mark.parametrize(("encoding", "channels"), [("bgr8", 3), ("rgb8", 3), ("mono8", 1)])
    def test_nothing_is_copied_or_written(self, encoding: str, channels: int) -> None:
        data = array.array("B", bytes(H * W * channels))
        frame = frame_from_raw(encoding, H, W, W * channels, False, data)
        data[0] = 77
        assert frame.image.reshape(-1)[0] == 77
        assert not frame.image.flags.writeable

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda b: np.frombuffer(b, np.uint8)])
    def test_any_buffer(self, kind: Any) -> None:
        pixels = noise(H, W, 3)
        frame = frame_from_raw("bgr8", H, W, W * 3, False, kind(pixels.tobytes()))
        np.testing.assert_array_equal(frame.image, pixels)

    @pytest.mark.parametrize("encoding", ["bgr8", "mono8"])
    def test_opencv_takes_padded_rows(self, encoding: str) -> None:
        """What the stations do with a view: crop, warp, resize, reorder."""
        pixels = noise(64, W, 3) if encoding == "bgr8" else noise(64, W)
        image = raw(encoding, pixels, pad=5).image
        matrix = np.array([[0.5, 0.1, 1], [0, 0.7, 2]])
        np.testing.assert_array_equal(
            cv2.warpAffine(image, matrix, (8, 8)), cv2.warpAffine(pixels, matrix, (8, 8))
        )
        np.testing.assert_array_equal(cv2.resize(image, (4, 4)), cv2.resize(pixels, (4, 4)))
        np.testing.assert_array_equal(cv2.resize(image[1:5], (4, 4)), cv2.resize(pixels[1:5], (4, 4)))
        assert raw(encoding, pixels, pad=5).bgr().shape == (64, W, 3)

    def test_header(self) -> None:
        frame = raw("mono8", noise(H, W), stamp_ns=12, frame_id="camera_optical")
        assert (frame.stamp_ns, frame.frame_id, frame.camera) == (12, "camera_optical", None)


def bayer(pattern: str, kind: type = np.uint8, scale: int = 1) -> np.ndarray:
    """Mosaic of one colour; the pattern names the first two pixels of the first two rows."""
    values = {"r": R, "g": G, "b": B}
    tile = np.array([values[letter] for letter in pattern], kind).reshape(2, 2) * kind(scale)
    return np.tile(tile, (H // 2, W // 2))


def bt601() -> tuple[int, int, int]:
    """Y, U, V of the colour, studio range (ITU-R BT.601)."""
    y = 16 + 65.481 * R / 255 + 128.553 * G / 255 + 24.966 * B / 255
    u = 128 - 37.797 * R / 255 - 74.203 * G / 255 + 112 * B / 255
    v = 128 + 112 * R / 255 - 93.786 * G / 255 - 18.214 * B / 255
    return round(y), round(u), round(v)


Y, U, V = bt601()
COLOUR = [B, G, R]


def full(*values: int, kind: type = np.uint8, scale: int = 1) -> np.ndarray:
    return np.full((H, W, len(values)), values, kind) * kind(scale)


def planar(first: int, second: int) -> np.ndarray:
    """Luma plane, then interleaved chroma of half the resolution."""
    chroma = np.tile([first, second], (H // 2, W // 2))
    return np.concatenate([np.full((H, W), Y), chroma]).astype(np.uint8)


def three_planes(first: int, second: int) -> np.ndarray:
    """Luma, then each chroma plane of half the resolution, in rows of the image's width."""
    chroma = [np.full(H * W // 4, value) for value in (first, second)]
    return np.concatenate([np.full(H * W, Y), *chroma]).astype(np.uint8).reshape(-1, W)


def full_chroma(first: int, second: int) -> np.ndarray:
    """Luma, then a pair of chroma for every pixel, in rows of the image's width."""
    return (
        np.concatenate([np.full(H * W, Y), np.tile([first, second], H * W)]).astype(np.uint8).reshape(-1, W)
    )


EXAMPLES: dict[str, np.ndarray] = {
    "bgr8": full(B, G, R),
    "8UC3": full(B, G, R),
    "rgb8": full(R, G, B),
    "bgra8": full(B, G, R, 7),
    "8UC4": full(B, G, R, 7),
    "rgba8": full(R, G, B, 7),
    "bgr16": full(B, G, R, kind=np.uint16, scale=257),
    "16UC3": full(B, G, R, kind=np.uint16, scale=257),
    "rgb16": full(R, G, B, kind=np.uint16, scale=257),
    "bgra16": full(B, G, R, 7, kind=np.uint16, scale=257),
    "rgba16": full(R, G, B, 7, kind=np.uint16, scale=257),
    "32FC3": full(B, G, R).astype(np.float32) / np.float32(255),
    "64FC3": full(B, G, R).astype(np.float64) / 255,
    **{f"bayer_{p}8": bayer(p) for p in ("rggb", "bggr", "gbrg", "grbg")},
    **{f"bayer_{p}16": bayer(p, np.uint16, 257) for p in ("rggb", "bggr", "gbrg", "grbg")},
    "yuv422": np.tile(np.uint8([U, Y, V, Y]), (H, W // 2)),
    "uyvy": np.tile(np.uint8([U, Y, V, Y]), (H, W // 2)),
    "yuv422_yuy2": np.tile(np.uint8([Y, U, Y, V]), (H, W // 2)),
    "yuyv": np.tile(np.uint8([Y, U, Y, V]), (H, W // 2)),
    "nv12": planar(U, V),
    "i420": three_planes(U, V),
    "yuv420": three_planes(U, V),
    "yv12": three_planes(V, U),
    "nv24": full_chroma(U, V),
    "nv42": full_chroma(V, U),
    "nv21": planar(V, U),
}
GREY = {
    "mono8": full(G),
    "8UC1": full(G),
    "8U": full(G),
    "mono16": full(G, kind=np.uint16, scale=257),
}


def test_every_encoding_has_an_example() -> None:
    assert set(ENCODINGS) == set(EXAMPLES) | set(GREY)


@pytest.mark.parametrize("pad", [0, 6])
@pytest.mark.parametrize("encoding", EXAMPLES)
def test_colour(encoding: str, pad: int) -> None:
    frame = raw(encoding, EXAMPLES[encoding], pad)
    assert frame.image.shape == (H, W, 3)
    np.testing.assert_allclose(frame.bgr(), np.broadcast_to(COLOUR, (H, W, 3)), atol=2)


@pytest.mark.parametrize("pad", [0, 6])
@pytest.mark.parametrize("encoding", GREY)
def test_grey(encoding: str, pad: int) -> None:
    frame = raw(encoding, GREY[encoding], pad)
    np.testing.assert_array_equal(frame.image, np.full((H, W), G))


@pytest.mark.parametrize("encoding", [name for name in (*EXAMPLES, *GREY) if "16" in name or "F" in name])
def test_byte_order(encoding: str) -> None:
    pixels = {**EXAMPLES, **GREY}[encoding]
    little = raw(encoding, pixels).image
    big = raw(encoding, pixels.astype(pixels.dtype.newbyteorder(">")), is_bigendian=True).image
    np.testing.assert_array_equal(big, little)


def test_16_bits_are_rounded() -> None:
    values = np.array([[0, 128, 129, 256, 257, 385, 386, 65535]], np.uint16)
    expected = [round(v * 255 / 65535) for v in values[0].tolist()]
    np.testing.assert_array_equal(raw("mono16", values).image[0], expected)


def test_floats_beyond_the_range() -> None:
    values = np.array([[0, 0.5, 1, 1.5, -0.5, np.nan, np.inf, -np.inf]], np.float32)
    expected = [0, 128, 255, 255, 0, 0, 255, 0]
    np.testing.assert_array_equal(raw("32FC3", np.repeat(values, 3, axis=1)).image[0, :, 0], expected)


def test_floats_that_would_all_be_white() -> None:
    """A sender that forgot to divide by 255: nobody would be found, without a word."""
    with pytest.raises(InputError, match="32 bits from 100 to 200, expected 0 to 1"):
        raw("32FC3", np.array([[100, 150, 200] * 8], np.float32))


@pytest.mark.parametrize("encoding", ["16UC1", "16U", "16SC1", "32FC1", "32F", "64FC1"])
def test_depth_is_no_picture(encoding: str) -> None:
    with pytest.raises(InputError, match=f"'{encoding}' is that of depth images.*mono16"):
        raw(encoding, np.ones((H, W), np.uint16))
    with pytest.raises(InputError, match="that is a depth image"):
        frame_from_compressed(f"{encoding}; png compressed ", encoded(".png", np.ones((H, W), np.uint16)))


class TestBadImages:
    @pytest.mark.parametrize("encoding", ["h264", "", "8SC1", "bayer_rggb12", "mono12"])
    def test_unknown_encoding(self, encoding: str) -> None:
        with pytest.raises(InputError, match=f"encoding '{encoding}' is unknown .*bgr8.*bayer_rggb8.*nv21"):
            frame_from_raw(encoding, H, W, W * 3, False, bytes(1000))

    @pytest.mark.parametrize("encoding", ["bgr8", "bayer_rggb8", "nv12"])
    def test_data_too_short(self, encoding: str) -> None:
        rows = 9 if encoding == "nv12" else 6
        with pytest.raises(InputError, match=rf"has {rows * 24 - 1} bytes; expected .* 24 x {rows} = "):
            frame_from_raw(encoding, H, W, 24, False, bytes(rows * 24 - 1))

    @pytest.mark.parametrize("step", [0, 23])
    def test_step_too_small(self, step: int) -> None:
        with pytest.raises(InputError, match=rf"step is {step} bytes; a row of 8 pixels in bgr8 has 24"):
            frame_from_raw("bgr8", H, W, step, False, bytes(1000))

    @pytest.mark.parametrize(("height", "width"), [(0, 8), (6, 0), (0, 0)])
    @pytest.mark.parametrize("encoding", ["bgr8", "mono16", "nv12"])
    def test_no_pixels(self, encoding: str, height: int, width: int) -> None:
        with pytest.raises(InputError, match=f"image of {width} x {height} pixels"):
            frame_from_raw(encoding, height, width, 24, False, b"")

    @pytest.mark.parametrize("encoding", ["nv12", "nv21", "yuyv", "uyvy"])
    def test_odd_width_where_pixels_come_in_pairs(self, encoding: str) -> None:
        with pytest.raises(InputError, match="must be even"):
            frame_from_raw(encoding, H, 7, 24, False, bytes(1000))

    def test_failing_converter(self) -> None:
        def fail(image: RawImage, target: str) -> np.ndarray:
            raise RuntimeError("out of colours")

        with pytest.raises(InputError, match="8 x 6 in yuyv could not be converted: out of colours"):
            raw("yuyv", EXAMPLES["yuyv"], convert=fail)


CONVERTED = [
    e for e in (*EXAMPLES, *GREY) if e not in ("bgr8", "8UC3", "rgb8", "mono8", "8UC1", "8U", "nv12", "nv21")
]


def random_message(encoding: str) -> np.ndarray:
    example = {**EXAMPLES, **GREY}[encoding]
    if example.dtype.kind == "f":
        return rng.random(example.shape).astype(example.dtype)
    return rng.integers(0, np.iinfo(example.dtype).max, example.shape, example.dtype, endpoint=True)


class TestCvBridge:
    """The same pictures through the real cv_bridge, and how it is chosen."""

    @pytest.mark.parametrize("encoding", CONVERTED)
    def test_equal_to_rosbags_image(self, encoding: str) -> None:
        pytest.importorskip("cv_bridge", reason="cv_bridge comes with a ROS installation")
        pixels = random_message(encoding)
        ours = raw(encoding, pixels, pad=4, convert=images.rosbags_converter).image
        theirs = raw(encoding, pixels, pad=4, convert=images.cv_bridge_converter()).image
        np.testing.assert_array_equal(theirs, ours)

    @pytest.mark.parametrize("encoding", CONVERTED)
    def test_equal_to_its_documented_conversion(self, encoding: str, stand_in: None) -> None:
        pixels = random_message(encoding)
        ours = raw(encoding, pixels, pad=4, convert=images.rosbags_converter).image
        theirs = raw(encoding, pixels, pad=4, convert=images.cv_bridge_converter()).image
        np.testing.assert_array_equal(theirs, ours)

    def test_is_used_where_it_is(self, stand_in: None) -> None:
        images.best_converter.cache_clear()
        assert images.best_converter() is not images.rosbags_converter
        images.best_converter.cache_clear()

    def test_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "cv_bridge", None)
        images.best_converter.cache_clear()
        assert images.best_converter() is images.rosbags_converter
        images.best_converter.cache_clear()

    def test_broken(self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
        """As one that was built for NumPy 1 and meets NumPy 2."""

        def fail() -> None:
            raise AttributeError("_ARRAY_API not found")

        module = ModuleType("cv_bridge")
        module.CvBridge = fail  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "cv_bridge", module)
        images.best_converter.cache_clear()
        assert images.best_converter() is images.rosbags_converter
        assert "cv_bridge is installed but broken" in caplog.text
        images.best_converter.cache_clear()


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cv_bridge after its documentation: the OpenCV codes of its table getConversionCodes()."""
    codes = {
        ("bgra8", "bgr8"): cv2.COLOR_BGRA2BGR,
        ("rgba8", "bgr8"): cv2.COLOR_RGBA2BGR,
        ("rgb16", "bgr16"): cv2.COLOR_RGB2BGR,
        ("bgra16", "bgr16"): cv2.COLOR_BGRA2BGR,
        ("rgba16", "bgr16"): cv2.COLOR_RGBA2BGR,
        ("yuv422", "bgr8"): cv2.COLOR_YUV2BGR_UYVY,
        ("yuv422_yuy2", "bgr8"): cv2.COLOR_YUV2BGR_YUY2,
        **{(f"bayer_rggb{n}", f"bgr{n}"): cv2.COLOR_BayerBG2BGR for n in (8, 16)},
        **{(f"bayer_bggr{n}", f"bgr{n}"): cv2.COLOR_BayerRG2BGR for n in (8, 16)},
        **{(f"bayer_gbrg{n}", f"bgr{n}"): cv2.COLOR_BayerGR2BGR for n in (8, 16)},
        **{(f"bayer_grbg{n}", f"bgr{n}"): cv2.COLOR_BayerGB2BGR for n in (8, 16)},
    }
    kinds = {"bgr16": (np.uint16, 3), "mono16": (np.uint16, 1), "32FC1": (np.float32, 1)}
    kinds |= {"32FC3": (np.float32, 3), "64FC1": (np.float64, 1), "64FC3": (np.float64, 3)}

    class CvBridge:
        def imgmsg_to_cv2(self, message: Any, desired_encoding: str) -> np.ndarray:
            name = message.encoding
            channels = 4 if "a" in name[:4] and "bayer" not in name else 2 if "yuv" in name else 1
            channels = 3 if name == "rgb16" else channels
            kind, channels = kinds.get(name, (np.uint16 if name.endswith("16") else np.uint8, channels))
            assert message.step == message.width * channels * np.dtype(kind).itemsize
            assert message.is_bigendian == (sys.byteorder == "big")
            shape = (message.height, message.width, channels)[: 3 if channels > 1 else 2]
            image = np.ndarray(shape, kind, message.data)
            if desired_encoding == "passthrough":
                return image
            return np.asarray(cv2.cvtColor(image, codes[name, desired_encoding]))

    module = SimpleNamespace(CvBridge=CvBridge)
    monkeypatch.setitem(sys.modules, "cv_bridge", module)  # type: ignore[arg-type]


def encoded(extension: str, pixels: np.ndarray) -> bytes:
    return bytes(cv2.imencode(extension, pixels)[1])


class TestCompressed:
    @pytest.mark.parametrize(
        "format", ["jpeg", "jpg", "bgr8; jpeg compressed bgr8", "rgb8; jpeg compressed bgr8", ""]
    )
    def test_jpeg(self, format: str) -> None:
        frame = frame_from_compressed(format, encoded(".jpg", full(B, G, R)), 5, "optical")
        np.testing.assert_allclose(frame.bgr(), np.broadcast_to(COLOUR, (H, W, 3)), atol=3)
        assert (frame.stamp_ns, frame.frame_id) == (5, "optical")

    @pytest.mark.parametrize("format", ["png", "bgr8; png compressed bgr8"])
    def test_png_is_exact(self, format: str) -> None:
        pixels = noise(H, W, 3)
        frame = frame_from_compressed(format, array.array("B", encoded(".png", pixels)))
        np.testing.assert_array_equal(frame.bgr(), pixels)

    def test_red_and_blue_swapped_by_the_sender(self) -> None:
        frame = frame_from_compressed("rgb8; jpeg compressed rgb8", encoded(".jpg", full(R, G, B)))
        np.testing.assert_allclose(frame.bgr(), np.broadcast_to(COLOUR, (H, W, 3)), atol=3)

    def test_grey(self) -> None:
        frame = frame_from_compressed("mono8; jpeg compressed ", encoded(".jpg", full(G)))
        assert frame.pixel_order is PixelOrder.GRAY
        np.testing.assert_allclose(frame.image, np.full((H, W), G), atol=2)

    def test_alpha(self) -> None:
        pixels = noise(H, W, 4)
        frame = frame_from_compressed("bgra8; png compressed bgra8", encoded(".png", pixels))
        np.testing.assert_array_equal(frame.image, pixels[..., :3])

    def test_16_bits(self) -> None:
        frame = frame_from_compressed(
            "mono16; png compressed ", encoded(".png", full(G, kind=np.uint16, scale=257))
        )
        np.testing.assert_array_equal(frame.image, np.full((H, W), G))

    @pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
    @pytest.mark.parametrize("bits", [8, 16])
    def test_a_mosaic_gets_its_colours(self, pattern: str, bits: int) -> None:
        mosaic = bayer(pattern) if bits == 8 else bayer(pattern, np.uint16, 257)
        frame = frame_from_compressed(f"bayer_{pattern}{bits}; png compressed ", encoded(".png", mosaic))
        np.testing.assert_array_equal(frame.bgr(), np.broadcast_to(COLOUR, (H, W, 3)))

    def test_depth(self) -> None:
        with pytest.raises(InputError, match="16UC1; compressedDepth png.*that is a depth image"):
            frame_from_compressed("16UC1; compressedDepth png", b"anything")

    @pytest.mark.parametrize("data", [b"", b"not a picture", encoded(".png", noise(H, W, 3))[:40]])
    def test_undecodable(self, data: bytes) -> None:
        with pytest.raises(InputError, match=rf"\(format 'jpeg', {len(data)} bytes\): .*expected a whole"):
            frame_from_compressed("jpeg", data)


@pytest.mark.parametrize(("highest", "bits"), [(255, 8), (1023, 10), (4095, 12), (16383, 14), (65535, 16)])
def test_bits_that_a_camera_uses(highest: int, bits: int) -> None:
    pixels = np.tile(np.array([0, highest // 2, highest, highest], np.uint16), (2, W // 4))
    image = raw("mono16", pixels).image
    assert image[0, :3].tolist() == [0, pytest.approx(127, abs=1), 255]
    depth = images.BitDepth()
    depth(pixels)
    assert depth.bits == bits


def test_a_darker_image_keeps_the_brightness_of_its_topic() -> None:
    depth = images.BitDepth()
    raw("mono16", np.full((2, W), 4095, np.uint16), depth=depth)
    dark = raw("mono16", np.full((2, W), 400, np.uint16), depth=depth)
    assert set(dark.image.ravel().tolist()) == {25}
