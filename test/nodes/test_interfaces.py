"""Every field of every message is explained, and the joint constants are those of the core."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from posemo_ros.skeleton import COCO17, H36M17, JointSet
from posemo_ros.types import EMOTIONS

FOLDER = Path(__file__).resolve().parent.parent.parent / "msg"
FILES = sorted(FOLDER.glob("*.msg"))


def constants(name: str) -> list[str]:
    text = (FOLDER / f"{name}.msg").read_text(encoding="utf-8")
    found = re.findall(r"^uint8 (\w+)=(\d+)", text, re.MULTILINE)
    return [constant.lower() for constant, _ in sorted(found, key=lambda item: int(item[1]))]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_field_has_a_comment(path: Path):
    paragraphs = path.read_text(encoding="utf-8").split("\n\n")
    bare = [
        p for p in paragraphs if "#" not in p and not re.search(r"^Person2D\[|^Skeleton3D\[|^Emotion\[", p)
    ]
    assert not bare


@pytest.mark.parametrize(("name", "joints"), [("Person2DArray", COCO17), ("Skeleton3DArray", H36M17)])
def test_joint_constants(name: str, joints: JointSet):
    assert constants(name) == list(joints.joints)


def test_emotion_constants():
    text = (FOLDER / "Emotion.msg").read_text(encoding="utf-8")
    assert [f"{i}" for i, _ in enumerate(EMOTIONS)] == [
        re.search(rf"^uint8 {name.upper()}=(\d)", text, re.MULTILINE)[1] for name in EMOTIONS
    ]


def test_all_messages_are_built():
    cmake = (FOLDER / "CMakeLists.txt").read_text(encoding="utf-8")
    assert sorted(re.findall(r":msg/(\w+)\.msg", cmake)) == [path.stem for path in FILES]
