"""Measures and recipes as the data sets' and the papers' own scripts have them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml

from posemo_ros.errors import InputError, ModelError
from posemo_ros.inference.manifest import ImageInput, KeypointSpec
from train.data import mpi_inf_3dhp
from train.data.emotion_modules import EmotionVideos
from train.data.keypoint_crops import Crop, cut
from train.data.modules import Human36M
from train.data.people import Person, Photo
from train.data.sequences import H36M, H36M_NO_NOSE, Video, Windows
from train.export import Deployed, export, manifest_entry
from train.models.zoo import build
from train.tables.command import load_config
from train.tasks.checkpoint import best_checkpoint, network_state
from train.tasks.fusion import Fusion
from train.tasks.lifter import by_action

from .runs import command, lifter_config, weights, write_motion

# mpii_get_joints.m ('relevant') and Human3.6M's 17.
_NAMES_3DHP = [
    *("crown", "neck", "shoulder_r", "elbow_r", "wrist_r", "shoulder_l", "elbow_l", "wrist_l"),
    *("hip_r", "knee_r", "ankle_r", "hip_l", "knee_l", "ankle_l", "pelvis", "spine", "head"),
]
_NAMES_H36M = [
    *("pelvis", "hip_r", "knee_r", "ankle_r", "hip_l", "knee_l", "ankle_l", "spine", "neck", "head"),
    *("crown", "shoulder_l", "elbow_l", "wrist_l", "shoulder_r", "elbow_r", "wrist_r"),
]
_NAMES_MPII = [
    *("ankle_r", "knee_r", "hip_r", "hip_l", "knee_l", "ankle_l", "pelvis", "spine", "neck", "crown"),
    *("wrist_r", "elbow_r", "shoulder_r", "shoulder_l", "elbow_l", "wrist_l"),
]

CONFIGS = Path(__file__).resolve().parents[3] / "train/configs"


def _windows(layout: object, lengths: tuple[int, ...]) -> Windows:
    videos = [
        Video(f"TS{i}", f"TS{i}", np.zeros((n, 17, 2), "f4"), np.zeros((n, 17, 3), "f4"))
        for i, n in enumerate(lengths)
    ]
    return Windows(videos, 1, layout)


def test_3dhp_counts_14_joints_and_all_frames_alike() -> None:
    """mpii_get_pck_auc_joint_groups.m: joints 1 to 14 of 17, from one; the root is number 15."""
    windows = _windows(mpi_inf_3dhp.LAYOUT, (1, 3))
    truth = np.zeros((4, 17, 3), "f4")
    predicted = truth.copy()
    predicted[0, :7, 0] = 0.2  # 7 of the 14 wrong in the only frame of the first sequence
    predicted[:, 14:, 0] = 9.0  # not counted
    table = by_action(predicted, truth, np.arange(4), windows)
    assert table["TS0"]["pck"] == 0.5
    assert table["TS1"]["pck"] == 1.0
    assert table["average"]["pck"] == pytest.approx(1 - 7 / 56)
    # 30 of 31 thresholds: a distance of 0 is not below 0
    assert table["average"]["auc"] == pytest.approx((1 - 7 / 56) * 30 / 31)
    assert table["average"]["mpjpe_mm"] == pytest.approx(1000 * (7 * 0.2 + 4 * 3 * 9) / (4 * 17), rel=1e-5)


def test_the_root_is_no_correct_joint() -> None:
    windows = _windows(H36M, (1,))
    predicted = np.zeros((1, 17, 3), "f4")
    predicted[:, 1:] = 1.0
    assert by_action(predicted, np.zeros((1, 17, 3), "f4"), np.arange(1), windows)["average"]["pck"] == 0


def test_windows_of_every_second_frame() -> None:
    keypoints = np.arange(10, dtype="f4")[:, None, None] * np.ones((1, 17, 2), "f4")
    video = Video("v", "a", keypoints, np.zeros((10, 17, 3), "f4"))
    windows = Windows([video], 5, H36M, step=2)
    assert windows[[5]]["keypoints"][0, :, 0, 0].tolist() == [1, 3, 5, 7, 9]
    assert windows[[1]]["keypoints"][0, :, 0, 0].tolist() == [0, 0, 1, 3, 5]
    with pytest.raises(InputError, match="step: 0"):
        Windows([video], 5, H36M, step=0)
    nothing = replace(video, valid=np.zeros(10, bool))
    with pytest.raises(InputError, match="1 videos such as v: no frame is marked as valid"):
        Windows([nothing], 5, H36M)


@pytest.mark.parametrize(
    ("name", "frames", "step", "hidden_frames", "hidden_joints", "rate"),
    [
        ("table_2/pstmo", 243, 2, 0.8, 2, 0.0007),
        ("table_3/pstmo", 243, 2, 0.8, 7, 0.001),
        ("table_4/pstmo", 81, 1, 0.7, 2, 0.0007),
        ("pstmo/in_the_wild", 243, 2, 0.8, 2, 0.0007),
    ],
)
def test_pstmo_rows_follow_its_readme(
    name: str, frames: int, step: int, hidden_frames: float, hidden_joints: int, rate: float
) -> None:
    """paTRICK-swk/P-STMO, README ("Training from scratch"), common/opt.py, run.py, run_3dhp.py."""
    tuned = load_config(name)
    start = tuned["model"]["init_args"]["weights"]
    before = load_config(start.removeprefix("runs/"))
    assert before["out"] == start
    for config, first in ((tuned, rate), (before, 0.0001)):
        arguments = config["model"]["init_args"]
        assert arguments["options"] == {"frames": frames, "layers": 3}
        assert arguments["optimizer"] == {
            "class_path": "torch.optim.Adam",
            "init_args": {"lr": first, "amsgrad": True},
        }
        assert arguments["scheduler"]["init_args"] == {"gamma": 0.97}
        assert config["data"]["init_args"].get("step", 1) == step
        assert config["data"]["init_args"]["batch"] == 160
        assert config["trainer"]["max_epochs"] == 79
    assert before["model"]["init_args"]["frame_ratio"] == hidden_frames
    assert before["model"]["init_args"]["joints_per_frame"] == hidden_joints


def test_hrnet_sees_black_outside_the_photo() -> None:
    settings = build("hrnet", width=16, blocks=1, modules=(1, 1, 1)).settings
    spec = KeypointSpec(ImageInput(**settings["input"]), settings["codec"])
    photo = Photo("p", cv2.imencode(".png", np.full((40, 30, 3), 200, np.uint8))[1].tobytes())
    nothing = np.zeros((0, 2), np.float32)
    box = np.float32([0, 0, 30, 40])
    person = Person(photo, box, np.zeros((17, 3), "f4"), 1.0, np.ones(17, bool), nothing, 1, 1, "test")
    out = np.empty((3, spec.input.height, spec.input.width), np.float32)
    cut(person, Crop(np.array([[1.0, 0, 100], [0, 1, 0]])), spec.input, out)
    black = -np.array(spec.input.mean) / np.array(spec.input.std)
    np.testing.assert_allclose(out[:, 5, 50], black, rtol=1e-5)


def test_sixteen_joints_of_stacked_hourglass(tmp_path: Path) -> None:
    """VideoPose3D's ``sh`` files have MPII's joints in MPII's order; P-STMO leaves joint 9 out in 3D, too."""
    write_motion(tmp_path, frames=6)
    with np.load(tmp_path / "data_2d_h36m_gt.npz", allow_pickle=True) as file:
        seen = file["positions_2d"].item()
    mpii = [_NAMES_H36M.index(name) for name in _NAMES_MPII]
    short = {s: {a: [v[:, mpii] for v in w] for a, w in x.items()} for s, x in seen.items()}
    metadata = {"num_joints": 16, "keypoints_symmetry": [[3, 4, 5, 13, 14, 15], [0, 1, 2, 10, 11, 12]]}
    np.savez(
        tmp_path / "data_2d_h36m_sh_ft_h36m.npz",
        positions_2d=np.array(short, dtype=object),
        metadata=np.array(metadata, dtype=object),
    )
    whole = Human36M(tmp_path, keypoints="gt").videos("test")[0]
    video = Human36M(tmp_path, keypoints="sh_ft_h36m").videos("test")[0]
    np.testing.assert_array_equal(video.keypoints, np.delete(whole.keypoints, 9, 1))
    np.testing.assert_array_equal(video.joints, np.delete(whole.joints, 9, 1))
    assert H36M_NO_NOSE.joints_flip.tolist() == [0, 4, 5, 6, 1, 2, 3, 7, 8, 9, 13, 14, 15, 10, 11, 12]

    config = load_config("table_5/hourglass")
    options = config["model"]["init_args"]["options"]
    assert build("poseformer", **options).network.joints == 16
    small = lifter_config(tmp_path, tmp_path / "run")
    small["model"]["init_args"]["options"]["joints"] = 16
    small["data"]["init_args"]["keypoints"] = "sh_ft_h36m"
    cli = command(small, tmp_path / "c.yaml", "--trainer.max_epochs=1")
    assert "val/mpjpe_mm" in cli.trainer.callback_metrics
    small["model"]["init_args"]["options"].pop("joints")
    with pytest.raises(InputError, match="takes 17 joints, S1 Directions camera 0 has 16; set joints: 16"):
        command(small, tmp_path / "c.yaml", f"--out={tmp_path}/again")


