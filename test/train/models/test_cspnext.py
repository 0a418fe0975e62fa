"""RTMDet-nano against the published ONNX file; its label assignment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper

from posemo_ros.errors import ModelError
from posemo_ros.inference.sessions import open_session
from train.models.cspnext import RtmDet, load_from_onnx
from train.models.rtmdet_loss import assign, cells, flatten, loss_of, overlap

STRIDES = (8, 16, 32)


@pytest.mark.shared
def test_same_maps_as_the_published_file(shared_data: Path, tmp_path: Path) -> None:
    peer = shared_data / "peers" / "rtmdet_nano_person.onnx"
    model = load_from_onnx(RtmDet(), peer).eval()
    image = torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(1)) * 4 - 2
    with torch.no_grad():
        scores, distances = model.maps(image)
    published = _raw_maps(peer, tmp_path / "raw.onnx", image.numpy())
    for i in range(len(STRIDES)):
        np.testing.assert_allclose(scores[i], published[2 * i], atol=1e-4)
        np.testing.assert_allclose(distances[i] / STRIDES[i], published[2 * i + 1], atol=1e-4)


def _raw_maps(peer: Path, copy: Path, image: np.ndarray) -> list[np.ndarray]:
    """Score and distance maps per level of the published graph, before its post-processing."""
    model = onnx.load(str(peer))
    shapes = {t.name: tuple(t.dims) for t in model.graph.initializer}
    convs = [n for n in model.graph.node if n.op_type == "Conv"]
    heads = [n.output[0] for n in convs if shapes[n.input[1]] in ((1, 64, 1, 1), (4, 64, 1, 1))]
    for name in heads:
        model.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    onnx.save(model, str(copy))
    outputs = open_session(copy, runtime="onnxruntime").run({"input": image})
    assert len(heads) == 6
    return [outputs[name] for name in heads]


def test_another_network_is_refused(tmp_path: Path) -> None:
    graph = helper.make_graph([], "none", [], [])
    onnx.save(helper.make_model(graph), str(tmp_path / "none.onnx"))
    with pytest.raises(ModelError, match="0 convolutions are not those of RTMDet-nano"):
        load_from_onnx(RtmDet(), tmp_path / "none.onnx")


def test_overlap() -> None:
    a, b = torch.tensor([0.0, 0, 4, 2]), torch.tensor([2.0, 0, 6, 2])
    assert overlap(a, b).item() == pytest.approx(4 / 12)
    assert overlap(a, b + 10, generalised=True).item() == pytest.approx(-(16 * 12 - 16) / (16 * 12))


def test_cells_lie_on_their_strides() -> None:
    centres, strides = cells([(2, 3), (1, 2), (1, 1)])
    assert centres[:6].tolist() == [[0, 0], [8, 0], [16, 0], [0, 8], [8, 8], [16, 8]]
    assert centres[6:].tolist() == [[0, 0], [16, 0], [0, 0]]
    assert strides.tolist() == [8] * 6 + [16] * 2 + [32]


def test_assignment() -> None:
    """Two people and a picture's worth of cells that predict noise around their own place."""
    generator = torch.Generator().manual_seed(0)
    centres, strides = cells([(20, 20), (10, 10), (5, 5)])
    sides = 10 + 40 * torch.rand(len(centres), 4, generator=generator)
    boxes = torch.cat([centres - sides[:, :2], centres + sides[:, 2:]], 1)
    people = torch.tensor([[10.0, 12, 70, 100], [90, 30, 150, 150]])
    best = overlap(boxes[:, None], people)
    inside = ((centres[:, None] > people[:, :2]) & (centres[:, None] < people[:, 2:])).all(-1)
    owner, quality = assign(torch.zeros(len(centres)), boxes, centres, strides, people)
    for i in range(2):
        own = owner == i
        assert 1 <= own.sum() <= 13
        assert inside[own, i].all()
        torch.testing.assert_close(quality[own], best[own, i])
        assert own[best[:, i].masked_fill(~inside[:, i], 0).argmax()]
    assert (quality[owner < 0] == 0).all()
    nobody, _ = assign(torch.zeros(len(centres)), boxes, centres, strides, torch.zeros(0, 4))
    assert (nobody == -1).all()


def test_one_step_lowers_the_detectors_loss() -> None:
    torch.manual_seed(0)
    model = RtmDet()
    images, people = torch.randn(2, 3, 96, 96), [torch.tensor([[20.0, 10, 60, 80]]), torch.zeros(0, 4)]
    with torch.no_grad():
        for head in model.heads:
            head.reg.bias.fill_(3)  # boxes of some size, as after a start from weights
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    before = sum(loss_of(model, images, people))
    before.backward()
    optimizer.step()
    assert sum(loss_of(model, images, people)) < before


def test_flatten_makes_boxes() -> None:
    scores = [torch.full((1, 1, n, n), float(i)) for i, n in enumerate((4, 2, 1))]
    distances = [torch.arange(4.0).reshape(1, 4, 1, 1).expand(1, 4, n, n) for n in (4, 2, 1)]
    logits, boxes, _, _ = flatten(scores, distances)
    assert logits[0].tolist() == [0] * 16 + [1] * 4 + [2]
    assert boxes[0, 17].tolist() == [16, -1, 18, 3]
