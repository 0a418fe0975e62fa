"""Every task learns a tiny set by heart, through the same modules as a real run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from train.data.emotion_clips import EmotionClip
from train.data.video_emotion import Extractor

from .runs import (
    command,
    fusion_config,
    give_clips,
    keypoints_config,
    lifter_config,
    trainer,
    write_motion,
    write_photos,
)

ADAM = {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.004}}


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["none", "after_msa"])
def test_lifter_learns_a_few_videos_by_heart(tmp_path: Path, variant: str) -> None:
    write_motion(tmp_path / "data", frames=12)
    config = lifter_config(
        tmp_path / "data",
        tmp_path / "run",
        options={
            "frames": 3,
            "width": 16,
            "depth": 1,
            "heads": 4,
            "drop_path": 0.0,
            "sam": variant,
            "tam": variant,
        },
        optimizer=ADAM,
        scheduler={"class_path": "torch.optim.lr_scheduler.ExponentialLR", "init_args": {"gamma": 0.985}},
    )
    config["data"]["init_args"] |= {"stride": 12, "batch": 40, "flip": False}
    config["trainer"] = trainer(250, 1000)
    cli = command(config, tmp_path / "c.yaml")
    windows = cli.datamodule.datasets["train"]
    batch = {k: torch.from_numpy(v) for k, v in windows[list(range(len(windows)))].items()}
    with torch.no_grad():
        error = 1000 * float(cli.model.eval().loss(batch))
    size = 1000 * float(batch["joints"].norm(dim=-1).mean())
    assert size > 400
    assert error < 15, (error, size)


@pytest.mark.slow
def test_detector_learns_a_few_people_by_heart(tmp_path: Path) -> None:
    write_photos(tmp_path)
    config = keypoints_config(tmp_path, tmp_path / "run")
    command(config, tmp_path / "c.yaml")
    last = tmp_path / "run/checkpoints/last.ckpt"
    command(config, tmp_path / "c.yaml", f"--ckpt_path={last}", name="test")
    metrics = json.loads((tmp_path / "run/test.json").read_text())["metrics"]
    assert metrics["AP75"] > 0.9, metrics
    assert metrics["AP"] > 0.6, metrics  # cells of 4 px are coarse for people of 150
    assert metrics["loss"] < 1e-3


@pytest.mark.slow
def test_fusion_learns_a_few_clips_by_heart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With movement and context that both tell nothing alone: the label is which pair they are."""

    def clips(folder: Path, split: str, extractor: Extractor) -> list[EmotionClip]:
        rng = np.random.default_rng(0)
        movements, scenes = rng.normal(0, 0.3, (2, 20, 17, 3)), rng.normal(0, 1, (3, 1, 2, 8))
        times = np.arange(20) / 10
        return [
            EmotionClip(
                f"{split}{i}",
                i,
                f"{split}{i}",
                f"{split}{i}",
                times,
                movements[i % 2].astype("f4"),
                np.zeros(1),
                scenes[i // 2].astype("f4"),
            )
            for i in range(6)
        ]

    give_clips(monkeypatch, tmp_path, clips)
    config = fusion_config(tmp_path, tmp_path / "run")
    arguments = config["model"]["init_args"]
    arguments["options"] |= {"width": 32, "context_frames": 2}
    arguments["optimizer"]["init_args"]["lr"] = 0.002
    config["data"]["init_args"]["batch"] = 6
    config |= {"trainer": trainer(160, 1000), "ema": {"decay": 0.9}}
    command(config, tmp_path / "c.yaml")
    last = tmp_path / "run/checkpoints/last.ckpt"
    cli = command(config, tmp_path / "c.yaml", f"--ckpt_path={last}", name="test")
    assert cli.model.confusion.tolist() == np.eye(6, dtype=int).tolist()
    result = json.loads((tmp_path / "run/test.json").read_text())
    assert result["metrics"]["macro_f1"] == pytest.approx(1)
    assert result["metrics"]["loss"] < 0.05


@pytest.mark.shared
@pytest.mark.slow
def test_detector_end_to_end_on_photos(shared_data: Path, tmp_path: Path) -> None:
    """Photos of coco_train, the published recipe, judged on val2017 photos in published boxes."""
    coco, val = shared_data / "coco_train", shared_data / "fixtures" / "coco"
    config = keypoints_config(tmp_path, tmp_path / "run", steps=6)
    config["data"]["init_args"] |= {
        "train_annotations": str(coco / "person_keypoints.json"),
        "train_images": str(coco / "images"),
        "val_annotations": str(val / "test_coco.json"),
        "val_images": str(val),
        "detections": str(val / "test_coco_det_AP_H_56.json"),
        "recipe": {},
        "limit": 48,
        "batch": 16,
        "eval_batch": 32,
    }
    config["model"]["init_args"]["flip_test"] = True
    config["trainer"]["check_val_every_n_epoch"] = 2
    command(config, tmp_path / "c.yaml")
    log = (tmp_path / "run/csv/version_0/metrics.csv").read_text()
    assert "val/AP" in log.splitlines()[0]
    cli = command(
        config, tmp_path / "c.yaml", f"--ckpt_path={tmp_path}/run/checkpoints/last.ckpt", name="predict"
    )
    with np.load(tmp_path / "run/predictions.npz") as file:
        assert file["keypoints"].shape == (118, 17, 3)
    assert len(cli.datamodule.datasets["test"]) == 118
