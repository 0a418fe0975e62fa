"""Every script of ``tools/`` says what it does, and what is wrong with its options."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .loading import TOOLS

SCRIPTS = [p for p in sorted(TOOLS.glob("*.py")) if "__main__" in p.read_text(encoding="utf-8")]
NEED_ROS = ("rclpy", "posemo_ros.nodes")


@pytest.mark.slow
@pytest.mark.parametrize("word", ["--help", "--no-such-option"])
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_answers_without_a_traceback(tmp_path: Path, script: Path, word: str) -> None:
    if any(f"import {name}" in (text := script.read_text()) or f"from {name}" in text for name in NEED_ROS):
        pytest.importorskip("rclpy", reason="needs ROS 2 (make test brings it)")
    done = subprocess.run(
        [sys.executable, str(script), word],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == (0 if word == "--help" else 2), done.stderr
    assert "usage:" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*.*"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("latency", "--rates", "-3"),
        ("latency", "--images", "0"),
        ("scale", "--images", "-5"),
        ("transport", "--seconds", "-1"),
        ("reliability", "no-such-fault"),
        ("fuzz", "bags", "--minutes", "x"),
        ("performance", "nowhere.md"),
        ("figures", "--demo", "nowhere.json"),
    ],
    ids=" ".join,
)
def test_a_value_that_means_nothing_is_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    script = TOOLS / f"{words[0]}.py"
    if any(name in script.read_text() for name in NEED_ROS):
        pytest.importorskip("rclpy", reason="needs ROS 2 (make test brings it)")
    done = subprocess.run(
        [sys.executable, str(script), *words[1:]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
