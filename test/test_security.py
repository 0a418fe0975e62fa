"""docs/security.md is true: safe YAML, no pickle, the table of dependencies, the tests it names."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import ModuleType

import pytest

from .loading import load_tool

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "posemo_ros"
SOURCES = sorted(PACKAGE.rglob("*.py"))
PICKLES_WHAT_IS_OURS = {"replay/ray_engine.py"}  # hands work to its own workers; reads nothing of others
FORBIDDEN_IMPORTS = {"pickle", "marshal", "shelve", "dill", "joblib"}
FORBIDDEN_CALLS = {"eval", "exec", "yaml.load", "yaml.full_load", "yaml.unsafe_load", "os.system", "os.popen"}


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return load_tool("dependencies")


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_runs_what_it_reads(path: Path) -> None:
    if path.relative_to(PACKAGE).as_posix() in PICKLES_WHAT_IS_OURS:
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert not FORBIDDEN_IMPORTS & {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module not in FORBIDDEN_IMPORTS
        elif isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in FORBIDDEN_CALLS
            pickled = [k.value for k in node.keywords if k.arg in ("allow_pickle", "shell")]
            assert not [value for value in pickled if ast.unparse(value) != "False"]


def test_the_table_names_what_setup_cfg_needs(tool: ModuleType) -> None:
    rows = re.findall(r"^\| ([\w.-]+) \| (\S+) \| ([\w, ]+) \| (.+?) \|$", PAGE.split(tool.BEGIN)[1], re.M)
    stated = {name: (versions, users.split(", ")) for name, versions, users, _ in rows if name != "package"}
    assert stated == {name: (versions or "any", users) for name, (versions, users) in tool.needed().items()}


def test_no_licence_binds_the_user(tool: ModuleType) -> None:
    for line in PAGE.split(tool.BEGIN)[1].splitlines():
        assert not re.search(r"\b(A?GPL|Affero|General Public)", line), line


def test_tests_that_are_named_exist() -> None:
    for name in re.findall(r"`(test/[\w/.]+)`", PAGE):
        assert (ROOT / name).exists(), name
