"""A recording survives what happens to the process that writes it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from posemo_ros.camera import Camera
from posemo_ros.errors import InputError
from posemo_ros.messages import people_from_message
from posemo_ros.replay.bag_files import open_bag
from posemo_ros.replay.mcap_file import McapFile
from posemo_ros.replay.typestore import MAKE, typestore
from posemo_ros.settings import Models
from posemo_ros.types import People2D, View

ROOT = Path(__file__).resolve().parent.parent.parent
KIND = "posemo_msgs/msg/Person2DArray"
WRITE = """
import os, resource, signal, sys
from pathlib import Path
from posemo_ros.camera import Camera
from posemo_ros.replay.mcap_file import McapFile
from posemo_ros.replay.typestore import MAKE, typestore
from posemo_ros.settings import Models
from posemo_ros.types import People2D, View

def message(stamp):
    view = View.through(Camera.from_fov(160, 120, 60.0), stamp, "cam")
    people = MAKE.people(People2D(view=view), Models())
    return bytes(typestore().serialize_cdr(people, "posemo_msgs/msg/Person2DArray"))

file = McapFile(Path(sys.argv[1]))
number = file.add_topic("/people", "posemo_msgs/msg/Person2DArray", typestore())
"""


def write(file: McapFile, stamps: range) -> None:
    number = file.add_topic("/people", KIND, typestore())
    for stamp in stamps:
        people = MAKE.people(
            People2D(view=View(stamp, "cam", Camera.from_fov(160, 120, 60.0), 160, 120)), Models()
        )
        file.write(number, stamp, bytes(typestore().serialize_cdr(people, KIND)))


def stamps(path: Path) -> list[int]:
    with open_bag(path) as bag:
        return [people_from_message(bag.read(t, raw)).stamp_ns for t, _, raw in bag.messages()]


def child(path: Path, code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WRITE + code, str(path)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)


def test_what_is_written_comes_back(tmp_path: Path):
    file = McapFile(tmp_path / "a.mcap")
    write(file, range(5))
    assert not (tmp_path / "a.mcap").exists()
    assert file.close() == tmp_path / "a.mcap"
    assert stamps(tmp_path / "a.mcap") == list(range(5))
    assert [p.name for p in tmp_path.iterdir()] == ["a.mcap"]
    with pytest.raises(InputError, match="exists already"):
        McapFile(tmp_path / "a.mcap")


def test_a_killed_recording_is_readable_and_not_in_the_way(tmp_path: Path):
    path = tmp_path / "a.mcap"
    code = (
        "for i in range(5): file.write(number, i, message(i))\n"
        "file.flush()\n"
        "file.write(number, 5, message(5))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert child(path, code).returncode == -9
    assert stamps(tmp_path / "a.mcap.part") == list(range(5))
    for expected in ("a.cut-off-1.mcap", "a.cut-off-2.mcap"):
        file = McapFile(path)
        assert file.aside == tmp_path / expected
        write(file, range(3))
        file.flush()
        file._stream.close()  # as if killed
    assert stamps(tmp_path / "a.cut-off-1.mcap") == list(range(5))
    assert stamps(tmp_path / "a.cut-off-2.mcap") == list(range(3))


def test_two_recorders_do_not_share_a_file(tmp_path: Path):
    first = McapFile(tmp_path / "a.mcap")
    with pytest.raises(InputError, match="is being written by another recorder"):
        McapFile(tmp_path / "a.mcap")
    first.close()


def test_a_full_disk_is_an_error_and_what_was_before_is_readable(tmp_path: Path):
    code = """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
try:
    for i in range(100_000):
        file.write(number, i, message(i))
        file.flush()
except OSError as error:
    print(i, error.strerror)
"""
    done = child(tmp_path / "a.mcap", code)
    assert done.returncode == 0, done.stderr
    count = int(done.stdout.split()[0])
    assert count > 10
    assert stamps(tmp_path / "a.mcap.part")[: count - 1] == list(range(count - 1))


def test_a_folder_that_is_not_there_is_said(tmp_path: Path):
    with pytest.raises(InputError, match="cannot be written"):
        McapFile(tmp_path / "nowhere" / "a.mcap")
