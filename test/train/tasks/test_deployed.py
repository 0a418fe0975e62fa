"""From videos: the figure of a run's test is that of the chain that ``posemo run`` plays them to."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from posemo_ros import cli
from posemo_ros.replay.bag import Recording, read_results
from posemo_ros.skeleton import h36m_from_coco
from posemo_ros.types import EMOTIONS, EmotionStatus, Floats
from train.cli import main
from train.data import h36m
from train.models import context
from train.tasks.checkpoint import best_checkpoint
from train.tasks.fusion import figures
from train.tasks.lifter import by_action

from .runs import command, lifter_config, trainer, write_motion

NAMES = ("detector", "keypoints", "lifter")
FPS, FRAMES = 10, 13
LAST = 9  # frame at which the window in the middle of a clip ends: 0.3 to 0.9 of 1.2 s


def film(path: Path, paths: Floats, size: tuple[int, int], fps: float, seed: int) -> None:
    """Somebody (a bright patch) whose middle follows ``paths`` (T, 2) px, and who changes colour."""
    rng = np.random.default_rng(seed)
    colours = np.linspace(rng.integers(60, 250, 3), rng.integers(60, 250, 3), len(paths))
    path.parent.mkdir(parents=True, exist_ok=True)
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, size)
    half = np.array([size[0] // 14, size[1] // 5])
    for middle, colour in zip(paths, colours, strict=True):
        image = np.zeros((size[1], size[0], 3), np.uint8)
        low, high = (middle - half).astype(int), (middle + half).astype(int)
        image[low[1] : high[1], low[0] : high[0]] = colour
        video.write(image)
    video.release()


def posemo(*words: str, manifests: list[Path]) -> int:
    """The command's exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSEMO_MODELS", ":".join(map(str, manifests)))
        return cli.main([*words])


def deployed(videos: list[Path], out: Path, manifests: list[Path], *options: str) -> dict[str, Recording]:
    """``posemo run`` on them: results by the name of the video."""
    chain = [word for name in NAMES for word in (f"--{name}", f"tiny-{name}")]
    words = ["run", *map(str, videos), "--out", str(out), "--no-films", "--emotion", "", *chain, *options]
    assert posemo(*words, manifests=manifests) == 0
    return results(out, videos)


def results(out: Path, videos: list[Path]) -> dict[str, Recording]:
    """What a run left, by the name of the video."""
    bags = {b.parent.name: b for b in out.rglob("results.mcap")}
    assert len(bags) == len(videos)
    return {v.stem: read_results(next(b for n, b in bags.items() if v.stem in n)) for v in videos}


def write_acted(folder: Path) -> None:
    """Two clips per emotion and split, in the folders of `EmotionVideos`."""
    rows = []
    for number, (split, emotion, take) in enumerate(
        (s, e, t) for s in ("train", "val", "test") for e in EMOTIONS for t in range(2)
    ):
        turns, phase = np.random.default_rng(number).uniform((2, 0), (4, 6)), np.array([0, 1])
        steps = 12 * np.sin(turns[0] * np.linspace(0, 1, FRAMES)[:, None] + turns[1] + phase)
        name = f"{split}{number:02}"
        film(folder / split / emotion / f"{name}.avi", [80, 60] + steps, (160, 120), FPS, number)
        rows.append(f"{name},{split}{take}")
    (folder / "actors.csv").write_text("\n".join(["clip,actor", *rows]) + "\n")


def emotion_config(folder: Path, options: dict[str, Any], networks: dict[str, Any]) -> dict[str, Any]:
    sizes = {"frames": 4, "width": 16, "depth": 1, "heads": 2, "context_frames": 3}
    return {
        "out": str(folder / "run"),
        "model": {
            "class_path": "train.tasks.fusion.Fusion",
            "init_args": {
                "options": {**sizes, **options},
                "settings": {"rate_hz": 5.0},
                "optimizer": {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.01}},
                "calibrate": True,
            },
        },
        "data": {
            "class_path": "train.data.emotion_modules.EmotionVideos",
            "init_args": {"folder": str(folder / "data"), **networks, "batch": 12, "workers": 0},
        },
        "trainer": trainer(20, 8),
    }


