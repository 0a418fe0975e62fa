"""The suite is collected where ROS has installed its pytest plugins, which break other people's tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# As launch_testing of Jazzy: an argument that pytest 9 no longer knows, and an import of every file.
REFUSED = """
def pytest_pycollect_makemodule(path, parent):
    raise ImportError("attempted relative import with no known parent package")
"""
BREAKS = """
def pytest_pycollect_makemodule(module_path, parent):
    raise ImportError("attempted relative import with no known parent package")
"""
NAMES = ("launch_testing", "launch_ros", "launch_pytest")


@pytest.mark.parametrize("code", [REFUSED, BREAKS], ids=["refused by pytest 9", "imports every file"])
def test_collection_beside_the_plugins_of_ros(tmp_path: Path, code: str):
    for name in NAMES:
        (tmp_path / f"stand_in_{name}.py").write_text(code)
        info = tmp_path / f"stand_in_{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: stand-in-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[pytest11]\n{name} = stand_in_{name}\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "test/nodes/test_worker.py", "test/cli"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_worker.py" in done.stdout
