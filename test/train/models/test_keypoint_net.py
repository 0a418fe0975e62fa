"""MoveNet's layers against the published file, and the starter keypoint network on top of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from posemo_ros.errors import ModelError
from train.models.keypoint_net import KeypointExport, KeypointNet
from train.models.movenet import MoveNetMaps, load_from_tflite

HEATMAPS, PYRAMID = 277, 256  # tensors of the published file


@pytest.fixture(scope="module")
def published(shared_data: Path) -> Path:
    pytest.importorskip("ai_edge_litert")
    return shared_data / "peers" / "movenet_singlepose_lightning_int8.tflite"


@pytest.mark.shared
@pytest.mark.filterwarnings("ignore:Warning. Enabling")
def test_same_maps_as_the_published_file(published: Path, shared_data: Path) -> None:
    """Whole numbers there, floats here: alike, not equal."""
    image = _photo(shared_data)
    net = load_from_tflite(MoveNetMaps(), published).eval()
    with torch.no_grad():
        features = net.pyramid(net.backbone(torch.from_numpy(image / np.float32(127.5) - 1)[None]))
        maps = torch.sigmoid(net.head(features))
    theirs = _tensors(published, image)
    assert _alike(features[0].numpy(), theirs[PYRAMID]) > 0.99
    assert _alike(maps[0].numpy(), theirs[HEATMAPS]) > 0.9


def _photo(shared_data: Path) -> np.ndarray:
    """(3, 192, 192) float32 R, G, B from 0 to 255."""
    import cv2

    photo = cv2.imread(str(shared_data / "fixtures" / "coco" / "000000000785.jpg"))[:425, 200:625]
    return cv2.resize(photo, (192, 192), interpolation=cv2.INTER_AREA)[..., ::-1].transpose(2, 0, 1).copy()


def _tensors(path: Path, image: np.ndarray) -> dict[int, np.ndarray]:
    from ai_edge_litert.interpreter import Interpreter

    net = Interpreter(str(path), experimental_preserve_all_tensors=True)
    net.allocate_tensors()
    net.set_tensor(net.get_input_details()[0]["index"], image.transpose(1, 2, 0)[None])
    net.invoke()
    scales = {t["index"]: t["quantization"] for t in net.get_tensor_details()}
    whole = {i: net.get_tensor(i)[0].astype(np.float32) for i in (HEATMAPS, PYRAMID)}
    return {i: ((v - scales[i][1]) * scales[i][0]).transpose(2, 0, 1) for i, v in whole.items()}


def _alike(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


@pytest.mark.shared
def test_another_file_is_refused(published: Path) -> None:
    class Other(MoveNetMaps):
        def __init__(self) -> None:
            super().__init__()
            self.pyramid.out = torch.nn.Conv2d(24, 48, 1)

    with pytest.raises(ModelError, match="tensor 147 is not MoveNet Lightning's"):
        load_from_tflite(Other(), published)


def test_the_network_starts_with_movenets_heatmaps() -> None:
    torch.manual_seed(0)
    net, image = KeypointNet().eval(), torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        maps, scores = net(image)
        torch.testing.assert_close(maps, net.movenet(image))
    assert maps.shape == (2, 17, 16, 24)
    assert scores.shape == (2, 17)


def test_the_first_layers_stay_and_all_others_learn() -> None:
    net = KeypointNet()
    net.movenet.backbone.freeze_stem()
    torch.nn.init.normal_(net.heatmaps.weight)
    torch.nn.init.normal_(net.score2)
    maps, scores = net(torch.randn(2, 3, 64, 64))
    (maps.square().sum() + scores.square().sum()).backward()
    still = {name for name, p in net.named_parameters() if p.grad is None}
    first = ("movenet.backbone.stem.", *(f"movenet.backbone.blocks.{i}." for i in range(3)))
    assert still == {name for name, _ in net.named_parameters() if name.startswith(first)}


def test_the_peak_of_a_shipped_heatmap_is_the_score() -> None:
    torch.manual_seed(0)
    net = KeypointNet().eval()
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        maps, scores = net(image)
        shipped = KeypointExport(net)(image)
    torch.testing.assert_close(shipped.amax((2, 3)), scores.sigmoid())
    assert (shipped.flatten(2).argmax(2) == maps.flatten(2).argmax(2)).all()
