"""What ``posemo live`` takes for a topic, and how it tells the nodes."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from posemo_ros import cli
from posemo_ros.cli.command import make_parser
from posemo_ros.cli.live import _local, chain_parameters, is_topic, node_command
from posemo_ros.cli.options import pipeline_from
from posemo_ros.pipeline import Pipeline


def options(*words: str):
    return make_parser(cli, "posemo").parse_args(["live", *words])


def test_what_it_started_ends_with_it_when_it_is_killed() -> None:
    """Otherwise a page with a camera's pictures would stay, and nobody would know why."""
    program = "from posemo_ros.cli.live import _together; _together([['sh', '-c', 'echo $$; exec sleep 60']])"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        child = Path("/proc") / started.stdout.readline().strip()
        assert child.exists()
        started.kill()
        started.wait()
    end = time.monotonic() + 30
    while (child / "cmdline").exists() and (child / "cmdline").read_bytes() and time.monotonic() < end:
        time.sleep(0.05)
    assert time.monotonic() < end


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("/camera/image_raw", True),
        ("0", False),
        ("walk.mp4", False),
        ("/dev/video0", False),
        ("/not/there/walk.mp4", False),
        ("/not a topic", False),
        ("rtsp://a/b", False),
    ],
)
def test_what_is_a_topic(text: str, topic: bool) -> None:
    assert is_topic(text) is topic


def test_a_file_is_no_topic(tmp_path: Path) -> None:
    file = tmp_path / "walk"
    file.touch()
    assert not is_topic(str(file))


def test_no_emotions_are_none_for_the_node_too() -> None:
    args = options("/eye/image", "--emotion", "")
    assert chain_parameters(args) == {"real_time": True, "emotion": ""}
    assert 'emotion:=""' in node_command("pipeline", args, chain_parameters(args))


def test_options_become_parameters_of_the_node() -> None:
    args = options("/eye/image/compressed", "--keypoints", "posemo-keypoints-fast", "--detect-every", "3")
    chosen = {"real_time": True, "keypoints": "posemo-keypoints-fast", "detect_every": 3}
    assert chain_parameters(args) == chosen
    words = node_command("pipeline", args, chain_parameters(args))
    assert 'keypoints:="posemo-keypoints-fast"' in words
    assert "detect_every:=3" in words
    assert "image_raw:=/eye/image" in words
    assert "camera_info:=/eye/camera_info" in words
    assert 'image_transport:="compressed"' in words


@pytest.mark.parametrize(
    ("live", "privacy", "real_time"),
    [(True, "none", True), (True, "skeleton", True), (True, "blur", False), (False, "none", False)],
)
def test_a_camera_is_looked_at_in_real_time(
    monkeypatch: pytest.MonkeyPatch, live: bool, privacy: str, real_time: bool
) -> None:
    """No image waits for the detector, but where nobody may be seen before he is found."""
    made: list[Pipeline] = []

    def make(*args: object, **given: bool) -> Pipeline:
        made.append(pipeline_from(*args, **given))  # type: ignore[arg-type]
        raise KeyboardInterrupt

    source = SimpleNamespace(live=live, depth=None)
    monkeypatch.setattr("posemo_ros.replay.sources.open_source", lambda *_: nullcontext(source))
    monkeypatch.setattr("posemo_ros.cli.live.pipeline_from", make)
    with pytest.raises(KeyboardInterrupt):
        _local(options("0", "--privacy", privacy, "--runtime", "onnxruntime"))
    assert made[0].models.real_time is real_time
    topic = chain_parameters(options("/eye/image", "--privacy", privacy))
    assert ("real_time" in topic) is (privacy != "blur")