def trained(config: dict[str, Any], path: Path) -> dict[str, float]:
    """Figures of the test of a run's best checkpoint."""
    command(config, path)
    command(config, path, f"--ckpt_path={best_checkpoint(Path(config['out']))}", name="test")
    metrics: dict[str, float] = json.loads((Path(config["out"]) / "test.json").read_text())["metrics"]
    return metrics


def agree(found: dict[str, Recording], clips: list[Path], metrics: dict[str, float]) -> None:
    """What is said of the person seen in most frames, whose movement the task learns from."""
    answers = []
    for clip in clips:
        film = sorted(found[clip.stem].emotions.values(), key=lambda e: e.stamp_ns)
        main = Counter(person for e in film for person in e.ids).most_common(1)[0][0]
        row = film[LAST].ids.index(main)
        assert film[LAST].status[row] is EmotionStatus.VALID
        answers.append(film[LAST].probabilities[row])
    labels = np.array([EMOTIONS.index(c.parent.name) for c in clips])
    said = figures(np.stack(answers).astype(np.float64), labels, 0.0)
    for name in ("loss", "ece", "accuracy", "macro_f1"):
        assert said[name] == pytest.approx(metrics[name], abs=1e-3), name  # scenes are kept as float16


@pytest.mark.slow
def test_emotions_from_movement(tiny: ModuleType, tmp_path: Path) -> None:
    manifest, path, out = tiny.write_chain(tmp_path / "tiny"), tmp_path / "c.yaml", tmp_path / "net.onnx"
    write_acted(tmp_path / "data")
    networks = {"manifests": [str(manifest)], **{name: f"tiny-{name}" for name in NAMES}}
    config = emotion_config(tmp_path, {"fusion": "pose"}, networks)
    metrics = trained(config, path)
    assert main(["export", "--config", str(path), "--weights", f"{tmp_path}/run", "--out", str(out)]) == 0
    clips = sorted((tmp_path / "data/test").rglob("*.avi"))
    found = deployed(clips, tmp_path / "out", [manifest, out.with_suffix(".yaml")], "--emotion", "net")
    agree(found, clips, metrics)


