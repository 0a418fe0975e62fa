"""What the README says is what the code does."""

import re
from pathlib import Path

from posemo_ros import topics
from posemo_ros.inference.store import ModelStore
from posemo_ros.nodes.parameters import NODES

from .loading import load_tool

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_node_and_topic_is_described() -> None:
    for node in NODES:
        assert f"| `{node}` |" in README
    for topic in (topics.PEOPLE, topics.SKELETONS, topics.EMOTIONS, topics.CONTEXT, topics.MARKERS):
        assert f"`{topic}`" in README


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(((?!http)[^)#]+)", README):
        assert (ROOT / target).exists(), target


def test_models_it_names_are_in_the_manifest() -> None:
    known = ModelStore().specs()
    for name in re.findall(r"^\| \[(posemo-\w+)\]", README, flags=re.M):
        assert name in known
    assert "rtmpose-m" in known


def test_its_figures_are_those_of_the_files() -> None:
    figures = load_tool("figures")
    assert figures.with_table(README) == README, "make the table anew: make figures"
