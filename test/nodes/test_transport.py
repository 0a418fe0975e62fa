"""Limits of shared memory: read from the profile in use, compared with what there is."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from posemo_ros.nodes import transport

ROOT = Path(__file__).resolve().parent.parent.parent
MIB = 2**20


@pytest.fixture(params=["fastdds.xml", "fastdds_container.xml"])
def profile(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", str(ROOT / "config" / request.param))
    return str(request.param)


def shared_memory(monkeypatch: pytest.MonkeyPatch, mib: int) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_frsize=4096, f_blocks=mib * MIB // 4096))


def test_little_shared_memory_is_said_for_the_profile_that_wants_more(
    profile: str, monkeypatch: pytest.MonkeyPatch
):
    shared_memory(monkeypatch, 64)
    text = transport.complaint()
    if profile == "fastdds.xml":
        assert "has 64 MiB, but the Fast DDS profile wants 128 for every process" in text
        assert "--shm-size" in text
    else:
        assert text == ""
    shared_memory(monkeypatch, 1024)
    assert transport.complaint() == ""


def test_images_that_do_not_fit_are_named(profile: str):
    assert "has 137 MiB" in transport.size_hint(8000, 6000)
    assert transport.size_hint(1920, 1080) == ""


def test_without_a_profile_large_images_need_one(monkeypatch: pytest.MonkeyPatch):
    for name in transport.PROFILE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert transport.limits() is None
    assert transport.complaint() == ""
    assert "set FASTRTPS_DEFAULT_PROFILES_FILE" in transport.size_hint(640, 480)


def test_segments_of_killed_processes_are_removed_and_no_others(tmp_path: Path) -> None:
    """Fast DDS names them so, and locks the file beside one for as long as its process lives."""
    for name in ("a" * 16, "b" * 16, "c" * 16):
        (tmp_path / f"fastrtps_{name}").write_bytes(bytes(1000))
        (tmp_path / f"fastrtps_{name}_el").touch()
    (tmp_path / "fastrtps_port7400_el").touch()
    (tmp_path / f"other_{'d' * 16}_el").touch()
    for path in tmp_path.iterdir():
        if "b" * 16 not in path.name:  # just made
            os.utime(path, (0, 0))
    with (tmp_path / f"fastrtps_{'c' * 16}_el").open("rb+") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        assert transport.remove_leftovers(tmp_path) == 1000
        assert transport.remove_leftovers(tmp_path) == 0
    assert not list(tmp_path.glob(f"fastrtps_{'a' * 16}*"))
    assert len(list(tmp_path.iterdir())) == 6
