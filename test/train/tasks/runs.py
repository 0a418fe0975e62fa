"""Small runs on made-up data, through the same command line as any other run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml

from train.data.emotion_clips import EmotionClip
from train.data.video_emotion import Extractor
from train.tasks.cli import Cli, run

STANDING = np.array(
    [
        [0, 0, 0.9], [0, -0.13, 0.9], [0, -0.13, 0.48], [0, -0.13, 0.06], [0, 0.13, 0.9],
        [0, 0.13, 0.48], [0, 0.13, 0.06], [0, 0, 1.13], [0, 0, 1.38], [0, 0, 1.48], [0, 0, 1.56],
        [0, 0.17, 1.36], [0, 0.19, 1.08], [0, 0.2, 0.83], [0, -0.17, 1.36], [0, -0.19, 1.08],
        [0, -0.2, 0.83],
    ]
)  # fmt: skip
"""(17, 3) metres, H36M-17: x where the person faces, y left, z up."""
BEFORE_THE_CAMERA = (STANDING - STANDING[0])[:, [1, 2, 0]] * [1, -1, -1]
"""The same about the pelvis, in the axes of a camera that the person faces."""


def write_motion(folder: Path, frames: int = 40, seed: int = 0) -> None:
    """Smooth movement, truly projected, in Human3.6M's published files."""
    from train.data.h36m import CAMERA_IDS

    rng = np.random.default_rng(seed)
    t = np.linspace(0, 6, frames)[:, None, None]
    subjects = ("S1", "S5", "S6", "S7", "S8", "S9", "S11")
    rest, phase = rng.normal(0, 0.4, (32, 3)), rng.uniform(0, 6, (32, 3))
    world = {
        s: {
            a: (rest + 0.15 * np.sin((1 + i + j) * t + phase)).astype("f4")
            for i, a in enumerate(("Directions", "Walking"))
        }
        for j, s in enumerate(subjects)
    }
    kept = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]
    turn = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # camera to world: looks along +y
    seen = {
        s: {
            a: [
                ((p[:, kept][..., [0, 2]] * [1, -1]) / (p[:, kept][..., 1:2] + 4) * 1100 + 500).astype("f4")
                for _ in CAMERA_IDS
            ]
            for a, p in actions.items()
        }
        for s, actions in world.items()
    }
    cameras = {f"{s}_{c}": {"R": turn.tolist(), "T": [0, -4, 0]} for s in subjects for c in CAMERA_IDS}
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "data_3d_h36m.npz", positions_3d=np.array(world, dtype=object))
    np.savez(folder / "data_2d_h36m_gt.npz", positions_2d=np.array(seen, dtype=object))
    (folder / "cameras.json").write_text(json.dumps(cameras))


