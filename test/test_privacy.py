"""Nothing is sent anywhere, and a home holds afterwards what the README lists ("What it stores")."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
TEST = ROOT / "test"
EXPORT = """
import torch
from pathlib import Path
import train
from train.export import to_onnx
import lightning
print(to_onnx(torch.nn.Linear(4, 3), {"x": torch.ones(2, 4)}, ["y"], Path("linear.onnx")))
"""
RUNTIMES = ["onnxruntime", "openvino"]
SECCOMP = sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64")
seccomp = pytest.mark.skipif(not SECCOMP, reason="seccomp is Linux's")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home and, beside it, some pictures."""
    for name in ("home", "pictures"):
        (tmp_path / name).mkdir()
    for number in range(3):
        image = np.full((120, 160, 3), 30 * number, np.uint8)
        cv2.imwrite(str(tmp_path / "pictures" / f"{number}.png"), image)
    return tmp_path / "home"


def run(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Python at that home, with nothing in the environment that switches telemetry off."""
    clean = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("XDG_", "ORT_", "HF_", "MPLCONFIG", "TORCH")) and k != "DO_NOT_TRACK"
    }
    clean |= {"HOME": str(home), "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=home.parent,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def needs(runtime: str) -> None:
    if importlib.util.find_spec(runtime) is None:
        pytest.skip(f"{runtime} is not installed")


def chain(runtime: str) -> list[str]:
    return ["-m", "posemo_ros.cli", "run", "pictures", "--rate", "5", "--runtime", runtime, "--out", "out"]


def stored(home: Path) -> set[str]:
    return {str(p.relative_to(home)) for p in home.rglob("*") if p.is_file()}


def listed() -> tuple[str, ...]:
    """The folders and files in the README's table."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("What it stores")[2].partition("\n#")[0]
    return tuple(re.findall(r"^\| `~/([^`]+)`", section, flags=re.MULTILINE))


def unlisted(home: Path) -> set[str]:
    return {name for name in stored(home) if not name.startswith(listed())}


def test_the_readme_lists_something():
    assert listed()
    assert not any(name in ("", ".", ".cache/", ".config/") for name in listed())


@pytest.mark.slow
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_chain_opens_no_socket_and_leaves_only_what_is_listed(home: Path, runtime: str):
    needs(runtime)
    guard = [str(TEST / "no_network.py"), "kill"] if SECCOMP else []
    done = run(home, *guard, *chain(runtime))
    assert done.returncode == 0, done.stderr
    assert not unlisted(home), unlisted(home)


@pytest.mark.slow
def test_choosing_a_runtime_leaves_only_what_is_listed(home: Path, tiny: ModuleType):
    """The networks themselves, with each runtime, are the test above's; here they are tiny ones."""
    manifest = tiny.write_stand_ins(home.parent / "models")
    done = run(home, *chain("auto"), POSEMO_RUNTIME="", POSEMO_MODELS=str(manifest))
    assert done.returncode == 0, done.stderr
    assert importlib.util.find_spec("openvino") is None or any("runtimes.json" in n for n in stored(home))
    assert not unlisted(home), unlisted(home)


@pytest.mark.parametrize("name", RUNTIMES)
def test_importing_a_runtime_beside_the_package_stores_nothing(home: Path, name: str):
    needs(name)
    done = run(home, "-c", f"import posemo_ros, {name}")
    assert done.returncode == 0, done.stderr
    assert not stored(home)


def test_a_runtime_imported_first_is_told_as_well(home: Path):
    needs("onnxruntime")
    code = (
        "import onnxruntime, unittest.mock as m\nwith m.patch('onnxruntime.disable_telemetry_events') as off:"
    )
    done = run(home, "-c", code + "\n    import posemo_ros\n    off.assert_called_once()")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_training_leaves_only_what_is_listed(home: Path):
    for name in ("torch", "onnx", "onnxscript", "lightning"):
        pytest.importorskip(name)
    (home.parent / "export.py").write_text(EXPORT)
    done = run(home, "export.py")
    assert done.returncode == 0, done.stderr
    assert not unlisted(home), unlisted(home)


@seccomp
@pytest.mark.slow
def test_a_file_for_rerun_opens_no_socket_and_leaves_only_what_is_listed(home: Path):
    needs("rerun")
    words = ["live", "pictures", "--rate", "5", "--runtime", "onnxruntime", "--viewer", "rerun"]
    done = run(
        home, str(TEST / "no_network.py"), "kill", "-m", "posemo_ros.cli", *words, "--save", "clip.rrd"
    )
    assert done.returncode == 0, done.stderr
    assert (home.parent / "clip.rrd").stat().st_size > 1000
    assert not unlisted(home), unlisted(home)


@seccomp
@pytest.mark.slow
def test_training_works_without_a_network(home: Path):
    """Its libraries ask for an IPv6 socket at import, to see whether there is one; so it is refused."""
    for name in ("torch", "onnx", "onnxscript", "lightning"):
        pytest.importorskip(name)
    (home.parent / "export.py").write_text(EXPORT)
    done = run(home, str(TEST / "no_network.py"), "refuse", "export.py")
    assert done.returncode == 0, done.stderr


@seccomp
def test_a_socket_of_compiled_code_is_noticed(home: Path):
    (home.parent / "call.py").write_text("import ctypes\nctypes.CDLL(None).socket(2, 2, 0)\n")
    assert run(home, str(TEST / "no_network.py"), "kill", "call.py").returncode == -signal.SIGSYS
    (home.parent / "local.py").write_text("import socket\nsocket.socketpair()\n")
    assert run(home, str(TEST / "no_network.py"), "kill", "local.py").returncode == 0
