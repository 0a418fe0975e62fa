"""A run's export gives in the stations the figures of the run's own test: the entry says all that matters."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posemo_ros.camera import Camera
from posemo_ros.emotion.estimator import EmotionEstimator
from posemo_ros.inference.manifest import EmotionSpec, KeypointSpec, LiftSpec, load_manifest
from posemo_ros.inference.sessions import open_session
from posemo_ros.keypoints.estimator import KeypointEstimator
from posemo_ros.lift.lifter import Lifter, images_ahead
from posemo_ros.skeleton import COCO17, H36M17, h36m_from_coco
from posemo_ros.types import Context, EmotionStatus, Floats, Frame, People2D, Skeletons3D, View
from train.cli import main
from train.data import cmu_videos, h36m, mpi_inf_3dhp
from train.data.emotion_clips import EmotionClip
from train.data.sequences import Video, Windows
from train.tasks.cli import Cli
from train.tasks.fusion import figures
from train.tasks.lifter import by_action

from .runs import (
    acted,
    command,
    fusion_config,
    give_clips,
    keypoints_config,
    lifter_config,
    write_cmu,
    write_moemo_files,
    write_motion,
    write_photos,
)


def exported(config: dict[str, Any], folder: Path) -> tuple[Cli, dict[str, float], Path]:
    """Train, test and export; the tested run, its figures and the model file."""
    path, last, out = folder / "c.yaml", Path(config["out"]) / "checkpoints/last.ckpt", folder / "net.onnx"
    command(config, path)
    cli = command(config, path, f"--ckpt_path={last}", name="test")
    assert main(["export", "--config", str(path), "--weights", str(last), "--out", str(out)]) == 0
    return cli, json.loads((Path(config["out"]) / "test.json").read_text())["metrics"], out


def station(out: Path, spec: LiftSpec, rate_hz: float) -> Lifter:
    session = open_session(out, runtime="onnxruntime", threads=1)
    return Lifter(session, spec, delay_frames=images_ahead(spec, rate_hz))


def lifted(lifter: Lifter, pixels: Floats, rate_hz: float, camera: Camera) -> Floats:
    """(T, 17, 2) px of COCO-17, all of them seen, through the station: (T, 17, 3)."""
    answers = []
    for t, points in enumerate(pixels):
        keypoints = np.concatenate([points, np.ones((17, 1), "f4")], 1)[None]
        view = View.through(camera, round(t / rate_hz * 1e9))
        box, score = np.zeros((1, 4), "f4"), np.ones(1, "f4")
        answers.append(lifter.lift(People2D(("a",), box, score, keypoints, view=view)))
    answers += lifter.flush()
    return np.concatenate([a.relative for a in answers if a is not None])


def judged(windows: Windows, answers: list[Floats]) -> dict[str, float]:
    """The task's figures for answers about all frames of the videos."""
    index = np.arange(len(windows.centres))
    return by_action(np.concatenate(answers), windows.joints, index, windows)["average"]


def pixels_of(video: Video, normalisation: str) -> Floats:
    """Back from what the network sees."""
    camera, points = cmu_videos.CAMERA, video.keypoints[..., :2].astype(np.float64)
    if normalisation == "person":
        return camera.project(np.concatenate([points, np.ones_like(points[..., :1])], -1)).astype("f4")
    return ((points + [1, camera.height / camera.width]) * camera.width / 2).astype("f4")


