"""config/sros2_policy.xml lists what the nodes have in a running graph, no more and no less."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from posemo_ros.nodes.parameters import NODES

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "config" / "sros2_policy.xml"
LEFT_OUT = {"hri_bridge", "vision_bridge", "frames"}  # their messages or tf2 are not part of this package


@pytest.mark.slow
def test_it_is_what_the_nodes_do(domain: int) -> None:
    pytest.importorskip("rclpy", reason="needs ROS 2 (make test brings it)")
    pytest.importorskip("posemo_msgs", reason="posemo_msgs is not built (make test does it)")
    pytest.importorskip("aiohttp", reason="aiohttp is not installed (extra live)")
    program = [sys.executable, str(ROOT / "tools" / "sros2_policy.py")]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr


def test_every_node_has_a_profile() -> None:
    profiles = ET.parse(FILE).getroot().findall("./enclaves/enclave/profiles/profile")
    assert {p.get("node") for p in profiles} == set(NODES) - LEFT_OUT
    assert {p.get("ns") for p in profiles} == {"/posemo"}


def test_it_has_the_form_of_sros2() -> None:
    """Elements and attributes of the policy schema 0.2.0."""
    root = ET.parse(FILE).getroot()
    assert (root.tag, root.get("version")) == ("policy", "0.2.0")
    allowed = {"topics": {"publish", "subscribe"}, "services": {"reply", "request"}}
    for profile in root.iter("profile"):
        for rule in profile:
            assert set(rule.attrib) <= allowed[rule.tag]
            assert set(rule.attrib.values()) == {"ALLOW"}
            names = [item.text for item in rule]
            assert {item.tag for item in rule} == {rule.tag.removesuffix("s")}
            assert names == sorted(set(names))
