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

from posemo_ros.nodes import door, start
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


FILES = {path.stem: path.read_text() for path in Path(start.__file__).parent.glob("*.py")}
MODULES = sorted(FILES.keys() - {"__init__", *door.PROGRAMS})


def test_programs_are_those_that_do_something() -> None:
    assert set(door.PROGRAMS) == {name for name, text in FILES.items() if '__name__ == "__main__"' in text}


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_no_program_and_says_what_is(
    name: str, joined: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = f"posemo_ros.nodes.{name}"
    words = ["python3", "-X", "dev", *([f"-m{module}"] if joined else ["-m", module]), "--ros-args"]
    monkeypatch.setattr(door.sys, "orig_argv", words)
    monkeypatch.setattr(door.sys, "argv", ["-m", "--ros-args"])
    with pytest.raises(SystemExit) as end:
        door.refuse_module("posemo_ros.nodes")
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{module} is no program; ")
    assert f"python -m posemo_ros.nodes {name if name in NODES else 'NODE'}" in line


@pytest.mark.parametrize(
    ("first", "words"),
    [
        ("-m", ["python3", "-m", "posemo_ros.nodes", "pipeline"]),
        ("-m", ["python3", "-m", "posemo_ros.nodes.__main__", "pipeline"]),
        ("-m", ["python3", "-m", "pytest", "-m", "posemo_ros.nodes.pipeline"]),
        ("/bin/pipeline", ["python3", "/bin/pipeline", "-m", "posemo_ros.nodes.pipeline"]),
        ("", ["python3"]),
    ],
)
def test_what_is_a_program_is_let_in(first: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door.sys, "orig_argv", words)
    monkeypatch.setattr(door.sys, "argv", [first])
    door.refuse_module("posemo_ros.nodes")


def test_python_is_told_before_it_imports_anything_heavy() -> None:
    command = [sys.executable, "-m", "posemo_ros.nodes.pipeline", "--ros-args"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "ros2 run posemo_ros pipeline" in done.stderr


CODE = """
import os, signal, sys
from types import SimpleNamespace
from posemo_ros.nodes import door, start

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


HANGUP = """
import os, signal, sys
from posemo_ros.nodes import start
# Whatever the tests were started with.
signal.signal(signal.SIGHUP, signal.SIG_IGN if sys.argv[1] == "nohup" else signal.SIG_DFL)
start.catch_signals()
os.kill(os.getpid(), signal.SIGHUP)
print(start.asked_to_end.is_set())
"""


@pytest.mark.parametrize(("how", "asked"), [("terminal", "True"), ("nohup", "False")])
def test_a_terminal_that_is_gone_asks_to_end(how: str, asked: str) -> None:
    done = subprocess.run([sys.executable, "-c", HANGUP, how], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, asked, "")
