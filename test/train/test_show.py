"""The page of a run, and the same pictures in TensorBoard."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from posemo_ros.errors import ModelError
from train.cli import main
from train.models.moemo import WindowAttention
from train.models.zoo import build
from train.show import load, write_page
from train.tasks import pictures
from train.tasks.checkpoint import best_checkpoint, configuration
from train.tasks.pictures import attention_maps

from .tasks import runs


def in_tensorboard(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Name -> step and PNG of the pictures in a folder's newest event file."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(max(folder.glob("events*"), key=lambda p: p.stat().st_mtime_ns)))
    events.Reload()
    newest = {name: events.Images(name)[-1] for name in events.Tags()["images"]}
    return {name: (one.step, one.encoded_image_string) for name, one in newest.items()}


def on_page(page: str) -> list[bytes]:
    return [base64.b64decode(text) for text in re.findall(r'base64,([^"]+)"', page)]


def test_page_of_a_lifter(tmp_path: Path, capsys: pytest.CaptureFixture[str], pictures: None) -> None:
    runs.write_motion(tmp_path / "data")
    config = runs.lifter_config(tmp_path / "data", tmp_path / "run")
    config["model"]["init_args"]["options"] |= {"tam": "after_msa"}
    runs.command(config, tmp_path / "c.yaml", "--trainer.max_epochs=1")
    during = in_tensorboard(tmp_path / "run/tensorboard/version_0")
    assert {name: step for name, (step, _) in during.items()} == {"curves": 6, "attention": 6, "answers": 6}
    runs.command(config, tmp_path / "c.yaml", "--ckpt_path=last", name="test")
    assert main(["show", str(tmp_path / "run")]) == 0
    assert capsys.readouterr().out.strip().endswith("show.html")
    page = (tmp_path / "run" / "show.html").read_text()
    assert page.count("<img ") == 3  # curves, attention, answers
    afterwards = in_tensorboard(tmp_path / "run/tensorboard/show")
    assert on_page(page) == [afterwards[name][1] for name in ("curves", "attention", "answers")]
    assert "<th>Walking</th>" in page
    assert "640 samples of Human36M gt, last.ckpt, cpu" in page
    assert "Attention and answers are those of 000-6.ckpt." in page
    (tmp_path / "data" / "data_3d_h36m.npz").unlink()
    write_page(tmp_path / "run")
    page = (tmp_path / "run" / "show.html").read_text()
    assert page.count("<img ") == 1
    assert "data_3d_h36m.npz not found" in page


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="expected the folder of a run"):
        write_page(tmp_path)


def test_attention_of_joints_and_frames() -> None:
    network = build("poseformer", frames=9, width=8, depth=1, tam="after_msa").network.eval()
    with torch.no_grad(), attention_maps(network) as maps:
        network(torch.randn(2, 9, 17, 2))
    shapes = sorted(m.shape for m in maps.values())
    assert shapes == [(9, 9), (9, 9), (17, 17)]
    for weights in maps.values():
        assert weights.sum(1) == pytest.approx(1, abs=1e-4)


def test_attention_with_a_bias_of_places() -> None:
    """MoEmo's, as released: without the bias another map would be shown than the one that is used."""
    layer, x = WindowAttention(4, (2, 3)), torch.randn(1, 6, 4)
    torch.nn.init.normal_(layer.relative_position_bias_table, std=3)
    with torch.no_grad(), attention_maps(torch.nn.Sequential(layer)) as maps:
        answer = layer(x)
    values = layer.qkv(x)[..., 8:]
    torch.testing.assert_close(answer, layer.proj(torch.from_numpy(maps["0"]) @ values))


def test_the_answers_of_a_page_are_those_of_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the temperature that the run found."""
    runs.give_clips(monkeypatch, tmp_path, runs.acted)
    config = runs.fusion_config(tmp_path, tmp_path / "run", calibrate=True)
    runs.command(config, tmp_path / "c.yaml")
    best = best_checkpoint(tmp_path / "run")
    runs.command(config, tmp_path / "c.yaml", f"--ckpt_path={best}", name="predict")
    with np.load(tmp_path / "run/predictions.npz") as file:
        predicted = file["probabilities"]
    task, batch = load(tmp_path / "run", configuration(tmp_path / "run"))
    assert task.temperature != 1.0
    task.eval()
    with torch.no_grad():
        shown = task.predict_step(batch, 0)
    np.testing.assert_allclose(shown["probabilities"], predicted[shown["index"]], atol=1e-5)


def test_gates_of_the_2d_network() -> None:
    options = {"width": 8, "blocks": 1, "modules": (1, 1, 1), "placement": "six", "crop_width": 64}
    network = build("hrnet", crop_height=96, **options).network.eval()
    with torch.no_grad(), attention_maps(network) as maps:
        network(torch.randn(1, 3, 96, 64))
    assert maps
    assert all(m.shape[0] == 1 and (m > 0).all() and (m < 1).all() for m in maps.values())


def test_what_detectors_and_starter_keypoints_answer() -> None:
    """Boxes and keypoints lie where they are in the picture, whose colours are those of the photo."""
    image = torch.zeros(1, 120, 160, 3, dtype=torch.uint8)
    image[..., 0] = 200  # blue in OpenCV's order
    batch = {"images": image, "index": torch.zeros(1), "scales": torch.tensor([0.5])}
    boxes = torch.tensor([[[40.0, 40, 240, 200, 0.9], [0, 0, 300, 230, 0.1]]])
    shift = torch.tensor([[[1.0, 0, -10], [0, 1, -20]]])
    points = torch.tensor([[[60.0, 80, 1]]])
    for answer, more in (({"boxes": boxes}, {}), ({"keypoints": points}, {"matrices": shift})):
        png = pictures.answers_of({**answer, "index": torch.zeros(1)}, {**batch, **more})
        shown = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR).astype(int)
        blue = (shown[..., 0] > 240) & (shown[..., 2] < 20)
        red = (shown[..., 2] > 180) & (shown[..., 0] < 100)
        y, x = np.nonzero(blue | red)
        left, top, width, height = x.min(), y.min(), np.ptp(x), np.ptp(y)
        marked_y, marked_x = np.nonzero(red)
        where = [(marked_x - left) / width * 160, (marked_y - top) / height * 120]
        if "boxes" in answer:
            assert [round(w.min()) for w in where] == pytest.approx([20, 20], abs=2)
            assert [round(w.max()) for w in where] == pytest.approx([120, 100], abs=2)
        else:
            assert [w.mean() for w in where] == pytest.approx([50, 60], abs=2)
