"""A plain ``colcon build`` in a workspace of somebody else: no symlinks, no checkout to fall back on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from .replay.makers import beginning

pytest.importorskip("rosidl_cmake", reason="needs what builds messages (make test brings it)")
if shutil.which("colcon") is None:
    pytest.skip("needs colcon (make test brings it)", allow_module_level=True)

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = ("build", "install", "log", "out", "runs", "dist", "test", "train", "docs", "__pycache__")
CONSUMER = Path(__file__).resolve().parent / "consumer"


def copy_of_the_repository(target: Path) -> None:
    """What a clone has and the build needs."""
    skip = shutil.ignore_patterns(".*", *LEFT_OUT, "*.egg-info")
    shutil.copytree(ROOT, target, ignore=skip, symlinks=True)


def numpy_headers() -> str:
    link = ROOT / "install" / "numpy_headers"  # see bootstrap.link_numpy_headers
    return str(link if link.exists() else Path(pytest.importorskip("numpy").get_include()))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built: this repository and a C++ package whose only dependency of ours is posemo_msgs."""
    folder = tmp_path_factory.mktemp("workspace")
    copy_of_the_repository(folder / "src" / "posemo_ros")
    shutil.copytree(CONSUMER, folder / "src" / "a_consumer")  # in the alphabet before posemo_msgs
    prefixes = [
        p for p in os.environ.get("AMENT_PREFIX_PATH", "").split(":") if p and Path(p) != ROOT / "install"
    ]
    prefixes = [p for p in prefixes if not (Path(p) / "share" / "posemo_msgs").exists()] or [sys.prefix]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment |= dict.fromkeys(("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH"), ":".join(prefixes))
    command = ["colcon", "build", "--cmake-args", f"-DPython3_EXECUTABLE={sys.executable}"]
    command += [
        "-DBUILD_TESTING=OFF",
        f"-DPython3_NumPy_INCLUDE_DIR={numpy_headers()}",
        "--no-warn-unused-cli",
    ]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=1500, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(folder / "src" / "posemo_ros")  # an install stands alone
    return folder


def in_workspace(workspace: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell that has sourced that workspace alone."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "CMAKE_PREFIX_PATH")}
    environment["AMENT_PREFIX_PATH"] = sys.prefix
    script = 'set -e; . install/setup.sh; exec "$@"'
    return subprocess.run(
        ["bash", "-c", script, "bash", *command],
        cwd=workspace,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_whole_works_from_a_plain_install(workspace: Path):
    where = in_workspace(workspace, sys.executable, "-c", "import posemo_ros; print(posemo_ros.__file__)")
    assert where.stdout.startswith(str(workspace / "install")), where.stdout + where.stderr
    assert not [p for p in (workspace / "install").rglob("*") if p.is_symlink() and p.suffix != ".so"]
    posemo = str(workspace / "install" / "posemo_ros" / "lib" / "posemo_ros" / "posemo")
    clip = workspace / "install" / "posemo_ros" / "share" / "posemo_ros" / "demo" / "people.mp4"
    short = beginning(workspace / "short.mp4", 30, clip)
    run = in_workspace(workspace, posemo, "run", str(short), "--out", "run", "--no-films")
    assert run.returncode == 0, run.stdout + run.stderr
    # The recording that the run wrote is a source and can be reported on.
    report = in_workspace(workspace, posemo, "report", "run/results.mcap", "--out", "report")
    assert report.returncode == 0, report.stdout + report.stderr
    frames = json.loads((workspace / "report" / "summary.json").read_text())["frames"]
    assert frames["in"] == frames["out"] > 10


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_pip_command_works_in_the_sourced_workspace(workspace: Path):
    listed = in_workspace(workspace, sys.executable, "-m", "posemo_ros.cli", "models", "list")
    assert listed.returncode == 0, listed.stdout + listed.stderr
    assert "posemo-detector" in listed.stdout
    bench = in_workspace(workspace, sys.executable, "-m", "posemo_ros.cli", "bench", "--help")
    assert bench.returncode == 0, bench.stdout + bench.stderr
    code = "from posemo_ros.replay.typestore import typestore; print(len(typestore().types))"
    types = in_workspace(workspace, sys.executable, "-c", code)
    assert types.returncode == 0, types.stderr


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_consumer_depends_on_the_messages_alone(workspace: Path):
    said = in_workspace(workspace, str(workspace / "install/a_consumer/lib/a_consumer/count_people"))
    assert (said.returncode, said.stdout) == (0, "2 people\n"), said.stderr


def dependencies(path: Path) -> list[tuple[str, str]]:
    return sorted((e.tag, e.text or "") for e in ElementTree.parse(path).getroot() if "depend" in e.tag)


def test_colcon_orders_messages_before_the_package():
    listed = subprocess.run(
        ["colcon", "list", "--topological-order", "--names-only", "--base-paths", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout.split() == ["posemo_msgs", "posemo_ros"]


def test_the_two_manifests_of_the_package_differ_in_the_messages_alone():
    """The one at the top is read by rosdep and release tools, the one in resource/ by colcon."""
    top, inner = dependencies(ROOT / "package.xml"), dependencies(ROOT / "resource" / "package.xml")
    assert sorted([*top, ("depend", "posemo_msgs")]) == inner, "bring the change into both package.xml"
    first, second = (ElementTree.parse(ROOT / p / "package.xml").getroot() for p in (".", "resource"))
    for tag in ("name", "version", "description", "license"):
        assert first.findtext(tag) == second.findtext(tag)
