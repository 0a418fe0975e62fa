"""How ``ros2 launch`` ends: 0 when all went well, else 1 and the reason on the last line."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

COMPOSITIONS = {"single": ("pipeline", "markers"), "stations": ("keypoints", "lifter", "emotion", "markers")}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
both = pytest.mark.parametrize("composition", COMPOSITIONS)


@pytest.fixture
def parameters(tiny: ModuleType, tiny_manifest: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes a parameter file: tiny networks for everybody, and what is given for one node."""

    def write(node: str = "", **more: Any) -> Path:
        content = {"/**": {"ros__parameters": tiny.parameters(tiny_manifest, "pipeline")}}
        if node:
            content[f"/posemo/{node}"] = {"ros__parameters": more}
        file = tmp_path / "parameters.yaml"
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
        return file

    return write


@both
@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"detector_treshold": 0.4}, "there is no parameter detector_treshold; did you mean detector_thre"),
        ({"detect_every": "often"}, "parameter detect_every is 'often', a string; it must be an integer"),
        ({"max_people": 0}, "parameter max_people is 0; it must be an integer from 1 to 100"),
        ({"keypoints": "no-such-model"}, "no-such-model"),
    ],
    ids=["wrong name", "wrong type", "out of range", "missing model"],
)
def test_a_node_that_cannot_start_ends_the_launch_with_1(
    ros2_launch: Any, parameters: Any, composition: str, given: dict[str, Any], reason: str
) -> None:
    node = COMPOSITIONS[composition][0]
    done = ros2_launch(
        "pipeline.launch.py", params_file=parameters(node, **given), composition=composition
    ).end()
    assert done.code == 1, done.said
    assert f"{node} ended with exit code 1: " in done.last
    assert reason in done.last


@both
def test_ctrl_c_ends_with_0(ros2_launch: Any, parameters: Any, composition: str) -> None:
    launch = ros2_launch("pipeline.launch.py", params_file=parameters(), composition=composition)
    for node in COMPOSITIONS[composition]:
        launch.wait_for(f"[{node}-")
    launch.wait_for("waiting for images")
    launch.interrupt()
    done = launch.end()
    assert done.code == 0, done.said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["kill", "terminal gone"])
def test_a_launch_that_is_ended_ends_everything(
    ros2_launch: Any, parameters: Any, tmp_path: Path, number: signal.Signals
) -> None:
    """By systemd or docker, or with the ssh session that started it; launch by itself leaves all running."""
    launch = ros2_launch("pipeline.launch.py", params_file=parameters(), record=tmp_path / "r.mcap")
    launch.wait_for("waiting for images")
    process = launch.process_of("pipeline")
    for _ in range(3):
        launch.send(number)
    done = launch.end()
    assert done.code == 0, done.said
    assert not Path(f"/proc/{process}").exists()
    assert (tmp_path / "r.mcap").is_file()


@pytest.mark.parametrize("privacy", ["none", "blur", "skeleton"])
def test_a_source_that_ends_ends_everything_with_0(
    ros2_launch: Any, parameters: Any, tmp_path: Path, privacy: str
) -> None:
    done = ros2_launch(
        "pipeline.launch.py",
        params_file=parameters(),
        source=pictures(tmp_path / "walk"),
        lockstep="true",
        record=tmp_path / "r.mcap",
        privacy=privacy,
    ).end()
    assert done.code == 0, done.said
    assert (tmp_path / "r.mcap").is_file()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"source": "nothing.mp4"}, "camera ended with exit code 1: .*nothing.mp4"),
        ({"record": "/dev/full/x.mcap", "source": ""}, "recorder ended with exit code 1: .*parameter output"),
        ({"preset": "quick"}, "there is no preset 'quick'|preset.*quick"),
        ({"imagee": "/eye"}, "there is no argument imagee; did you mean image?"),
        (
            {"topic": "/eye"},
            "topic is for a source .*; the topic of a camera that is .* is image:=",
        ),
        ({"respawn_delay": "soon"}, "respawn_delay is 'soon'; it must be a number from 0 to 3600"),
        ({"source": "0", "rate": "-1"}, "rate is '-1'; it must be a number from 0 to 1000"),
        ({"port": "70000"}, "port is '70000'; it must be a whole number from 0 to 65535"),
    ],
    ids=["source", "record", "preset", "unknown", "idle", "no number", "negative", "port"],
)
def test_wrong_arguments_end_with_1(
    ros2_launch: Any, parameters: Any, given: dict[str, str], reason: str
) -> None:
    given = {name: value for name, value in given.items() if value}
    done = ros2_launch("pipeline.launch.py", params_file=parameters(), **given).end()
    assert done.code == 1, done.said
    assert re.search(reason, done.last), done.said


