from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from posemo_ros.emotion.context import ContextEncoder, centre_square
from posemo_ros.errors import ModelError
from posemo_ros.inference.manifest import ContextSpec, ImageInput
from posemo_ros.inference.session import TensorSpec
from posemo_ros.types import Frame, PixelOrder

INPUT = ImageInput(4, 4, mean=(1.0, 2.0, 3.0), std=(2.0, 2.0, 2.0))
SPEC = ContextSpec(INPUT, tokens=2, width=3)


class Mean:
    """Tokens that all are the mean colour."""

    runtime, precision = "onnxruntime", "fp32"
    inputs = (TensorSpec("image", (1, 3, 4, 4), "float32"),)
    outputs = (TensorSpec("tokens", (1, 2, 3), "float32"),)
    calls = 0

    def run(self, feeds):
        self.calls += 1
        return {"tokens": np.repeat(feeds["image"].mean((2, 3))[:, None], 2, axis=1)}


class Wrong(Mean):
    def run(self, feeds):
        return {"tokens": np.zeros((1, 7, 3), np.float32)}


def _frame(seconds: float, value: int = 9) -> Frame:
    return Frame(np.full((8, 12, 3), value, np.uint8), round(seconds * 1e9))


def test_rests_between_two_encodings() -> None:
    session = Mean()
    encoder = ContextEncoder(session, SPEC, "clip", rate_hz=2.0)
    stamps = [encoder.encode(_frame(i * 0.1)).stamp_ns for i in range(12)]
    assert session.calls == 3
    assert sorted(set(stamps)) == [0, 500_000_000, 1_000_000_000]


def test_tokens_and_name() -> None:
    context = ContextEncoder(Mean(), SPEC, "clip").encode(_frame(0.0, 9))
    np.testing.assert_allclose(context.tokens, [[4, 3.5, 3]] * 2)
    assert context.model == "clip"


def test_a_wrong_answer_is_reported() -> None:
    with pytest.raises(ModelError, match=r"'clip' gave \(1, 7, 3\).*\(1, 2, 3\)"):
        ContextEncoder(Wrong(), SPEC, "clip").encode(_frame(0.0))


def test_the_centre_is_cut_out_and_channels_reordered() -> None:
    image = np.zeros((8, 12, 3), np.uint8)
    image[:, :2] = image[:, 10:] = 255  # outside the square
    image[..., 0] = np.where(image[..., 0] == 255, 255, 11)  # blue
    tensor = centre_square(image, PixelOrder.BGR, INPUT)
    assert tensor.shape == (1, 3, 4, 4)
    np.testing.assert_allclose(tensor[0, :, 2, 2], [-0.5, -1, 4], atol=1e-6)
    assert np.ptp(tensor, axis=(2, 3)).max() == 0


def test_grey_images_and_small_ones() -> None:
    tensor = centre_square(np.full((3, 2), 5, np.uint8), PixelOrder.GRAY, INPUT)
    np.testing.assert_allclose(tensor[0, :, 0, 0], [2, 1.5, 1])


@pytest.mark.shared
def test_scenes_are_scaled_nearly_as_clips_own_processor_does(shared_data: Path) -> None:
    """Pillow: the shorter side to 224 by bicubic, then the middle, rounded by up to half a pixel."""
    pillow = pytest.importorskip("PIL.Image")
    wanted = ImageInput(224, 224, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    for path in sorted((shared_data / "fixtures/coco").glob("*.jpg")):
        image = pillow.open(path).convert("RGB")
        scale = 224 / min(image.size)
        small = image.resize([max(224, int(side * scale)) for side in image.size], pillow.Resampling.BICUBIC)
        left, top = (small.width - 224) // 2, (small.height - 224) // 2
        expected = np.asarray(small, np.float32)[top : top + 224, left : left + 224]
        found = centre_square(np.asarray(image), PixelOrder.RGB, wanted)[0].transpose(1, 2, 0)
        shown = found if wanted.order is PixelOrder.RGB else found[..., ::-1]
        one_pixel = np.sqrt((np.diff(expected, axis=1) ** 2).mean())
        assert np.sqrt(((shown - expected) ** 2).mean()) < 0.6 * one_pixel, path.name
