"""``replay.launch.py`` plays a recording, records the results beside it and ends with the report."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

pytest.importorskip("launch_ros", reason="launch_ros is not installed (it comes with ROS)")
pytest.importorskip("posemo_msgs", reason="posemo_msgs is not built (make test does it)")

from ament_index_python.packages import PackageNotFoundError, get_package_prefix

ROOT = Path(__file__).resolve().parents[2]
FRAMES = 12
CODE = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
source = PythonLaunchDescriptionSource(sys.argv[1])
arguments = [tuple(word.split(":=", 1)) for word in sys.argv[2:]]
service = LaunchService()
service.include_launch_description(
    LaunchDescription([IncludeLaunchDescription(source, launch_arguments=arguments)])
)
sys.exit(service.run())
"""


@pytest.mark.slow
def test_a_recording_ends_in_a_report(tmp_path: Path, domain: int) -> None:
    clip = cv2.VideoCapture(str(ROOT / "demo" / "people.mp4"))
    folder = tmp_path / "walk"
    folder.mkdir()
    for number in range(FRAMES):
        assert cv2.imwrite(str(folder / f"{number:03}.png"), clip.read()[1])
    # Where RViz is there, a window would open; where it is not, asking for it is no fault.
    asks = not _has_rviz()
    words = [f"bag:={folder}", f"out:={tmp_path / 'out'}", "rate:=0.0", f"rviz:={str(asks).lower()}"]
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(ROOT / "launch" / "replay.launch.py"), *words],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert (summary["frames"]["in"], summary["frames"]["out"]) == (FRAMES, FRAMES)
    assert (tmp_path / "out" / "report.html").is_file()
    assert ("rviz2 is not installed; going on without it" in said) is asks


def _has_rviz() -> bool:
    try:
        get_package_prefix("rviz2")
    except PackageNotFoundError:
        return False
    return True