def test_the_best_checkpoint_of_a_run(tmp_path: Path) -> None:
    write_motion(tmp_path / "data", frames=12)
    config = lifter_config(tmp_path / "data", tmp_path / "run")
    config["model"]["init_args"]["optimizer"]["init_args"]["lr"] = 0.5  # soon worse than at the start
    config["checkpoint"]["save_top_k"] = 1
    cli = command(config, tmp_path / "c.yaml", "--trainer.max_epochs=3")
    best = best_checkpoint(tmp_path / "run")
    assert best.name == Path(cli.trainer.checkpoint_callback.best_model_path).name
    assert all(torch.equal(v, network_state(best)[k]) for k, v in network_state(tmp_path / "run").items())
    moved = (tmp_path / "run").rename(tmp_path / "moved")  # the file holds the old path
    assert best_checkpoint(moved).parent == moved / "checkpoints"
    assert weights(cli)
    best_checkpoint(moved).unlink()
    with pytest.raises(ModelError, match="the best checkpoint of the run is gone"):
        best_checkpoint(moved)
    with pytest.raises(ModelError, match=r"no checkpoints/last\.ckpt; expected the folder of a run"):
        best_checkpoint(tmp_path)


def test_every_configuration_starts_from_a_run_that_is_configured() -> None:
    outs = {yaml.safe_load(p.read_text())["out"] for p in CONFIGS.rglob("*.yaml")}
    starts = [
        yaml.safe_load(p.read_text())["model"]["init_args"].get("weights") for p in CONFIGS.rglob("*.yaml")
    ]
    published = {
        f"runs/starter/{name}.pt" for name in ("thunder", "rtmdet_nano", "lifter")
    }  # made by `python -m train published`
    assert {s for s in starts if s and s.startswith("runs/")} <= outs | published


