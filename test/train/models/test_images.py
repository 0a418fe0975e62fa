"""CLIP's image tower and the pixel baselines, where open_clip and timm are installed."""

import sys

import pytest

torch = pytest.importorskip("torch")

from posemo_ros.errors import MissingExtraError  # noqa: E402
from train.models.vision_libraries import import_vision_library  # noqa: E402


def have(name):
    try:
        return import_vision_library(name, "a test")
    except MissingExtraError as error:
        pytest.skip(str(error))


def test_absent_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(MissingExtraError, match="the baseline vit needs the package 'torchvision'"):
        import_vision_library("timm", "the baseline vit")


@pytest.mark.parametrize(
    ("name", "parameters"),
    # Those of the image towers of OpenAI's release.
    [("ViT-B-32", 87_849_216), ("ViT-B-16", 86_192_640), ("ViT-L-14", 303_966_208)],
)
def test_clip_tokens_and_pooled_output(name, parameters):
    have("open_clip")
    from train.models.context import CLIP_SHAPES, ClipEncoder

    torch.manual_seed(0)
    encoder = ClipEncoder(name).eval()
    assert sum(p.numel() for p in encoder.parameters()) == parameters
    with torch.no_grad():
        image = torch.randn(2, 3, 224, 224)
        tokens, pooled = encoder(image)
        assert (*tokens.shape[1:], pooled.shape[1]) == CLIP_SHAPES[name]
        torch.testing.assert_close(pooled, encoder.visual(image))
        # The pooled output is the class token, normed and projected: so the tokens are the last states.
        torch.testing.assert_close(encoder.visual.ln_post(tokens[:, 0]) @ encoder.visual.proj, pooled)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("resnet50", 25_557_032 - 2_049_000 + 6 * 2049), ("vit", 86_567_656 - 769_000 + 6 * 769)],
)
def test_baselines_average_over_frames(name, parameters):
    have("timm")
    from train.models.image_baselines import ImageBaseline

    torch.manual_seed(0)
    network = ImageBaseline(name).eval()
    # ImageNet's 1,000 classes replaced by 6.
    assert sum(p.numel() for p in network.parameters()) == parameters
    frames = torch.randn(1, 2, 3, 224, 224)
    with torch.no_grad():
        both, single = network(frames), [network(frames[:, i : i + 1]) for i in (0, 1)]
    assert both.shape == (1, 6)
    torch.testing.assert_close(both, (single[0] + single[1]) / 2, rtol=1e-4, atol=1e-5)
