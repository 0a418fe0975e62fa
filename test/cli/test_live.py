"""What ``posemo live`` takes for a topic, and how it tells the nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from posemo_ros import cli
from posemo_ros.cli.command import make_parser
from posemo_ros.cli.live import chain_parameters, is_topic, node_command


def options(*words: str):
    return make_parser(cli, "posemo").parse_args(["live", *words])


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
    assert chain_parameters(args) == {"emotion": ""}
    assert 'emotion:=""' in node_command("pipeline", args, chain_parameters(args))


def test_options_become_parameters_of_the_node() -> None:
    args = options("/eye/image/compressed", "--keypoints", "posemo-keypoints-fast", "--detect-every", "3")
    assert chain_parameters(args) == {"keypoints": "posemo-keypoints-fast", "detect_every": 3}
    words = node_command("pipeline", args, chain_parameters(args))
    assert 'keypoints:="posemo-keypoints-fast"' in words
    assert "detect_every:=3" in words
    assert "image_raw:=/eye/image" in words
    assert "camera_info:=/eye/camera_info" in words
    assert 'image_transport:="compressed"' in words