@pytest.mark.parametrize(
    ("network", "normalisation", "channels"),
    [("poseformer", "screen", 2), ("temporal_lifter", "person", 3)],
)
def test_a_lifter_of_coco_keypoints_at_30_hz(
    tmp_path: Path, network: str, normalisation: str, channels: int
) -> None:
    """With Human3.6M's joints or another rate, which the zoo's settings say, it is another lifter."""
    write_cmu(tmp_path / "data/cmu_mocap")
    options = {"poseformer": {"frames": 9, "width": 8, "depth": 1, "heads": 2, "sam": "after_msa"}}
    config = lifter_config(tmp_path / "data", tmp_path / "run", network=network)
    config["model"]["init_args"] |= {
        "options": {**options.get(network, {"frames": 9, "width": 16}), "channels": channels},
        "flip_test": network == "poseformer",
        "optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.02}},
    }
    config["trainer"]["max_epochs"] = 6
    config["data"] = {
        "class_path": "train.data.modules.Cmu",
        "init_args": {
            "folder": str(tmp_path / "data"),
            "noise": "perfect",
            "normalisation": normalisation,
            "views": 2,
            "batch": 32,
            "workers": 0,
        },
    }
    cli, metrics, out = exported(config, tmp_path)
    spec = load_manifest(out.with_suffix(".yaml"))["net"].spec
    assert isinstance(spec, LiftSpec)
    assert (spec.input_joints, spec.rate_hz, spec.normalisation) == ("coco17", 30.0, normalisation)

    windows = cli.datamodule.datasets["test"]
    films = [pixels_of(v, normalisation) for v in windows.videos]

    def off(**wrong: object) -> float:
        """Of the task's figure, mm."""
        judge = station(out, replace(spec, **wrong), 30.0)
        found = judged(windows, [lifted(judge, film, 30.0, cmu_videos.CAMERA) for film in films])
        return abs(found["mpjpe_mm"] - metrics["mpjpe_mm"])

    right = off()
    assert right < 1e-5 * metrics["mpjpe_mm"]
    for wrong in ({"input_joints": "h36m17"}, {"rate_hz": 10.0}):
        assert off(**wrong) > 5 * max(right, 1e-3), wrong


@pytest.mark.parametrize(
    ("network", "step", "kind"),
    [("poseformer", 1, "ours"), ("pstmo", 2, "ours"), ("poseformer", 2, "detectron_pt_coco")],
)
def test_a_lifter_of_human36m(tmp_path: Path, network: str, step: int, kind: str) -> None:
    """50 Hz, or every second frame; the joints that the station makes of COCO's, or these; the flip test."""
    data = tmp_path / "data"
    write_motion(data)
    with np.load(data / "data_2d_h36m_gt.npz", allow_pickle=True) as file:
        seen = file["positions_2d"].item()
    coco = {s: {a: [np.roll(v, 3, 1) for v in w] for a, w in actions.items()} for s, actions in seen.items()}
    as_h36m = {
        s: {
            a: [h36m_from_coco(np.concatenate([v, np.ones_like(v[..., :1])], -1))[..., :2] for v in w]
            for a, w in actions.items()
        }
        for s, actions in coco.items()
    }
    found, pairs = (as_h36m, H36M17.pairs) if kind == "ours" else (coco, COCO17.pairs)
    metadata = {"keypoints_symmetry": [list(side) for side in zip(*pairs, strict=True)]}
    np.savez(
        data / f"data_2d_h36m_{kind}.npz",
        positions_2d=np.array(found, dtype=object),
        metadata=np.array(metadata, dtype=object),
    )
    config = lifter_config(data, tmp_path / "run", network=network)
    if network == "pstmo":
        config["model"]["init_args"]["options"] = {"frames": 9, "layers": 1, "width": 16, "hidden": 16}
    config["data"]["init_args"] |= {"keypoints": kind, "step": step}
    cli, metrics, out = exported(config, tmp_path)
    spec = load_manifest(out.with_suffix(".yaml"))["net"].spec
    assert isinstance(spec, LiftSpec)
    joints = "h36m17" if kind == "ours" else "coco17"
    assert (spec.input_joints, spec.rate_hz, spec.flip_test) == (joints, 50.0 / step, True)
    windows = cli.datamodule.datasets["test"]
    films = [
        (view, size)
        for s in h36m.TEST_SUBJECTS
        for views in coco[s].values()
        for view, size in zip(views, h36m.IMAGE_SIZES, strict=True)
    ]
    assert len(films) == len(windows.videos)
    for entry, same in ((spec, True), (replace(spec, flip_test=False), False)):
        found = [
            lifted(station(out, entry, 50.0), film, 50.0, Camera.from_fov(*size)) for film, size in films
        ]
        assert (judged(windows, found)["mpjpe_mm"] == pytest.approx(metrics["mpjpe_mm"], rel=5e-5)) == same