@pytest.mark.slow
def test_emotions_from_poses_of_pstmo_before_a_scene_that_a_cnn_sees(
    tiny: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lifter and encoder exported, MoEmoX trained behind both, the whole chain run by its preset."""
    timm = SimpleNamespace(create_model=lambda *_, **__: torch.nn.AvgPool2d(32))
    monkeypatch.setattr(context, "import_vision_library", lambda *_: timm)
    monkeypatch.setitem(context.CNN_SHAPES, "resnet50", (50, 3))
    manifest, mine = tiny.write_chain(tmp_path / "tiny"), tmp_path / "mine"
    write_acted(tmp_path / "data")
    pstmo = "pstmo,frames=9,layers=1,width=16,hidden=16,entry.input_joints=coco17@random"
    words = ["export", "--preset", "papers", "--out", str(mine)]
    assert main([*words, "--lifter", pstmo, "--context", "cnn_context@random"]) == 0
    networks: dict[str, Any] = {"lifter": "papers-lifter", "context": "papers-context"}
    networks |= {"detector": "tiny-detector", "keypoints": "tiny-keypoints"}
    networks["manifests"] = list(map(str, [manifest, *mine.glob("papers-*.yaml")]))
    options = {"fusion": "cross", "context_width": 3}
    config = emotion_config(tmp_path, options, networks)
    metrics = trained(config, tmp_path / "c.yaml")
    assert main([*words, "--emotion", str(tmp_path / "run")]) == 0

    clips = sorted((tmp_path / "data/test").rglob("*.avi"))
    people = ["--detector", "tiny-detector", "--keypoints", "tiny-keypoints"]
    chain = ["--preset", str(mine / "papers.yaml"), "--no-films", *people]
    capsys.readouterr()
    whole = ["run", *map(str, clips), "--out", str(tmp_path / "out"), *chain]
    assert posemo(*whole, manifests=[manifest]) == 0
    assert "learned from" not in capsys.readouterr().err
    agree(results(tmp_path / "out", clips), clips, metrics)
    for wrong, message in (
        (["--context", "tiny-context"], "the context 'tiny-context' is another"),
        (["--context", ""], "no context is named: name it (option --context papers-context"),
        (["--context-rate-hz", "2"], "was trained with 7.5 encodings of the scene per second"),
    ):
        one = ["run", str(clips[0]), "--out", str(tmp_path / "x"), *chain]
        assert posemo(*one, *wrong, manifests=[manifest]) == 1
        assert message in capsys.readouterr().err
    assert posemo(*one, "--lifter", "tiny-lifter", manifests=[manifest]) == 0
    assert "learned from the poses of 'papers-lifter'" in capsys.readouterr().err


@pytest.mark.slow
def test_a_lifter(tiny: ModuleType, tmp_path: Path) -> None:
    """With what the tables are measured with: half a window of delay, no filter over the skeletons."""
    manifest, data = tiny.write_chain(tmp_path / "tiny"), tmp_path / "data"
    write_motion(data, frames=12)
    with np.load(data / "data_2d_h36m_gt.npz", allow_pickle=True) as file:
        seen = file["positions_2d"].item()
    videos = {}
    for number, (subject, action, camera) in enumerate(
        (s, a, c) for s in h36m.TEST_SUBJECTS for a in seen[s] for c in range(4)
    ):
        steps = np.random.default_rng(number).uniform(-4, 4, 2) * np.arange(12)[:, None]
        videos[subject, action, camera] = tmp_path / f"films/v{number:02}.avi"
        film(videos[subject, action, camera], 500 + steps, h36m.IMAGE_SIZES[camera], h36m.FPS, number)
    each = ("--detect-every", "1")  # the boxes that follow tiny-keypoints drift out of the image
    in_2d = deployed([*videos.values()], tmp_path / "seen", [manifest], "--lifter", "", *each)
    for (subject, action, camera), video in videos.items():  # the lifter is tested on what the chain finds
        people = sorted(in_2d[video.stem].people.values(), key=lambda p: p.stamp_ns)
        points = np.stack([h36m_from_coco(p.keypoints)[0, :, :2] for p in people])
        assert np.isfinite(points).all()
        seen[subject][action][camera] = points
    np.savez(data / "data_2d_h36m_ours.npz", positions_2d=np.array(seen, dtype=object))

    config = lifter_config(data, tmp_path / "run")
    config["data"]["init_args"]["keypoints"] = "ours"
    path, last, out = tmp_path / "c.yaml", tmp_path / "run/checkpoints/last.ckpt", tmp_path / "net.onnx"
    command(config, path)
    tested = command(config, path, f"--ckpt_path={last}", name="test")
    figure = json.loads((tmp_path / "run/test.json").read_text())["metrics"]["mpjpe_mm"]
    assert main(["export", "--config", str(path), "--weights", str(last), "--out", str(out)]) == 0

    windows = tested.datamodule.datasets["test"]
    names = [f"{s} {a} camera {c}" for s, a, c in videos]
    assert [v.name for v in windows.videos] == names

    def of_run(folder: str, films: list[Path], *options: str) -> Floats:
        manifests = [manifest, out.with_suffix(".yaml")]
        found = deployed(films, tmp_path / folder, manifests, "--lifter", "net", *each, *options)
        rows = [sorted(found[film.stem].skeletons.values(), key=lambda s: s.stamp_ns) for film in films]
        return np.concatenate([s.relative for row in rows for s in row])

    poses = of_run("papers", [*videos.values()], "--delay-frames", "1", "--smoothing-hz", "0")
    papers = by_action(poses, windows.joints, np.arange(len(poses)), windows)["average"]["mpjpe_mm"]
    assert papers == pytest.approx(figure, rel=1e-4)
    live = of_run("live", [*videos.values()][:2])  # no delay, with the filter: other poses
    assert np.linalg.norm(live - poses[: len(live)], axis=-1).mean() > 1e-3  # m
