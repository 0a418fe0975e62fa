"""Killed at any moment, the same command goes on to the same bytes: with the shipped networks."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from posemo_ros.replay.journal import _intact
from posemo_ros.replay.run_folder import JOURNAL

from .makers import beginning
from .test_run import same

IMAGES = 20


def start(words: list[str], out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "posemo_ros.cli", "run", *words, "--out", str(out), "--threads", "1"]
    return subprocess.Popen(
        command, env={**os.environ, "POSEMO_RUNTIME": "onnxruntime"}, stdout=subprocess.DEVNULL
    )


def kill_when(process: subprocess.Popen[bytes], journal: Path, images: int) -> bool:
    """After so many images; whether it came to that."""
    end = time.monotonic() + 600
    while time.monotonic() < end and process.poll() is None:
        if journal.exists() and _intact(journal)[0] >= images:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return True
        time.sleep(0.002)
    return False


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_several_sources_killed_at_random(tmp_path: Path) -> None:
    words = [str(beginning(tmp_path / f"{name}.mp4", IMAGES)) for name in "ab"]
    assert start([*words, "--no-films"], tmp_path / "whole").wait() == 0
    chance = random.Random(11)
    killed = 0
    for source in ("a", "b", "b"):
        journal = tmp_path / "hurt" / source / JOURNAL
        killed += kill_when(start(words, tmp_path / "hurt"), journal, chance.randint(1, IMAGES - 1))
    assert killed == 3
    assert start(words, tmp_path / "hurt").wait() == 0
    for source in ("a", "b"):
        assert same(tmp_path / "whole" / source, tmp_path / "hurt" / source)
        assert (tmp_path / "hurt" / source / "report.html").exists()
