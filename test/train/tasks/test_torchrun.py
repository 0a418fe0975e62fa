"""Several processes by torchrun on one machine, gloo between them; one is killed, and they go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from train.tasks.callbacks import read_logs

from .runs import command, lifter_config, write_motion

ROOT = Path(__file__).resolve().parents[3]
EPOCHS, DIES_IN = 4, 2
DIES = f"""
import os, signal
from lightning.pytorch.callbacks import Callback

class Dies(Callback):
    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if trainer.global_rank == 1 and trainer.current_epoch == {DIES_IN} and batch_idx == 1:
            os.kill(os.getpid(), signal.SIGKILL)
"""


def configured(motion: Path, out: Path, *, processes: int) -> dict[str, object]:
    """A run whose total batch is 64, whatever the number of processes."""
    config = lifter_config(motion, out)
    config["model"]["init_args"]["options"]["drop_path"] = 0.0  # each process draws its own paths
    # Not Adam: the bias of the keys has no gradient but rounding, which Adam blows up.
    optimizer = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1, "momentum": 0.9}}
    config["model"]["init_args"]["optimizer"] = optimizer
    config["data"]["init_args"]["batch"] = 64 // processes
    config["trainer"] |= {"max_epochs": EPOCHS}
    if processes > 1:
        config["trainer"] |= {"devices": processes, "strategy": "ddp"}
    return config


def torchrun(config: Path, modules: Path) -> tuple[int, str]:
    """Exit code and output of two processes that go on where a checkpoint is."""
    words = ["torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "train", "fit"]
    done = subprocess.run(
        [sys.executable, "-m", *words, "--config", str(config), "--ckpt_path=last"],
        cwd=ROOT,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "GLOO_SOCKET_IFNAME": "lo",
            "PYTHONPATH": os.pathsep.join([str(modules), os.environ.get("PYTHONPATH", "")]),
        },
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=900,
    )
    return done.returncode, done.stdout


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="names Linux' loopback device")
def test_two_processes_of_which_one_is_killed_learn_what_one_learns(tmp_path: Path) -> None:
    motion = tmp_path / "h36m"
    write_motion(motion)
    command(configured(motion, tmp_path / "one", processes=1), tmp_path / "one.yaml")

    config = configured(motion, tmp_path / "two", processes=2)
    (tmp_path / "two.yaml").write_text(yaml.safe_dump(config))
    config["trainer"] |= {"callbacks": [{"class_path": "dying.Dies"}]}  # type: ignore[operator]
    (tmp_path / "dying.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "dying.py").write_text(DIES)

    code, said = torchrun(tmp_path / "dying.yaml", tmp_path)
    assert code == 1, said[-3000:]
    assert f"Signal {signal.SIGKILL}" in said
    last = tmp_path / "two" / "checkpoints" / "last.ckpt"
    per_epoch, rest = divmod(torch.load(last, weights_only=True)["global_step"], DIES_IN)
    assert (per_epoch > 1, rest) == (True, 0)  # two whole epochs; the third is lost

    code, said = torchrun(tmp_path / "two.yaml", tmp_path)
    assert code == 0, said[-3000:]
    assert said.count("Restoring states from the checkpoint") == 1  # it goes on, and says so once
    states = [
        torch.load(tmp_path / name / "checkpoints/last.ckpt", weights_only=True) for name in ("one", "two")
    ]
    assert states[0]["global_step"] == states[1]["global_step"] == EPOCHS * per_epoch
    for key, value in states[0]["state_dict"].items():
        torch.testing.assert_close(value, states[1]["state_dict"][key], atol=5e-5, rtol=1e-3)
    scores = [read_logs(tmp_path / name)["val/mpjpe_mm"] for name in ("one", "two")]
    np.testing.assert_allclose(scores[0][-1], scores[1][-1], rtol=1e-3)
