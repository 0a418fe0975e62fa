"""Runs repeat, go on exactly where they stopped, and leave what they promise."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from posemo_ros.errors import InputError, ModelError
from posemo_ros.inference.manifest import LiftSpec, load_manifest
from train.cards import read_figures
from train.show import write_page
from train.tasks.callbacks import Ema, read_logs
from train.tasks.checkpoint import best_checkpoint, network_state, start_from
from train.tasks.cli import read_run
from train.tasks.run_folder import claimed

from .runs import (
    acted,
    command,
    fusion_config,
    give_clips,
    keypoints_config,
    killed_and_whole,
    lifter_config,
    trainer,
    weights,
    write_motion,
    write_photos,
)

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def motion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("h36m")
    write_motion(folder)
    return folder


def test_interrupted_and_resumed_is_uninterrupted(motion: Path, tmp_path: Path, pictures: None) -> None:
    """Dropped paths, flips, order, optimiser, learning rate and averaged weights all go on."""
    whole = command(lifter_config(motion, tmp_path / "whole"), tmp_path / "w.yaml", "--trainer.max_epochs=4")
    command(lifter_config(motion, tmp_path / "parts"), tmp_path / "p.yaml", "--trainer.max_epochs=2")
    last = tmp_path / "parts/checkpoints/last.ckpt"
    resumed = command(
        lifter_config(motion, tmp_path / "parts"),
        tmp_path / "p.yaml",
        "--trainer.max_epochs=4",
        f"--ckpt_path={last}",
    )
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(resumed)[name]), name
    a, b = (
        torch.load(tmp_path / run / "checkpoints/last.ckpt", weights_only=True) for run in ("whole", "parts")
    )
    assert a["global_step"] == b["global_step"] > 10
    assert a["lr_schedulers"][0]["_last_lr"] == b["lr_schedulers"][0]["_last_lr"]
    for key in ("state_dict", "current_model_state"):
        assert all(torch.equal(a[key][k], b[key][k]) for k in a[key])
    for number, state in a["optimizer_states"][0]["state"].items():
        assert torch.equal(state["exp_avg"], b["optimizer_states"][0]["state"][number]["exp_avg"])
    # and the log of the whole run is the log of its parts
    one, two = read_logs(tmp_path / "whole"), read_logs(tmp_path / "parts")
    assert one.keys() == two.keys()
    assert one["val/mpjpe_mm"] == two["val/mpjpe_mm"]
    assert one["train/loss_epoch"] == two["train/loss_epoch"]
    assert (tmp_path / "parts" / "curves.png").stat().st_size > 2000


@pytest.mark.parametrize("task", ["keypoints", "fusion"])
def test_a_run_killed_in_the_middle_of_an_epoch_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    """Also with batch norm and turned crops (HRNet), and dropout, windows and hidden joints (MoEmoX)."""
    if task == "keypoints":
        write_photos(tmp_path)
        config = keypoints_config(tmp_path, tmp_path / "whole")
        config["data"]["init_args"] |= {"recipe": {}, "batch": 2}
    else:
        give_clips(monkeypatch, tmp_path, acted)
        config = fusion_config(tmp_path, tmp_path / "whole", calibrate=True)
        config["model"]["init_args"]["options"]["dropout"] = 0.2
        config["data"]["init_args"] |= {"hidden": {"joints": 0.2, "frames": 0.2}, "batch": 6}
    config["trainer"] = trainer(6, 1)  # of two steps an epoch
    one, two = killed_and_whole(config, tmp_path, steps=3)
    assert one["global_step"] == two["global_step"] == 6
    assert one["manifest"] == two["manifest"]
    logs = [
        {n: v for n, v in read_logs(tmp_path / name).items() if "epoch" not in n}
        for name in ("whole", "parts")
    ]
    assert logs[0] == logs[1]


def test_the_last_checkpoint_is_the_last(motion: Path, tmp_path: Path, undrawn: None) -> None:
    """And the best is known, when a run is moved, goes on from an earlier state, or is begun again."""

    def fit(name: str, epochs: int, *more: str) -> dict[str, Any]:
        config = lifter_config(motion, tmp_path / name)
        command(config, tmp_path / "c.yaml", f"--trainer.max_epochs={epochs}", *more)
        return torch.load(tmp_path / name / "checkpoints/last.ckpt", weights_only=True)

    fit("run", 2)
    with pytest.raises(InputError, match=r"run holds a run; go on with it \(--ckpt_path last\), remove it"):
        fit("run", 2, "--seed_everything=5")
    (tmp_path / "run").rename(tmp_path / "moved")
    (state,) = (s for n, s in fit("moved", 3, "--ckpt_path=last")["callbacks"].items() if "Checkpoint" in n)
    assert len(state["best_k_models"]) == 3
    assert all(Path(path).is_file() for path in [*state["best_k_models"], state["best_model_path"]])
    first = next((tmp_path / "moved/checkpoints").glob("000-*"))
    assert fit("moved", 4, f"--ckpt_path={first}")["epoch"] == 3
    last = tmp_path / "moved/checkpoints/last.ckpt"
    assert list(last.parent.glob("last*")) == [last]
    last.with_name("last-v1.ckpt").touch()
    with pytest.raises(ModelError, match=r"of several trainings \(last.ckpt, last-v1.ckpt, as older"):
        best_checkpoint(tmp_path / "moved")


@pytest.mark.parametrize("share", [0.0, 0.005, 0.5])
def test_a_checkpoint_that_was_cut_off_is_named(motion: Path, tmp_path: Path, share: float) -> None:
    """As a full disk leaves it: to go on with, by its name or as the last, and to test."""
    config, path = lifter_config(motion, tmp_path / "run"), tmp_path / "c.yaml"
    command(config, path, "--trainer.max_epochs=1")
    last = tmp_path / "run/checkpoints/last.ckpt"
    last.write_bytes(last.read_bytes()[: int(share * last.stat().st_size)])
    with pytest.raises(ModelError, match=r"last.ckpt: the file is damaged, or not whole"):
        network_state(last)
    for name, given in (("fit", "last"), ("fit", str(last)), ("test", str(last))):
        with pytest.raises(ModelError, match="--ckpt_path: the file is damaged, or not whole; expected"):
            command(config, path, f"--ckpt_path={given}", name=name)


def test_two_trainings_do_not_share_a_folder(motion: Path, tmp_path: Path) -> None:
    with claimed(tmp_path / "run"), pytest.raises(InputError, match="another process works in"):
        command(lifter_config(motion, tmp_path / "run"), tmp_path / "c.yaml")
    command(lifter_config(motion, tmp_path / "run"), tmp_path / "c.yaml", "--trainer.max_epochs=1")


def test_seeds(motion: Path, tmp_path: Path) -> None:
    first, again, other = (
        weights(
            command(
                lifter_config(motion, tmp_path / name),
                tmp_path / f"{name}.yaml",
                "--trainer.max_epochs=1",
                f"--seed_everything={seed}",
            )
        )
        for name, seed in (("a", 5), ("b", 5), ("c", 6))
    )
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert not all(torch.equal(first[k], other[k]) for k in first)


def test_a_run_leaves_the_best_and_is_tested_predicted_and_exported(motion: Path, tmp_path: Path) -> None:
    config = lifter_config(motion, tmp_path / "run")
    config["trainer"] |= {"precision": "bf16-mixed", "gradient_clip_val": 1.0}
    config["checkpoint"]["save_top_k"] = 2
    command(config, tmp_path / "c.yaml", "--trainer.max_epochs=4")
    best = sorted(p.name for p in (tmp_path / "run/checkpoints").glob("0*.ckpt"))
    curve = dict(read_logs(tmp_path / "run")["val/mpjpe_mm"])
    order = np.argsort(list(curve.values()))[:2]
    assert [name.split("-")[0] for name in best] == sorted(f"{i:03d}" for i in order)
    assert list((tmp_path / "run/tensorboard").rglob("events*"))

    last = tmp_path / "run/checkpoints/last.ckpt"
    config["trainer"].pop("precision")
    cli = command(config, tmp_path / "c.yaml", f"--ckpt_path={last}", name="test")
    result = json.loads((tmp_path / "run/test.json").read_text())
    rows = result["per_action"]
    assert set(rows) == {"Directions", "Walking", "average"}
    mean = (rows["Directions"]["mpjpe_mm"] + rows["Walking"]["mpjpe_mm"]) / 2
    assert rows["average"]["mpjpe_mm"] == pytest.approx(mean)
    assert result["samples"] == 2 * 2 * 4 * 40
    assert result["data"] == "Human36M gt"  # true keypoints or found ones: another table of the paper

    command(config, tmp_path / "c.yaml", f"--ckpt_path={last}", name="predict")
    with np.load(tmp_path / "run/predictions.npz") as file:
        predicted, index = file["joints"], file["index"]
    assert index.tolist() == list(range(640))
    windows = cli.datamodule.datasets["test"]
    error = 1000 * np.linalg.norm(predicted - windows.joints[windows.centres], axis=-1).mean(1)
    actions = np.array([v.action for v in windows.videos])[windows.video_of]
    by_hand = np.mean([error[actions == a].mean() for a in ("Directions", "Walking")])
    assert rows["average"]["mpjpe_mm"] == pytest.approx(by_hand, rel=1e-4)

    from train.__main__ import main

    out = tmp_path / "onnx/lifter.onnx"
    assert (
        main(["export", "--config", str(tmp_path / "c.yaml"), "--weights", str(last), "--out", str(out)]) == 0
    )
    spec = load_manifest(out.with_suffix(".yaml"))["lifter"].spec
    assert spec == LiftSpec(3, "h36m17", "screen", channels=2, rate_hz=50.0, flip_test=True)
    assert read_figures(out.with_suffix(".md"))["test"] == result
    import onnxruntime

    session = onnxruntime.InferenceSession(str(out))
    inputs = windows[[3, 4]]["keypoints"]
    cli.model.flip_test = False
    with torch.no_grad():
        expected = cli.model.eval().answer(torch.from_numpy(inputs)).numpy()
    poses = session.run(None, {"keypoints": inputs})[0][:, 0]
    np.testing.assert_allclose(poses - poses[:, :1], expected, atol=1e-5)


def test_early_stopping(motion: Path, tmp_path: Path) -> None:
    config = lifter_config(motion, tmp_path / "run")
    config["early_stopping"] = {"patience": 1, "min_delta": 1e6}
    cli = command(config, tmp_path / "c.yaml", "--trainer.max_epochs=9")
    assert cli.trainer.current_epoch == 2


def test_a_log_has_a_line_per_validation_and_no_bar(
    motion: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bar that is written into a file is a line per step."""
    config = lifter_config(motion, tmp_path / "run")
    del config["trainer"]["enable_progress_bar"]
    capsys.readouterr()
    cli = command(config, tmp_path / "c.yaml", "--trainer.max_epochs=2")
    out, err = capsys.readouterr()
    steps = cli.trainer.global_step
    lines = [line for line in out.splitlines() if line.startswith("step ")]
    assert [line.split(",")[0] for line in lines] == [f"step {s} of {steps}" for s in (steps // 2, steps)]
    assert "val/mpjpe_mm " in lines[-1]
    assert "it/s" not in out + err


def test_missing_data_stop_the_command_with_a_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from train.__main__ import main

    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(lifter_config(tmp_path / "nowhere", tmp_path / "run")))
    assert main(["fit", "--config", str(path)]) == 1
    message = capsys.readouterr().err
    assert "data_3d_h36m.npz not found" in message
    assert "docs/training.md, 'Human3.6M'" in message
    path.write_text(yaml.safe_dump(lifter_config(tmp_path, tmp_path / "run", weights="nowhere.bin")))
    assert main(["fit", "--config", str(path)]) == 1
    assert "python -m train fit: nowhere.bin not found; expected a checkpoint" in capsys.readouterr().err


def test_wrong_channels_are_explained(motion: Path, tmp_path: Path) -> None:
    config = lifter_config(motion, tmp_path / "run")
    config["model"]["init_args"]["options"]["channels"] = 3
    with pytest.raises(InputError, match="takes 3 numbers per keypoint, .* has 2; set channels: 2"):
        command(config, tmp_path / "c.yaml")


def test_options_that_cannot_be_are_one_line(
    motion: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And so is a checkpoint of another network; the run's own configuration fits it."""
    from train.__main__ import main

    path, run = tmp_path / "c.yaml", tmp_path / "run"
    command(lifter_config(motion, run), path, "--trainer.max_epochs=1")
    last = f"--ckpt_path={run}/checkpoints/last.ckpt"
    capsys.readouterr()
    for words, message in (
        (["fit", "--data.init_args.batch=0"], "batch: 0; expected 1 or more"),
        (["fit", "--data.init_args.eval_batch=0"], "eval_batch: 0; expected 1 or more"),
        (["fit", "--data.init_args.stride=0"], "stride: 0; expected 1 or more"),
        (["fit", "--data.init_args.workers=-1"], "workers: -1; expected 0 or more"),
        (["fit", "--model.init_args.network=foo"], "network: 'foo' is not one of rtmdet_nano, hrnet"),
        (["fit", "--data.init_args.batch=null"], "data.init_args.batch: null; expected int"),
        (["fit", "--data.init_args.val_subjects=null"], "val_subjects: null; expected tuple[str, ...]"),
        (["fit", "--model.init_args.may_miss=null"], "model.init_args.may_miss: null; expected"),
        (["fit", "--model.init_args.optimizer=null"], "model.init_args.optimizer: null; expected"),
        (["fit", "--model.init_args.settings={frames: 9}"], "frames: 9, but the network was made for 3"),
        (["fit", "--trainer.max_epochs=-3"], "`max_epochs` must be a non-negative integer"),
        (["test", last, "--model.init_args.options.width=16"], "the checkpoint is of another network than"),
        (
            ["test", last, "--model.init_args.options.sam=none"],
            "such as network.Spatial_blocks.0",
        ),
    ):
        assert main([words[0], "--config", str(path), *words[1:]]) == 1
        said = capsys.readouterr().err.strip().splitlines()[-1]
        assert message in said
        assert "Traceback" not in said
    saved = next(run.glob("csv/version_0/config.yaml"))
    assert main(["test", "--config", str(saved), last]) == 0


def test_averaged_weights() -> None:
    average = Ema(0.9)._kwargs["avg_fn"]
    mean, current = torch.tensor(1.0), torch.tensor(2.0)
    assert average(mean, current, torch.tensor(1000)) == pytest.approx(1.1)
    assert average(mean, current, torch.tensor(1)) == pytest.approx(2 / 11 * 1 + 9 / 11 * 2)


def test_averaged_buffers_of_indices_stay_what_they_are() -> None:
    """Which joints a network reads is an integer buffer; as a mean it named other joints."""
    from train.models.zoo import build

    network = build("moemo_x", fusion="pose", frames=4, joints="ends", width=8, depth=1, heads=2).network
    average = Ema(0.998)
    averaged = torch.optim.swa_utils.AveragedModel(network, use_buffers=True, **average._kwargs)
    for _ in range(200):
        averaged.update_parameters(network)
    assert torch.equal(averaged.module.movement.subset, network.movement.subset)


def test_pretraining_feeds_the_lifter(motion: Path, tmp_path: Path) -> None:
    options = {"frames": 9, "layers": 2, "width": 32, "hidden": 64, "heads": 4}
    config = lifter_config(motion, tmp_path / "pre")
    config["model"] = {
        "class_path": "train.tasks.lifter.LifterPretraining",
        "init_args": {
            "options": options,
            "optimizer": {"class_path": "torch.optim.Adam", "init_args": {"lr": 1e-3}},
        },
    }
    config["checkpoint"] = {"monitor": "val/loss"}
    command(config, tmp_path / "pre.yaml", "--trainer.max_epochs=3")
    losses = [v for _, v in read_logs(tmp_path / "pre")["val/loss"]]
    assert losses[-1] < losses[0]
    last = tmp_path / "pre/checkpoints/last.ckpt"
    fine = lifter_config(
        motion,
        tmp_path / "fine",
        network="pstmo",
        options=options,
        weights=str(last),
        may_miss=["Transformer_reduce.*", "fcn*"],
        may_have=[
            "encoder_LN.*",
            "encoder_to_decoder.*",
            "Transformer_dec.*",
            "fcn_dec.*",
            "*token",
            "dec_pos*",
        ],
    )
    path = tmp_path / "fine.yaml"
    path.write_text(yaml.safe_dump(fine))
    entry, _ = read_run(path)
    arguments = fine["model"]["init_args"]
    start_from(entry.network, last, may_miss=arguments["may_miss"], may_have=arguments["may_have"])
    pretrained = network_state(last)
    assert torch.equal(entry.network.state_dict()["encoder.fc_1.weight"], pretrained["encoder.fc_1.weight"])
    command(fine, path, "--trainer.max_epochs=1")

    from train.__main__ import main

    page = write_page(tmp_path / "pre").read_text()
    assert "pre-training has nothing to answer: fine-tune" in page
    assert "Not tested" not in page  # it cannot be
    last.unlink()  # a run needs what it began with no longer
    ended = f"--ckpt_path={tmp_path}/fine/checkpoints/last.ckpt"
    assert main(["test", "--config", str(path), ended]) == 0
    with pytest.raises(InputError, match="No `test_step"):
        command(config, tmp_path / "pre.yaml", name="test")


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(motion: Path, tmp_path: Path) -> None:
    """DDP over two CPU processes with half the batch each gives the weights of one process."""
    configs = {}
    for name, devices, batch in (("one", 1, 64), ("two", 2, 32)):
        configs[name] = config = lifter_config(motion, tmp_path / name)
        options = config["model"]["init_args"]["options"]
        options |= {"drop_path": 0.0}  # each process draws its own paths
        # Not Adam: the bias of the keys has no gradient but rounding, which Adam blows up.
        optimizer = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1, "momentum": 0.9}}
        config["model"]["init_args"]["optimizer"] = optimizer
        config["data"]["init_args"]["batch"] = batch
        config["trainer"] |= {"devices": devices, "strategy": "ddp" if devices == 2 else "auto"}
    command(configs["one"], tmp_path / "one.yaml")
    path = tmp_path / "two.yaml"
    path.write_text(yaml.safe_dump(configs["two"]))
    done = subprocess.run(
        [sys.executable, "-m", "train", "fit", "--config", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    results = [
        (torch.load(tmp_path / name / "checkpoints/last.ckpt", weights_only=True), read_logs(tmp_path / name))
        for name in configs
    ]
    (one, log_one), (two, log_two) = results
    assert one["global_step"] == two["global_step"]
    for key in one["state_dict"]:
        torch.testing.assert_close(one["state_dict"][key], two["state_dict"][key], atol=2e-5, rtol=1e-4)
    np.testing.assert_allclose(log_one["val/mpjpe_mm"], log_two["val/mpjpe_mm"], rtol=1e-4)


def test_loading_speed_is_measured(motion: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from train.__main__ import main

    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(lifter_config(motion, tmp_path / "run")))
    assert main(["loading", "--config", str(path), "--batches", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0].split(" on ")[0] for line in lines] == ["data set", "loader", "training steps"]
    assert all(float(line.split()[-2]) > 0 for line in lines)
