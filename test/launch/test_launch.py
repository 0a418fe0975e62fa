"""The launch tests, each by ``launch_test`` in a process of its own: see ``pipeline_launch``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("launch_testing", reason="launch_testing is not installed (it comes with ROS)")
pytest.importorskip("launch_ros", reason="launch_ros is not installed (it comes with ROS)")
pytest.importorskip("posemo_msgs", reason="posemo_msgs is not built (make test does it)")

HERE = Path(__file__).resolve().parent
CODE = "import sys; from launch_testing.launch_test import main; sys.exit(main())"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pipeline_launch.py", "respawn_launch.py", "two_cameras_launch.py"])
def test_launch(name: str, domain: int):
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(HERE / name)],
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
