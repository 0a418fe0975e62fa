"""MoveNet from the published files against a run of their own graphs, and what is built on it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from posemo_ros.errors import ModelError
from train.models.movenet import (
    CELL,
    LIGHTNING,
    THUNDER,
    Maps,
    MoveNet,
    Widths,
    decode,
    evidence,
    load_published,
    read_published,
)
from train.models.movenet_pose import Answer, MoveNetPose, place_loss, soft_place
from train.models.pose_losses import Labels, score_loss, similarity

PREFIX = "StatefulPartitionedCall/"
HEADS = ("kpt_heatmap_0/conv2d_5", "center_0/conv2d_4", "kpt_regress_0/conv2d_6", "kpt_offset_0/conv2d_7")


class Graph:
    """Runs a TensorFlow graph's nodes one by one, as far as the heads need them."""

    def __init__(self, folder: Path, widths: Widths, image: np.ndarray) -> None:
        nodes = json.loads((folder / f"{widths.name}.json").read_text())["modelTopology"]["node"]
        self.nodes = {n["name"]: n for n in nodes}
        self.values: dict[str, Any] = dict(read_published(folder, widths))
        self.values[PREFIX + "sub_1"] = image  # the stem's input: R, G, B from -1 to 1

    def __call__(self, name: str) -> Any:
        if name not in self.values:
            node = self.nodes[name]
            self.values[name] = self.run(node, [self(i) for i in node["input"]])
        return self.values[name]

    def run(self, node: dict[str, Any], inputs: list[Any]) -> np.ndarray:
        if node["op"] == "AddV2":
            return np.asarray(inputs[0] + inputs[1])
        x = torch.from_numpy(inputs[0]).permute(0, 3, 1, 2)
        if node["op"] == "ResizeBilinear":
            y = F.interpolate(x, size=tuple(inputs[1].astype(int).tolist()), mode="bilinear")
        else:
            y = self.convolve(node, x, *map(torch.from_numpy, inputs[1:]))
        return y.permute(0, 2, 3, 1).numpy()

    def convolve(
        self, node: dict[str, Any], x: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        assert "Conv" in node["op"] or "Depthwise" in node["op"], node["op"]
        depthwise = "Depthwise" in node["op"]
        step, size = int(node["attr"]["strides"]["list"]["i"][1]), kernel.shape[0]
        if base64.b64decode(node["attr"]["padding"]["s"]) == b"SAME":
            missing = max((-(-x.shape[2] // step) - 1) * step + size - x.shape[2], 0)
            x = F.pad(x, (missing // 2, missing - missing // 2) * 2)
        weight = kernel.permute(2, 3, 0, 1) if depthwise else kernel.permute(3, 2, 0, 1)
        y = F.conv2d(x, weight, stride=step, groups=x.shape[1] if depthwise else 1)
        fused = node["attr"].get("fused_ops", {}).get("list", {}).get("s", [])
        steps = {b"BiasAdd": lambda v: v + bias[:, None, None], b"Relu6": F.relu6, b"Relu": F.relu}
        for name in map(base64.b64decode, fused):
            y = steps[name](y)
        return y


@pytest.mark.shared
@pytest.mark.parametrize("widths", [LIGHTNING, THUNDER], ids=lambda w: w.name)
def test_same_maps_as_the_published_graph(shared_data: Path, widths: Widths) -> None:
    photo = cv2.imread(str(shared_data / "fixtures" / "coco" / "000000000785.jpg"))[41:420, 280:494]
    image = cv2.resize(photo, (widths.side, widths.side))[None, ..., ::-1].astype(np.float32) / 127.5 - 1
    folder = shared_data / "peers" / "movenet"
    graph = Graph(folder, widths, image)
    net = MoveNet(widths).eval()
    load_published(net, folder, widths)
    with torch.no_grad():
        maps = net(torch.from_numpy(image).permute(0, 3, 1, 2))
    pairs = (maps.regression, maps.offset)
    ours = [maps.heat, maps.centre[:, None], *(m.transpose(1, 2).flatten(1, 2) for m in pairs)]
    for name, mine in zip(HEADS, ours, strict=True):
        theirs = graph(f"{PREFIX}{name}/BiasAdd")
        np.testing.assert_allclose(mine.permute(0, 2, 3, 1).numpy(), theirs, atol=3e-4)


@pytest.mark.shared
def test_another_networks_file_is_refused(shared_data: Path) -> None:
    with pytest.raises(ModelError, match="movenet-thunder"):
        load_published(MoveNet(LIGHTNING), shared_data / "peers" / "movenet", THUNDER)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot read movenet-thunder"):
        read_published(tmp_path, THUNDER)


def drawn(h: int = 16, w: int = 12) -> Maps:
    """Two people's heat of every joint; the one in the middle is asked for, right of their centre."""
    heat = torch.full((1, 17, h, w), -6.0)
    heat[..., 8, 8], heat[..., 2, 1] = 1.0, 3.0
    centre = torch.full((1, h, w), -8.0)
    centre[0, 8, 6] = 2.0
    regression, offset = torch.zeros(1, 2, 17, h, w), torch.zeros(1, 2, 17, h, w)
    regression[:, 1] = 2.0
    offset[:, 0], offset[:, 1] = 0.25, -0.5
    return Maps(heat, centre, regression, offset)


def test_the_person_in_the_middle_counts() -> None:
    found = decode(drawn())
    np.testing.assert_allclose(found[0, :, :2], [[7.5 * CELL, 8.25 * CELL]] * 17)
    np.testing.assert_allclose(found[0, :, 2], torch.sigmoid(torch.tensor(1.0)), rtol=1e-6)


def answer_of(maps: Maps) -> Answer:
    found = evidence(maps)
    best = found.flatten(2).argmax(2)
    return Answer(maps, found, soft_place(maps, found, best), torch.zeros(1, 17))


def labels_at(x: float, y: float, place: float = 1.0) -> Labels:
    ones = torch.ones(1, 17)
    points = torch.tensor([x, y]).expand(1, 17, 2)
    return Labels(points, place * ones, ones, ones < 0, torch.tensor([2500.0]))


def test_the_soft_place_lies_at_a_clear_peak() -> None:
    np.testing.assert_allclose(answer_of(drawn()).places[0], [[30, 33]] * 17, atol=0.5)


def test_the_place_loss_is_least_at_what_the_cells_offer() -> None:
    answer = answer_of(drawn())
    at, beside, far = (place_loss(answer, labels_at(30 + d, 33)).item() for d in (0, 6, 4000))
    assert at < beside < far
    assert far == pytest.approx(14, abs=0.1)  # a label against everything has no more to say
    assert place_loss(answer, labels_at(30, 33, place=0)).item() == 0


def test_similarity_is_coco_s_and_absent_joints_are_never_right() -> None:
    places = torch.tensor([85.0, 40.0]).expand(1, 17, 2)
    found = similarity(places, labels_at(80, 40))
    assert found[0, 0].item() == pytest.approx(np.exp(-25 / (2 * 2500 * (2 * 0.026) ** 2)), rel=1e-4)
    sure = torch.full((1, 17), 9.0)
    assert score_loss(sure, places, labels_at(85, 40)) < 0.01
    assert score_loss(sure, places, labels_at(85, 40, place=0)) > 8
    assert score_loss(sure, places, labels_at(185, 40)) > 8


def test_the_network_starts_with_the_published_answer() -> None:
    torch.manual_seed(0)
    net, image = MoveNetPose(LIGHTNING).eval(), torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        published, ours = decode(net.movenet(image)), net(image)
    torch.testing.assert_close(ours[..., 2], published[..., 2])
    assert (ours[..., :2] - published[..., :2]).abs().max() < 3 * CELL


def test_what_runs_says_what_is_trained() -> None:
    """The path that leaves work out gives the places and scores of the whole maps, at their edges as well."""
    torch.manual_seed(0)
    net, images = MoveNetPose(LIGHTNING).eval(), torch.randn(6, 3, 64, 96)
    torch.nn.init.normal_(net.score2)
    torch.nn.init.normal_(net.movenet.regression.out.bias, std=10)  # cells: joints all over the map
    with torch.no_grad():
        whole, ours = net.answer(images), net(images)
    best = whole.evidence.flatten(2).argmax(2)
    row, column = best // 24, best % 24
    assert ((row < 2) | (row > 13) | (column < 2) | (column > 21)).any()
    torch.testing.assert_close(ours[..., :2], whole.places, atol=1e-3, rtol=0)
    torch.testing.assert_close(ours[..., 2], torch.sigmoid(whole.scores))
