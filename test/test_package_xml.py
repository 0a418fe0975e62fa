"""package.xml: both say the same, name keys that rosdep has, and leave out nothing that setup.cfg needs."""

from __future__ import annotations

import configparser
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = ("package.xml", "resource/package.xml")

# Looked up in rosdep/python.yaml of ros/rosdistro, 2026-08-22. None: there is no key, pip brings it.
KEYS = {
    "aiohttp": "python3-aiohttp",
    "av": None,
    "matplotlib": "python3-matplotlib",
    "mcap": None,
    "numpy": "python3-numpy",
    "onnxruntime": "python3-onnxruntime-pip",
    "opencv-python": "python3-opencv",
    "pi-heif": None,
    "pillow": "python3-pil",
    "plotly": None,
    "pyyaml": "python3-yaml",
    "rosbags": "python3-rosbags-pip",
    "rosbags-image": None,
    "scipy": "python3-scipy",
    "tqdm": "python3-tqdm",
    "zstandard": None,
}
OPTIONAL = {"aiohttp"}  # an extra for pip; with ROS it is small enough to come along


def depends(file: str) -> set[str]:
    root = ET.fromstring((ROOT / file).read_text(encoding="utf-8"))
    return {element.text for element in root if element.tag.endswith("depend") and element.text}


def required() -> set[str]:
    """Names in ``install_requires``."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = setup["options"]["install_requires"].split("\n")
    return {re.split(r"[\[<>=; ]", line)[0].lower() for line in lines if line.strip()}


@pytest.mark.parametrize("file", [*FILES, "msg/package.xml"])
def test_release_tools_accept_it(file: str) -> None:
    package = pytest.importorskip("catkin_pkg.package", reason="catkin_pkg is not installed")
    found: list[str] = []
    parsed = package.parse_package_string((ROOT / file).read_text(encoding="utf-8"), warnings=found)
    parsed.validate(warnings=found)
    assert found == []


def test_setup_cfg_needs_what_is_looked_up() -> None:
    assert required() | OPTIONAL == set(KEYS)


@pytest.mark.parametrize("file", FILES)
def test_every_python_package_has_a_key_or_a_word(file: str) -> None:
    named = {key for key in depends(file) if key.startswith("python3-") and key != "python3-pytest"}
    assert named == {key for key in KEYS.values() if key}
    comment = re.search(r"<!-- pip: (.+?) -->", (ROOT / file).read_text(encoding="utf-8"))
    assert comment is not None
    assert set(comment[1].split()) == {name for name, key in KEYS.items() if key is None}


def test_the_two_differ_in_the_messages_alone() -> None:
    top, colcon = (depends(file) for file in FILES)
    assert colcon - top == {"posemo_msgs"}
    assert top - colcon == set()


def test_what_nodes_import_is_named() -> None:
    """Every ROS package that the nodes or launch files import stands in package.xml."""
    found: set[str] = set()
    for path in [*(ROOT / "posemo_ros" / "nodes").glob("*.py"), *(ROOT / "launch").glob("*.py")]:
        text = path.read_text(encoding="utf-8")
        found |= set(re.findall(r"^\s*(?:from|import) (\w+)", text, re.M))
    ros = {
        name for name in found if name.endswith(("_msgs", "_ros", "rclpy", "launch", "ament_index_python"))
    }
    assert ros - {"posemo_ros"} <= depends("resource/package.xml")