def test_a_lifter_of_mpi_inf_3dhp(tmp_path: Path) -> None:
    """Joints in another order, with another root, at any rate: the export puts them into Human3.6M's."""
    rng, order = np.random.default_rng(0), list(mpi_inf_3dhp.H36M_ORDER)
    coco = rng.uniform(200, 1800, (2, 12, 17, 2)).astype("f4")

    def video(number: int) -> dict[str, Floats]:
        found = h36m_from_coco(np.concatenate([coco[number], np.ones((12, 17, 1), "f4")], -1))[..., :2]
        joints = rng.normal(0, 300, (12, 17, 3)).astype("f4")
        return {"data_2d": found[:, np.argsort(order)], "data_3d": joints, "valid": np.ones(12)}

    (tmp_path / "data").mkdir()
    train = {"S1 Seq1": [{"0": video(0)}, 25]}
    np.savez(tmp_path / "data/data_train_3dhp.npz", data=np.array(train, dtype=object))
    np.savez(tmp_path / "data/data_test_3dhp.npz", data=np.array({"TS1": video(1)}, dtype=object))
    config = lifter_config(tmp_path / "data", tmp_path / "run")
    init_args = {"folder": str(tmp_path / "data"), "batch": 12, "workers": 0}
    config["data"] = {"class_path": "train.data.modules.Mpi3dhp", "init_args": init_args}
    cli, metrics, out = exported(config, tmp_path)
    spec = load_manifest(out.with_suffix(".yaml"))["net"].spec
    assert isinstance(spec, LiftSpec)
    assert (spec.input_joints, spec.rate_hz, spec.flip_test) == ("h36m17", 0.0, True)
    camera = Camera.from_fov(*mpi_inf_3dhp.TRAIN_SIZE)
    found, windows = lifted(station(out, spec, 25.0), coco[1], 25.0, camera), cli.datamodule.datasets["test"]
    same, turned = (judged(windows, [f]) for f in (found[:, np.argsort(order)], found))
    for name in ("mpjpe_mm", "pck", "auc"):
        assert same[name] == pytest.approx(metrics[name], rel=5e-5, abs=1e-6), name
    assert turned["mpjpe_mm"] != pytest.approx(metrics["mpjpe_mm"], rel=1e-3)


@pytest.mark.slow
def test_a_keypoint_network(tmp_path: Path) -> None:
    """Padding, normalisation, codec and flip test: every keypoint of every person, and COCO's AP of them."""
    write_photos(tmp_path)
    labels = json.loads((tmp_path / "people.json").read_text())
    for size, label in zip((1e5, 2e5, 4e5, 8e5), labels["annotations"], strict=True):
        label["area"] = size  # so lenient is OKS then that a network of 25 steps has an AP
    (tmp_path / "people.json").write_text(json.dumps(labels))
    config = keypoints_config(tmp_path, tmp_path / "run", steps=25)
    config["model"]["init_args"] |= {"flip_test": True, "settings": {"codec": "dark"}}
    cli, metrics, out = exported(config, tmp_path)
    spec = load_manifest(out.with_suffix(".yaml"))["net"].spec
    assert isinstance(spec, KeypointSpec)
    assert (spec.codec, spec.flip_test, spec.input.pad_value) == ("dark", True, 0)
    command(config, tmp_path / "c.yaml", f"--ckpt_path={tmp_path}/run/checkpoints/last.ckpt", name="predict")
    with np.load(tmp_path / "run/predictions.npz") as file:
        predicted = file["keypoints"]
    people = cli.datamodule.datasets["test"].people
    session = open_session(out, runtime="onnxruntime", threads=1)

    def through(entry: KeypointSpec) -> Floats:
        judge = KeypointEstimator(session, entry)
        return np.concatenate([judge.estimate(Frame(p.photo.pixels()), p.box[None]) for p in people])

    def off(found: Floats) -> float:
        """Px; where the station says where a joint is: inside the photo."""
        away = np.linalg.norm((found - predicted)[..., :2], axis=-1)
        assert np.isfinite(away).mean() > 0.7
        return float(np.nanmax(away))

    found = through(spec)
    assert off(found) < 0.01
    areas = np.array([label["area"] for label in labels["annotations"]], np.float32)
    found[~np.isfinite(found)] = predicted[~np.isfinite(found)]
    ours = cli.datamodule.judge("test", np.arange(4), found, areas)
    assert 0.1 < metrics["AP"] < 0.9
    assert ours["AP"] == pytest.approx(metrics["AP"], abs=1e-3)
    brighter = replace(spec.input, mean=(0.0, 0.0, 0.0))
    for wrong in ({"codec": "quarter"}, {"flip_test": False}, {"box_scale": 1.0}, {"input": brighter}):
        assert off(through(replace(spec, **wrong))) > 0.1, wrong