def write_cmu(folder: Path, clips: int = 6, frames: int = 240) -> None:
    """People who stand and swing their limbs, in the form of the CMU clips."""
    rng = np.random.default_rng(0)
    t = np.arange(frames)[:, None, None] / 20
    size = 0.03 + 0.1 * np.isin(np.arange(17), (2, 3, 5, 6, 12, 13, 15, 16))[:, None]
    motion = [STANDING + size * np.sin(t + rng.uniform(0, 6, (17, 3))) for _ in range(clips)]
    total = clips * frames
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(
        folder / "cmu_h36m17.npz",
        positions=np.concatenate(motion).astype("f4"),
        head_forward=np.tile(np.float32([1, 0, 0]), (total, 1)),
        head_left=np.tile(np.float32([0, 1, 0]), (total, 1)),
        clip_start=np.arange(clips + 1) * frames,
        clip_names=np.array([f"{i:02d}_01" for i in range(clips)]),
        action=np.array(["swing"] * clips),
        split=np.array(["train", "train", "test"] * (clips // 3)),
        frame_ok=np.ones(total, bool),
        fps=120.0,
    )


def lifter_config(data: Path, out: Path, **model: Any) -> dict[str, Any]:
    return {
        "seed_everything": 1,
        "out": str(out),
        "model": {
            "class_path": "train.tasks.lifter.Lifter",
            "init_args": {
                "network": "poseformer",
                "options": {"frames": 3, "width": 8, "depth": 1, "heads": 2, "sam": "after_msa"},
                "optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.002}},
                "scheduler": {
                    "class_path": "torch.optim.lr_scheduler.ExponentialLR",
                    "init_args": {"gamma": 0.9},
                },
                **model,
            },
        },
        "data": {
            "class_path": "train.data.modules.Human36M",
            "init_args": {"folder": str(data), "keypoints": "gt", "batch": 64, "stride": 8, "workers": 0},
        },
        "trainer": {
            "max_epochs": 2,
            "accelerator": "cpu",
            "enable_progress_bar": False,
            "enable_model_summary": False,
        },
        "checkpoint": {"monitor": "val/mpjpe_mm"},
    }


def trainer(steps: int, epochs: int) -> dict[str, Any]:
    return {
        "max_steps": steps,
        "max_epochs": -1,
        "accelerator": "cpu",
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "check_val_every_n_epoch": epochs,
    }


def write_photos(folder: Path) -> None:
    """Four photos, each with a coloured figure, in COCO's format."""
    rng = np.random.default_rng(0)
    images, annotations = [], []
    body = np.array(
        [
            [50, 12], [54, 9], [46, 9], [58, 12], [42, 12], [65, 32], [35, 32], [72, 55], [28, 55],
            [76, 78], [24, 78], [60, 85], [40, 85], [62, 118], [38, 118], [63, 150], [37, 150],
        ],
        float,
    )  # fmt: skip
    (folder / "images").mkdir(parents=True)
    for number in range(1, 5):
        points = body * rng.uniform(0.8, 1.1, 2) + rng.normal(0, 4, body.shape) + rng.uniform(10, 40, 2)
        image = rng.integers(0, 60, (220, 180, 3)).astype(np.uint8)
        for joint, (x, y) in enumerate(points):
            colour = tuple(int(c) for c in np.random.default_rng(joint).integers(80, 255, 3))
            cv2.circle(image, (int(x), int(y)), 6, colour, -1)
        cv2.imwrite(str(folder / "images" / f"{number}.png"), image)
        low, high = points.min(0) - 8, points.max(0) + 8
        images.append({"id": number, "file_name": f"{number}.png", "width": 180, "height": 220})
        annotations.append(
            {
                "id": number,
                "image_id": number,
                "category_id": 1,
                "iscrowd": 0,
                "area": float(np.prod(high - low) * 0.5),
                "bbox": [*low.tolist(), *(high - low).tolist()],
                "num_keypoints": 17,
                "keypoints": np.concatenate([points, np.full((17, 1), 2)], 1).ravel().tolist(),
            }
        )
    data = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}
    (folder / "people.json").write_text(json.dumps(data))


def keypoints_config(folder: Path, out: Path, *, steps: int = 120) -> dict[str, Any]:
    return {
        "seed_everything": 0,
        "out": str(out),
        "model": {
            "class_path": "train.tasks.keypoints.Keypoints",
            "init_args": {
                "options": {
                    "width": 16,
                    "crop_width": 64,
                    "crop_height": 96,
                    "blocks": 1,
                    "modules": [1, 1, 1],
                    "placement": "six",
                },
                "optimizer": {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.003}},
                "flip_test": False,
            },
        },
        "data": {
            "class_path": "train.data.modules.Keypoints",
            "init_args": {
                "train_annotations": str(folder / "people.json"),
                "train_images": str(folder / "images"),
                "val_annotations": str(folder / "people.json"),
                "val_images": str(folder / "images"),
                "recipe": {"half_body": 0, "scale": 0, "rotation": 0, "turned": 0, "flip": 0},
                "batch": 4,
                "workers": 0,
            },
        },
        "trainer": trainer(steps, 1000),
        "checkpoint": {"monitor": "val/AP", "mode": "max"},
        "ema": {"decay": 0.9},
    }


