"""An environment or a name that ROS refuses ends a node with a last line that says why."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (make test brings it)")
pytest.importorskip("posemo_msgs", reason="posemo_msgs is not built (make test does it)")


def recorder(*words: str, **environment: str | None) -> subprocess.CompletedProcess[str]:
    """A node that needs no network, to its end; None takes a variable away."""
    given = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, "-m", "posemo_ros.nodes", "recorder", "--ros-args", *words],
        env={name: value for name, value in given.items() if value is not None},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "environment", "message"),
    [
        ((), {"ROS_DOMAIN_ID": "500"}, "ROS_DOMAIN_ID is '500'; it must be a number from 0 to 232"),
        ((), {"ROS_DOMAIN_ID": "home"}, "ROS_DOMAIN_ID is 'home'; it must be a number from 0 to 232"),
        (("-r", "__ns:=/2nd floor"), {}, "cannot be used: "),
        (("-r", "__ns:=/2nd"), {}, "cannot be used: "),
        (("-r", "__ns:=/" + "n" * 300), {}, "namespace"),
        (("-r", "__node:=my-recorder"), {}, "cannot be used: "),
        (("-p", "qos_overrides./a.subscription.depth:=some"), {}, "it must be an integer, 0 or more"),
        (("-p", "use_sim_time:=perhaps"), {}, "use_sim_time"),
        (("--log-level", "loud"), {}, "loud"),
        (("-p", "output:=b\udcff.mcap"), {}, "a name is not UTF-8"),
    ],
    ids=[
        "far domain",
        "no domain",
        "space",
        "digit",
        "long",
        "dash",
        "quality",
        "sim time",
        "log level",
        "bytes",
    ],
)
def test_what_ros_refuses_is_one_line(
    domain: int, words: tuple[str, ...], environment: dict[str, str], message: str
) -> None:
    done = recorder(*words, **environment)
    assert done.returncode == 1, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].count("[recorder]: ") == 1, done.stderr


def test_without_a_home_the_log_needs_a_folder(domain: int, tmp_path: Path) -> None:
    nowhere = {"HOME": None, "ROS_HOME": None, "ROS_LOG_DIR": None}
    done = recorder("-p", f"output:={tmp_path}/none/a.mcap", **nowhere)
    assert done.returncode == 1
    assert "set HOME or ROS_LOG_DIR" in done.stderr or "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
