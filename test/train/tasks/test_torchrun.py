"""Several processes by torchrun on one machine, gloo between them; one is killed, and they go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from train.tasks.callbacks import read_logs

from .runs import lifter_config, write_motion

ROOT = Path(__file__).resolve().parents[3]
EPOCHS = 12
PATIENCE_S = 280.0


@pytest.fixture(scope="module")
def motion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("h36m")
    write_motion(folder)
    return folder


def configured(motion: Path, out: Path, *, processes: int) -> Path:
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
    path = out.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(config))
    return path


def worker(run_of: int, rank: int) -> int | None:
    """Process number of a rank of a torchrun."""
    for entry in Path("/proc").iterdir():
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == run_of and f"RANK={rank}\0" in "\0" + (entry / "environ").read_text():
                return int(entry.name)
        except (OSError, ValueError, IndexError):
            continue
    return None


@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get("POSEMO_TORCHRUN"),
    reason="takes minutes and depends on when a process dies; POSEMO_TORCHRUN=1 runs it",
)
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds the process to kill in /proc")
def test_two_processes_of_which_one_is_killed_learn_what_one_learns(motion: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    alone = [sys.executable, "-m", "train", "fit", "--config"]
    config = configured(motion, tmp_path / "one", processes=1)
    subprocess.run([*alone, str(config)], cwd=ROOT, env=environment, check=True, timeout=PATIENCE_S)

    config = configured(motion, tmp_path / "two", processes=2)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [
        *torchrun,
        "--max-restarts=1",
        "-m",
        "train",
        "fit",
        "--config",
        str(config),
        "--ckpt_path=last",
    ]
    with (tmp_path / "log").open("w") as log:
        run = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not (tmp_path / "two/checkpoints/last.ckpt").exists():
            assert run.poll() is None, (tmp_path / "log").read_text()[-3000:]
            assert time.monotonic() < deadline, "no checkpoint yet"
            time.sleep(0.02)
        killed = worker(run.pid, rank=1)
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        assert run.wait(timeout=PATIENCE_S) == 0, (tmp_path / "log").read_text()[-3000:]
    finally:
        run.kill()
        run.wait()

    said = (tmp_path / "log").read_text()
    assert "Restoring states from the checkpoint" in said  # begun anew by torchrun, where it stopped
    states = [
        torch.load(tmp_path / name / "checkpoints/last.ckpt", weights_only=True) for name in ("one", "two")
    ]
    assert states[0]["global_step"] == states[1]["global_step"]
    for key, value in states[0]["state_dict"].items():
        torch.testing.assert_close(value, states[1]["state_dict"][key], atol=5e-5, rtol=1e-3)
    scores = [read_logs(tmp_path / name)["val/mpjpe_mm"] for name in ("one", "two")]
    np.testing.assert_allclose(scores[0][-1], scores[1][-1], rtol=1e-3)
