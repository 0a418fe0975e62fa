"""``ros2 launch`` as people type it, in a domain of its own."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = "import sys; from ros2cli.cli import main; sys.exit(main(argv=sys.argv[1:]))"
START_S = 300.0


@dataclass(frozen=True)
class Launched:
    """What a launch said and returned."""

    code: int
    said: str

    @property
    def last(self) -> str:
        """The last line."""
        return self.said.rstrip().splitlines()[-1]


class Launch:
    """A launch under way."""

    def __init__(self, words: list[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", CODE, "launch", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.append(line)

    def wait_for(self, text: str) -> None:
        """Until a line contains a text."""
        end = time.monotonic() + START_S
        while not any(text in line for line in self._lines):
            alive = self._process.poll() is None and time.monotonic() < end
            assert alive, f"{text!r} was not said:\n{''.join(self._lines)}"
            time.sleep(0.05)

    def process_of(self, node: str) -> int:
        """The process of a node, from what launch says of it."""
        said = re.findall(rf"\[{node}-\d+\]: process started with pid \[(\d+)\]", "".join(self._lines))
        return int(said[-1])

    def interrupt(self) -> None:
        """Ctrl-C, which a terminal sends to everybody in the foreground."""
        os.killpg(self._process.pid, signal.SIGINT)

    def send(self, number: signal.Signals) -> None:
        """A signal to launch, and to it alone."""
        os.kill(self._process.pid, number)

    def end(self, timeout_s: float = START_S) -> Launched:
        """Wait for the end."""
        code = self._process.wait(timeout_s)
        self._reader.join(60)
        return Launched(code, "".join(self._lines))

    def clear_away(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@pytest.fixture
def ros2_launch(domain: int) -> Iterator[Callable[..., Launch]]:
    """Starts ``ros2 launch FILE ARGUMENT…``; the file is one of launch/."""
    for tool in ("ros2launch", "launch_ros"):
        if importlib.util.find_spec(tool) is None:
            pytest.skip(f"{tool} is not installed (it comes with ROS)")
    if importlib.util.find_spec("posemo_msgs") is None:
        pytest.skip("posemo_msgs is not built (make test does it)")
    begun: list[Launch] = []

    def start(file: str, **arguments: object) -> Launch:
        words = [f"{name}:={value}" for name, value in arguments.items()]
        begun.append(Launch([str(ROOT / "launch" / file), *words]))
        return begun[-1]

    yield start
    for launch in begun:
        launch.clear_away()


@pytest.fixture(scope="session")
def tiny_manifest(tiny: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manifest of a chain of tiny networks."""
    return tiny.write_chain(tmp_path_factory.mktemp("models"))
