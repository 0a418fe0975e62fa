"""2D networks side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from posemo_ros.errors import InputError  # noqa: E402
from posemo_ros.inference.store import ModelStore  # noqa: E402
from posemo_ros.pipeline import build_lifter  # noqa: E402
from posemo_ros.settings import Models  # noqa: E402
from train.cli import main  # noqa: E402
from train.heatmaps import figure, open_network  # noqa: E402
from train.models.zoo import build  # noqa: E402

SIZES = {"width": 8, "blocks": 1, "modules": (1, 1, 1), "layer1": (1, 8), "crop_width": 64, "crop_height": 96}
WORDS = "hrnet,width=8,blocks=1,modules=(1,1,1),layer1=(1,8),crop_width=64,crop_height=96"
BOXES = np.float32([[30, 20, 90, 140], [110, 30, 150, 150]])


def weights(path: Path, seed: int, placement: str) -> str:
    torch.manual_seed(seed)
    network = build("hrnet", placement=placement, **SIZES).network
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)  # HRNet's own start gives maps of nearly nothing
    torch.save(network.state_dict(), path)
    return f"{WORDS},placement={placement}@{path}"


def test_two_networks_in_two_rows(tmp_path: Path) -> None:
    sources = [weights(tmp_path / "a.pth", 0, "none"), weights(tmp_path / "b.pth", 1, "six")]
    image = np.random.default_rng(0).integers(0, 255, (160, 200, 1), dtype=np.uint8).repeat(3, 2)
    lifter = build_lifter(Models(runtime="onnxruntime"), ModelStore())
    networks = [open_network(source) for source in sources]
    picture = figure(image, BOXES, networks, lifter)
    caption = 28
    assert picture.shape == (2 * (160 + caption), 3 * 200, 3)
    rows = picture[caption:188], picture[188 + caption :]
    for row in rows:
        heat = row[:, :200].astype(float)
        coloured = (heat.max(-1) - heat.min(-1)) > 60  # the heat is coloured, the photo beneath is grey
        assert coloured[20:150, 20:180].any()
        assert not coloured[:, 190:].any()  # no crop reaches that far
        assert np.abs(heat[:, 190:] - 0.7 * image[:, 190:]).max() <= 1
    assert (rows[0][:, :200] != rows[1][:, :200]).any()
    without = figure(image, BOXES, networks, None)
    assert without.shape[1] == 2 * 200
    np.testing.assert_array_equal(without[caption:188, :400], rows[0][:, :400])


def test_what_has_no_heat_maps_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match=r"posemo-keypoints: expected a keypoint network with heat maps"):
        open_network("posemo-keypoints")
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"no picture")
    assert main(["heatmaps", str(photo), "--networks", "posemo-keypoints"]) == 1
    assert "cannot be decoded, damaged or no picture; expected a photo" in capsys.readouterr().err