def test_a_lifter_trained_on_3dhp_is_exported_in_the_order_of_h36m(tmp_path: Path) -> None:
    """Joint by joint: the network that gives back its input's x must do so whatever the order."""
    assert [_NAMES_3DHP[i] for i in mpi_inf_3dhp.H36M_ORDER] == _NAMES_H36M
    entry = build("poseformer", frames=3, width=8, depth=1, heads=2)
    entry = replace(entry, settings={**entry.settings, "input_joints": mpi_inf_3dhp.JOINT_SET})
    settings = manifest_entry(entry, tmp_path / "x.onnx", licence="", source="")["lifter"]
    assert settings["input_joints"] == "h36m17"
    order = list(mpi_inf_3dhp.H36M_ORDER)
    keypoints = torch.randn(2, 3, 17, 2)
    with torch.no_grad():
        own = entry.network.eval()(keypoints)
        assert torch.equal(Deployed(entry)(keypoints[:, :, order]), own[:, :, order])


def test_a_lifter_of_sixteen_joints_is_not_exported(tmp_path: Path) -> None:
    entry = build("poseformer", frames=3, width=8, depth=1, heads=2, joints=16)
    with pytest.raises(ModelError, match="a network of 16 joints cannot be exported: the station lifts 17"):
        export(entry, tmp_path / "x.onnx", licence="", source="")


def test_an_emotion_network_says_which_encodings_it_was_trained_with(tmp_path: Path) -> None:
    for fusion, expected in (("cross", ("clip-vit-b16", 5.0)), ("pose", (None, None))):
        data = EmotionVideos(tmp_path, context="clip-vit-b16", context_rate_hz=5.0)
        task = Fusion(options={"fusion": fusion, "width": 8, "depth": 1, "heads": 2})
        settings = task.describe(data.fixed_settings).settings
        assert (settings.get("context_model"), settings.get("context_rate_hz")) == expected