def give_clips(monkeypatch: pytest.MonkeyPatch, folder: Path, load: Callable[..., Any]) -> None:
    """``EmotionVideos`` of this folder gets its clips from ``load`` (folder, split, extractor)."""
    from train.data import emotion_modules
    from train.data.video_emotion import Extraction

    none = np.zeros(0)
    fake = Extractor("fake", lambda _: Extraction(none, none, none, none), {"lifter": "a" * 64})
    monkeypatch.setattr(emotion_modules.video_emotion, "load_clips", load)
    monkeypatch.setattr(emotion_modules.video_emotion, "chain_extractor", lambda **_: fake)
    (folder / "val").mkdir()


def acted(folder: Path, split: str, extractor: Extractor) -> list[EmotionClip]:
    """Twelve movements before scenes that change."""
    rng = np.random.default_rng(0)
    times, scene_times = np.arange(21) / 10, np.arange(15) / 7.5 + 0.01
    return [
        EmotionClip(
            f"{split}{i}",
            i % 6,
            f"{split}{i}",
            f"{split}{i}",
            times,
            rng.normal(0, 0.3, (21, 17, 3)).astype("f4"),
            scene_times,
            rng.normal(0, 1, (15, 2, 8)).astype("f4"),
        )
        for i in range(12)
    ]


def write_moemo_files(folder: Path) -> None:
    """MoEmo's own files: one clip per emotion and split, in a scene of its own."""
    rng = np.random.default_rng(0)
    (folder / "joints").mkdir(parents=True)
    for number, split in enumerate(("train", "val", "test")):
        for emotion, name in enumerate(("angry", "happy", "sad", "fear", "surprise", "disgust")):
            clip = f"C{number}{emotion:03}_0"
            (folder / f"{split}_tensor" / name).mkdir(parents=True)
            tokens = torch.from_numpy(rng.normal(0, 2, (16, 50, 768)).astype("f4"))
            torch.save(tokens, folder / f"{split}_tensor" / name / f"{clip}.pt")
            poses = BEFORE_THE_CAMERA + rng.normal(0, 0.1, (16, 17, 3)) * (np.arange(17) > 0)[:, None]
            np.save(folder / "joints" / f"{clip}_f16.npy", poses.astype("f4"))


def fusion_config(folder: Path, out: Path, **model: Any) -> dict[str, Any]:
    """MoEmoX, small, on the clips that ``give_clips`` gives."""
    sizes = {"context_frames": 3, "context_tokens": 2, "context_width": 8}
    return {
        "seed_everything": 0,
        "out": str(out),
        "model": {
            "class_path": "train.tasks.fusion.Fusion",
            "init_args": {
                "options": {"frames": 4, "width": 16, "depth": 1, "heads": 2, "dropout": 0.0, **sizes},
                "settings": {"rate_hz": 5.0},
                "optimizer": {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.01}},
                **model,
            },
        },
        "data": {
            "class_path": "train.data.emotion_modules.EmotionVideos",
            "init_args": {"folder": str(folder), "batch": 12, "workers": 0, "context": "any"},
        },
        "trainer": trainer(20, 8),
        "ema": {"decay": 0.5},
    }


def command(config: dict[str, Any], path: Path, *arguments: str, name: str = "fit") -> Cli:
    """Write the configuration and run it in this process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(config))
    return run([name, "--config", str(path), *arguments])


def weights(cli: Cli) -> dict[str, torch.Tensor]:
    return {k: v.detach().clone() for k, v in cli.model.network.state_dict().items()}


def killed_and_whole(
    config: dict[str, Any], folder: Path, *, steps: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The last checkpoints of a run and of the same one that was stopped after some steps and went on.

    All weights, the averaged ones too, are the same to the bit, or it fails.
    """
    often = {"monitor": None, "save_top_k": 1, "every_n_train_steps": 1, "save_last": True}
    whole, parts = (config | {"out": str(folder / n), "checkpoint": often} for n in ("whole", "parts"))
    command(whole, folder / "whole.yaml")
    command(parts, folder / "parts.yaml", f"--trainer.max_steps={steps}")
    command(parts, folder / "parts.yaml", "--ckpt_path=last")
    one, two = (
        torch.load(folder / n / "checkpoints/last.ckpt", weights_only=True) for n in ("whole", "parts")
    )
    for key in ("state_dict", "current_model_state"):
        assert all(torch.equal(one[key][k], two[key][k]) for k in one[key])
    return one, two
