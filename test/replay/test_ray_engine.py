"""Many recordings on a Ray cluster of one machine: the same bytes, whoever dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from posemo_ros import cli
from posemo_ros.errors import MissingExtraError
from posemo_ros.replay.ray_engine import BoardProgress, Item, work
from posemo_ros.replay.run_folder import JOURNAL

from .test_run import images, manifest, same, tiny  # noqa: F401  (fixtures)

WORDS = ("--threads", "1", "--runtime", "onnxruntime", "--no-films")


def needs_ray() -> None:
    pytest.importorskip("ray", reason="ray is not installed (pip install posemo_ros[ray])")


def on_ray(*words: object) -> subprocess.Popen[str]:
    """In a process of its own: Ray keeps things in the process that it was started in."""
    command = [sys.executable, "-m", "posemo_ros.cli", "run", *map(str, words), *WORDS, "--engine", "ray"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def copies(images: Path, folder: Path, names: str, times: int = 1) -> Path:  # noqa: F811
    """Folders of the same pictures, again and again."""
    for name in names:
        (folder / name).mkdir(parents=True)
        for i in range(times):
            for file in images.iterdir():
                (folder / name / f"{i}-{file.name}").write_bytes(file.read_bytes())
    return folder


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_bytes_are_those_of_a_single_run_though_a_worker_is_killed(
    images: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    needs_ray()
    folder, many = copies(images, tmp_path / "in", "bc"), tmp_path / "many"
    copies(images, folder, "a", times=30)  # long enough to be met at work
    (folder / "d.mp4").write_bytes(b"no video")
    process = on_ray(folder, "--out", many, "--workers", "2")
    os.kill(writer_of(many / "a" / JOURNAL, process), signal.SIGKILL)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 3, out + err
    assert cli.main(["run", str(folder), "--out", str(tmp_path / "one"), *WORDS]) == 3
    for name in "abc":
        assert same(tmp_path / "one" / name, many / name)
    items = json.loads((many / "batch.json").read_text())["items"]
    assert [Path(i["folder"]).name for i in items] == list("abcd")
    assert [i["tries"] for i in items] == [2, 1, 1, 1]
    assert [bool(i["error"]) for i in items] == [False, False, False, True]
    assert "FFmpeg cannot open it" in items[3]["error"]
    assert len([line for line in out.splitlines() if str(folder) in line]) == 4
    written = {path: path.stat().st_mtime_ns for path in many.glob("[abc]/results.*")}
    assert cli.main(["run", str(folder), "--out", str(many), *WORDS]) == 3
    assert {path: path.stat().st_mtime_ns for path in written} == written  # finished is finished


def writer_of(path: Path, process: subprocess.Popen[str]) -> int:
    """The process that has the file open, once there is something in it."""
    end = time.monotonic() + 600
    while time.monotonic() < end:
        assert process.poll() is None, process.communicate()
        if path.exists() and path.stat().st_size:
            for handle in Path("/proc").glob("[0-9]*/fd/*"):
                try:
                    if handle.resolve() == path.resolve():
                        return int(handle.parts[2])
                except OSError:
                    continue
        time.sleep(0.01)
    raise AssertionError(f"nobody writes {path}")


def test_without_ray_it_says_what_to_install(
    images: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    copies(images, tmp_path / "in", "ab")
    assert cli.main(["run", str(tmp_path / "in"), "--engine", "ray", "--out", str(tmp_path / "out")]) == 1
    assert str(MissingExtraError("ray", "ray", "--engine ray")) in capsys.readouterr().err


def test_a_camera_has_no_end() -> None:
    outcome = work(b"", Item(0, "0", Path("out/0"), several=True), None)
    assert "without --engine ray" in outcome.error


def test_progress_goes_to_the_board(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, float, int]] = []

    class Remote:
        class say:
            remote = staticmethod(lambda *row: told.append(row))

    now = iter(range(100))
    monkeypatch.setattr("posemo_ros.replay.ray_engine.time.monotonic", lambda: float(next(now)) + 1)
    progress = BoardProgress(Remote(), 7)
    assert list(progress.over("abcd", "running", 4)) == list("abcd")
    assert told[-1] == (7, 0.9, 4)
    assert all(b[1:] >= a[1:] for a, b in pairwise(told))
    assert len(told) > 2
    list(progress.over("ab", "drawing", 2))
    assert told[-1] == (7, 1.0, 2)
