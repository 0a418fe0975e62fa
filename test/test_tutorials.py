"""docs/tutorials: the commands on the pages work, in the order in which they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .replay.makers import beginning

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
NEEDS = {"robot": ("pyarrow",), "researcher": ("pycocotools",), "hri": ("pyarrow",)}
# `make build` puts no command posemo onto the path, an installed wheel does. Of the demo clip it gets the
# beginning: the emotion network has its window full for half of it.
BEFORE = """set -euo pipefail
posemo() { python -m posemo_ros.cli "${@/#*\\/people.mp4/people.mp4}"; }
mkdir out
"""
IMAGES = 80


def commands(page: Path) -> str:
    return "\n".join(re.findall(r"^```sh\n(.*?)^```$", page.read_text(encoding="utf-8"), re.S | re.M))


def test_there_are_three() -> None:
    assert {p.stem for p in PAGES} == set(NEEDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(((?!http)[^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_the_commands_work(page: Path, tmp_path: Path, domain: int) -> None:
    for package in NEEDS[page.stem]:
        pytest.importorskip(package)
    beginning(tmp_path / "people.mp4", IMAGES)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", BEFORE + commands(page)],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for name in set(re.findall(r"\bout/[\w./-]+\w", page.read_text(encoding="utf-8"))) - {"out/a", "out/b"}:
        assert (tmp_path / name).exists(), f"the page speaks of {name}, which is not there"
