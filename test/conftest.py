"""Fixtures for all tests."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import train  # noqa: F401  (declares what Lightning's import wants: so does xdist, for the warnings of its workers)

# Which runtime is fastest depends on the machine and its mood; the tests want the same numbers each time.
os.environ.setdefault("POSEMO_RUNTIME", "onnxruntime")

with suppress(ImportError):
    from hypothesis import settings

    # The same input each time, and as long as it takes: a busy machine is no failure.
    settings.register_profile("posemo", deadline=None, derandomize=True, max_examples=200)
    settings.load_profile("posemo")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the development data; skips where it is missing (it is not public)."""
    folder = Path(os.environ.get("POSEMO_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "README.md").exists():
        pytest.skip(f"development data not found at {folder} (set POSEMO_DATA)")
    return folder


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    """The module with the tiny networks of the nodes' tests."""
    pytest.importorskip("onnx", reason="onnx makes the networks of these tests")
    from .loading import load

    return load(ROOT / "test" / "nodes" / "tiny_models.py")


@contextmanager
def own_domain() -> Iterator[int]:
    """A ROS domain that no other test on this machine has meanwhile; a lock on a file says so."""
    for number in random.SystemRandom().sample(range(1, 102), 101):
        try:
            handle = (Path(tempfile.gettempdir()) / f"posemo_test_domain_{number}").open("w")
        except OSError:  # somebody else's
            continue
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            yield number
            return
    raise RuntimeError("all ROS domains from 1 to 101 are taken by tests")


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A ROS domain of its own, in the environment."""
    with own_domain() as number:
        monkeypatch.setenv("ROS_DOMAIN_ID", str(number))
        monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        yield number


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium; see ``browser.watched_tab``."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium)")
    with api.sync_playwright() as playwright:
        software = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
        browser = playwright.chromium.launch(executable_path=program, args=software)
        yield browser
        browser.close()
