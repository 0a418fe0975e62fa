"""Every node's process has one door: its name on the command line is that of its module and its class."""

from __future__ import annotations

import configparser
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (make test brings it)")
pytest.importorskip("posemo_msgs", reason="posemo_msgs is not built (make test does it)")

from posemo_ros.nodes import start
from posemo_ros.nodes.__main__ import named
from posemo_ros.nodes.parameters import NODES

EXECUTABLES = Path(__file__).resolve().parents[2] / "resource" / "executables.cfg"


@pytest.mark.parametrize("name", NODES)
def test_the_name_leads_to_the_class(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[type] = []
    monkeypatch.setattr(
        importlib.import_module("posemo_ros.nodes.run"), "run", lambda kind: begun.append(kind) or 0
    )
    monkeypatch.setattr(start, "catch_signals", lambda: None)
    monkeypatch.setattr(start, "ignore_signals", lambda: None)
    monkeypatch.setattr(start.sys, "argv", [f"/ws/install/lib/posemo_ros/{name}", "--ros-args"])
    assert start.main() == 0
    (kind,) = begun
    assert kind.kind == name  # type: ignore[attr-defined]


def test_every_node_is_an_executable() -> None:
    config = configparser.ConfigParser()
    config.read(EXECUTABLES)
    lines = config["options.entry_points"]["console_scripts"].split("\n")
    entries = dict(line.split(" = ") for line in lines if line)
    assert {name for name, entry in entries.items() if entry == "posemo_ros.nodes.start:main"} == set(NODES)


@pytest.mark.parametrize("words", [[], ["pipelin"], ["--ros-args"], [""]])
def test_no_such_node_is_said_with_those_there_are(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(start, "catch_signals", lambda: None)
    monkeypatch.setattr("posemo_ros.nodes.__main__.catch_signals", lambda: None)
    monkeypatch.setattr(start.sys, "argv", ["nodes", *words])
    assert named() == 2
    assert "pipeline" in capsys.readouterr().err


CODE = """
import os, signal, sys
from types import SimpleNamespace
from posemo_ros.nodes import start

class Late:
    def __del__(self, kill=os.kill, own=os.getpid(), number=signal.SIGTERM):
        kill(own, number)  # when Python takes itself down

modules = {".markers": SimpleNamespace(MarkersNode=None), ".run": SimpleNamespace(run=lambda kind: 0)}
start.importlib = SimpleNamespace(import_module=lambda name, package: modules[name])
late = Late()
sys.argv = ["markers"]
sys.exit(start.main())
"""


def test_a_signal_after_the_end_changes_no_exit_code() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