def emotions(out: Path, spec: EmotionSpec, clips: tuple[EmotionClip, ...]) -> Floats:
    """(N, 6) what the station says of the window in the middle of each clip."""
    session = open_session(out, runtime="onnxruntime", threads=1)
    answers = []
    for clip in clips:
        judge = EmotionEstimator(session, spec)
        last = (clip.times[-1] + judge.span_s) / 2
        for time, tokens in zip(clip.context_times, clip.context, strict=True):
            if time <= last:
                judge.remember(Context(tokens, "any", view=View(round(time * 1e9))))
        for time, pose in zip(clip.times, clip.poses, strict=True):
            if time <= last + 1e-6:
                view = View(round(time * 1e9))
                scores = np.ones((1, 17), "f4")
                answer = judge.judge(
                    Skeletons3D(("a",), pose[None], np.zeros((1, 3), "f4"), scores, view=view)
                )
        assert answer.status == (EmotionStatus.VALID,)
        answers.append(answer.probabilities)
    return np.concatenate(answers)


@pytest.mark.parametrize("axes", ["upright", "image"])
def test_an_emotion_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, axes: str) -> None:
    """Rate, axes, temperature, order of the labels, and which scenes stand beside the movement."""
    give_clips(monkeypatch, tmp_path, acted)
    upright = {"axes": "upright"} if axes == "upright" else {}
    config = fusion_config(tmp_path, tmp_path / "run", settings={"rate_hz": 5.0} | upright, calibrate=True)
    config["data"]["init_args"]["dimensions"] = 3 if axes == "upright" else 2
    cli, metrics, out = exported(config, tmp_path)
    spec = load_manifest(out.with_suffix(".yaml"))["net"].spec
    assert isinstance(spec, EmotionSpec)
    assert (spec.rate_hz, spec.axes, spec.context_model, spec.context_rate_hz) == (5.0, axes, "any", 7.5)
    assert (spec.poses, spec.trained_behind) == ("posemo-lifter", {"lifter": "a" * 64})
    assert spec.temperature != 1.0
    windows = cli.datamodule.datasets["test"]
    labels = np.array([c.emotion for c in windows.clips])

    def through(entry: EmotionSpec) -> dict[str, float]:
        return figures(emotions(out, entry, windows.clips).astype(np.float64), labels, 0.0)

    found = through(spec)
    for name in ("loss", "ece", "accuracy", "macro_f1"):
        assert found[name] == pytest.approx(metrics[name], rel=2e-5), name
    turned = (*spec.labels[1:], spec.labels[0])
    for wrong in (
        replace(spec, temperature=1.0),
        replace(spec, rate_hz=10.0),
        replace(spec, axes="camera"),
        replace(spec, labels=turned),
    ):
        assert through(wrong)["loss"] != pytest.approx(metrics["loss"], rel=1e-4)


@pytest.mark.parametrize(("network", "fusion"), [("moemo_official", "cross"), ("moemo_x", "context")])
def test_moemo_from_its_own_files(tmp_path: Path, network: str, fusion: str) -> None:
    """Every probability of `train predict`, as the station says it of the same poses and scenes."""
    write_moemo_files(tmp_path / "moemo")
    config = fusion_config(tmp_path, tmp_path / "run", network=network, calibrate=True)
    sizes = {"width": 16, "depth": 1, "heads": 2, "dropout": 0.0, "context_frames": 2}
    config["model"]["init_args"]["options"] = {"fusion": fusion, **(sizes if network == "moemo_x" else {})}
    del config["model"]["init_args"]["settings"]
    config["data"] = {
        "class_path": "train.data.emotion_modules.MoEmoFiles",
        "init_args": {"folder": str(tmp_path / "moemo"), "batch": 12, "workers": 0},
    }
    cli, _, out = exported(config, tmp_path)
    command(config, tmp_path / "c.yaml", f"--ckpt_path={tmp_path}/run/checkpoints/last.ckpt", name="predict")
    with np.load(tmp_path / "run/predictions.npz") as file:
        predicted = file["probabilities"]
    spec = load_manifest(out.with_suffix(".yaml"))["net"].spec
    assert isinstance(spec, EmotionSpec)
    assert spec.poses == ("" if fusion == "context" else "MoEmo's own files")  # the scene alone is nobody's
    found = emotions(out, spec, cli.datamodule.datasets["test"].clips)
    assert np.ptp(predicted, axis=0).max() > 0.01
    np.testing.assert_allclose(found, predicted, atol=1e-4)
