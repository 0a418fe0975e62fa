import numpy as np
import pytest

from posemo_ros.errors import InputError
from posemo_ros.types import Frame, PixelOrder, to_order


def test_bgr_frame_is_never_copied() -> None:
    image = np.zeros((4, 5, 3), np.uint8)
    assert Frame(image).bgr() is image


def test_orders_agree() -> None:
    bgr = np.random.default_rng(0).integers(0, 255, (4, 5, 3), np.uint8)
    rgb = Frame(np.ascontiguousarray(bgr[..., ::-1]), pixel_order=PixelOrder.RGB)
    np.testing.assert_array_equal(rgb.bgr(), bgr)
    gray = Frame(bgr[..., 0], pixel_order=PixelOrder.GRAY)
    np.testing.assert_array_equal(gray.bgr(), np.repeat(bgr[..., :1], 3, axis=2))
    np.testing.assert_array_equal(to_order(gray.image, PixelOrder.GRAY, PixelOrder.RGB), gray.bgr())


@pytest.mark.parametrize(
    ("image", "order"),
    [
        (np.zeros((0, 5, 3), np.uint8), PixelOrder.BGR),
        (np.zeros((4, 5), np.uint8), PixelOrder.BGR),
        (np.zeros((4, 5, 4), np.uint8), PixelOrder.RGB),
        (np.zeros((4, 5, 3), np.uint8), PixelOrder.GRAY),
        (np.zeros((4, 5, 3), np.float32), PixelOrder.BGR),
    ],
)
def test_bad_images_are_refused_with_shape_and_type(image, order) -> None:
    with pytest.raises(InputError, match=r"image has shape .* expected uint8, not empty"):
        Frame(image, pixel_order=order)