def test_a_killed_node_that_is_not_started_again_is_a_failure(ros2_launch: Any, parameters: Any) -> None:
    launch = ros2_launch("pipeline.launch.py", params_file=parameters(), respawn="false")
    launch.wait_for("waiting for images")
    os.kill(launch.process_of("pipeline"), signal.SIGKILL)
    done = launch.end()
    assert done.code == 1, done.said
    assert done.last.endswith("pipeline was ended by signal 9")


def test_a_killed_node_that_is_started_again_is_none(ros2_launch: Any, parameters: Any) -> None:
    launch = ros2_launch("pipeline.launch.py", params_file=parameters(), respawn_delay=0.1)
    launch.wait_for("waiting for images")
    os.kill(launch.process_of("pipeline"), signal.SIGKILL)
    launch.wait_for("pipeline was ended by signal 9; starting it again")
    launch.wait_for("[pipeline-3]: process started")
    launch.interrupt()
    done = launch.end()
    assert done.code == 0, done.said


def test_ctrl_c_while_a_node_is_being_started_ends_everything(ros2_launch: Any, parameters: Any) -> None:
    """Launch warns of a second node of one name just before it starts the process."""
    launch = ros2_launch("pipeline.launch.py", params_file=parameters(), respawn_delay=0.1)
    launch.wait_for("waiting for images")
    os.kill(launch.process_of("pipeline"), signal.SIGKILL)
    launch.wait_for("there are now at least 2 nodes with the name")
    launch.interrupt()
    done = launch.end()
    assert done.code == 0, done.said


@pytest.mark.parametrize(
    ("given", "code", "reason"),
    [
        ({}, 0, ""),
        ({"privacy": "blur"}, 0, ""),
        ({"privacy": "skeleton"}, 0, ""),
        ({"truth": "missing.npz"}, 1, "truth: there is no file missing.npz"),
        ({"bag": "missing"}, 1, "bag: there is no file or folder .*missing"),
        ({"topic": "/no/such"}, 1, "camera ended with exit code 1: "),
        ({"params_file": "missing.yaml"}, 1, "params_file: there is no file missing.yaml"),
    ],
    ids=["well", "blur", "skeleton", "no truth", "no bag", "no topic", "no parameter file"],
)
def test_replay(
    ros2_launch: Any, parameters: Any, tmp_path: Path, given: dict[str, str], code: int, reason: str
) -> None:
    words = {"params_file": parameters(), "bag": pictures(tmp_path / "walk"), "rate": "0.0", **given}
    done = ros2_launch("replay.launch.py", out=tmp_path / "out", **words).end()
    assert done.code == code, done.said
    last = done.said[done.said.find("Caught exception") :] if code else ""
    assert re.search(reason, last), done.said
    assert (tmp_path / "out" / "report.html").is_file() is not bool(code)


def pictures(folder: Path) -> Path:
    """A folder with a few pictures of somebody in orange."""
    folder.mkdir()
    for number in range(4):
        image = np.zeros((120, 160, 3), np.uint8)
        image[40:100, 50 + number : 75 + number] = (40, 120, 250)
        cv2.imwrite(str(folder / f"{number}.png"), image)
    return folder
