"""Damaged bags and models, made by the thousand: whatever they raise must be the package's own errors.

    python tools/fuzz.py bags --minutes 10      # or: models
    python tools/fuzz.py bags --only 4711       # one of them again

Every input follows from ``--seed`` and its number. It is used in another process, so that a crash of native
code, a hang or a thirst for memory is found, too. What goes wrong is kept in ``--out``, with the reason.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from posemo_ros.camera import Camera
from posemo_ros.cli import values
from posemo_ros.errors import PosemoError
from posemo_ros.inference.manifest import load_manifest
from posemo_ros.inference.store import ModelStore
from posemo_ros.pipeline import build_emotion
from posemo_ros.replay.bag import read_results
from posemo_ros.replay.choice import Choice
from posemo_ros.replay.sources import open_source
from posemo_ros.replay.typestore import MAKE, typestore
from posemo_ros.settings import Models
from posemo_ros.types import Emotions, EmotionStatus, People2D, Skeletons3D, View

ROOT = Path(__file__).resolve().parent.parent
MODELS = ("emotion.onnx", "papers-small-emotion.onnx")
HANGS_S = 60
MEMORY = 8 * 2**30
EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)


# Damage -------------------------------------------------------------------------------------


def damaged(data: bytes, rng: random.Random) -> bytes:
    """A few changes: single bits, numbers at their limits, pieces left out, doubled, moved or cut off."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if not out:
            break
        # Lengths and counts are at the beginning and the end of most things.
        near = rng.choice((len(out), min(len(out), 400)))
        at = rng.choice((rng.randrange(near), len(out) - 1 - rng.randrange(near)))
        size = rng.choice((1, 2, 4, 8, 40, 400))
        what = rng.randrange(7)
        if what == 0:
            out[at] ^= 1 << rng.randrange(8)
        elif what == 1:
            width = rng.choice((1, 2, 4, 8))
            out[at : at + width] = (rng.choice(EDGES) % 256**width).to_bytes(width, "little")
        elif what == 2:
            del out[at : at + size]
        elif what == 3:
            out[at:at] = out[at : at + size]
        elif what == 4:
            out[at : at + size] = rng.randbytes(size)
        elif what == 5:
            start = rng.randrange(len(out))
            out[at : at + size] = out[start : start + size]
        elif rng.random() < 0.3:
            del out[at:]
    return bytes(out)


# Bags ---------------------------------------------------------------------------------------


def bag(rng: random.Random, path: Path) -> Path:
    """A bag of images and results, with damaged messages or damaged files."""
    storage = rng.choice((StoragePlugin.MCAP, StoragePlugin.SQLITE3))
    in_messages = rng.random() < 0.5
    writer = Writer(path, version=9, storage_plugin=storage)
    if storage is StoragePlugin.MCAP and rng.random() < 0.3:
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    with writer:
        connections = {
            topic: writer.add_connection(topic, message.__msgtype__, typestore=typestore())
            for topic, message in _messages(0).items()
        }
        for number in range(4):
            for topic, message in _messages(number).items():
                raw = bytes(typestore().serialize_cdr(message, message.__msgtype__))
                raw = damaged(raw, rng) if in_messages and rng.random() < 0.5 else raw
                writer.write(connections[topic], 10**9 + number * 10**8, raw)
    if not in_messages:
        files = sorted(path.iterdir())
        chosen = rng.choice(files)
        chosen.write_bytes(damaged(chosen.read_bytes(), rng))
    return path


def _messages(number: int) -> dict[str, Any]:
    view = View.through(Camera.from_fov(64, 48, 60), 10**9 + number * 10**8, "eye")
    picture = np.full((48, 64, 3), 40 * number, np.uint8)
    boxes = np.array([[10, 5, 40, 45]], np.float32)
    points = np.tile(np.array([20, 20, 0.9], np.float32), (1, 17, 1))
    people = People2D(("p1",), boxes, np.ones(1, np.float32), points, view=view)
    bodies = Skeletons3D(
        ("p1",), np.zeros((1, 17, 3), np.float32), np.array([[0, 0, 2]], np.float32),
        np.ones((1, 17), np.float32), np.zeros(1, np.bool_), view=view,
    )  # fmt: skip
    one = np.ones(1, np.float32)
    moods = Emotions(
        ("p1",), np.full((1, 6), 1 / 6, np.float32), (EmotionStatus.VALID,), one, one, ((),), view=view
    )
    return {
        "/camera/image_raw": MAKE.image(picture, view),
        "/camera/image_raw/compressed": MAKE.jpeg(cv2.imencode(".jpg", picture)[1], view),
        "/camera/camera_info": MAKE.camera_info(view),
        "/posemo/people": MAKE.people(people, Models()),
        "/posemo/skeletons": MAKE.skeletons(bodies, Models()),
        "/posemo/emotions": MAKE.emotions(moods, Models()),
    }


def use_bag(path: Path) -> None:
    """All that reads a bag."""
    for topic in ("/camera/image_raw", "/camera/image_raw/compressed"):
        _allow(partial(_look, path, Choice(topic=topic)))
    _allow(lambda: list(read_results(path, topic="/camera/image_raw").frames()))


def _look(path: Path, choice: Choice) -> None:
    with open_source(path, choice) as source:
        for frame in source:
            frame.bgr()


# Models -------------------------------------------------------------------------------------


def model(rng: random.Random, path: Path) -> Path:
    """A manifest with its network; one of them is damaged."""
    path.mkdir()
    network = rng.choice(MODELS)
    shutil.copy(ROOT / "models" / network, path / "network.onnx")
    entries = yaml.safe_load((ROOT / "config" / "models.yaml").read_text(encoding="utf-8"))["models"]
    (entry,) = (e for e in entries.values() if e.get("file") == f"../models/{network}")
    entry = {k: v for k, v in entry.items() if k not in ("sha256", "card")} | {"file": "network.onnx"}
    text = yaml.safe_dump({"models": {"fuzz": entry}}).encode()
    if rng.random() < 0.5:
        (path / "models.yaml").write_bytes(damaged(text, rng))
    else:
        (path / "models.yaml").write_bytes(text)
        whole = (path / "network.onnx").read_bytes()
        (path / "network.onnx").write_bytes(damaged(whole, rng))
    return path


def use_model(path: Path) -> None:
    """Read the manifest, load the network."""
    _allow(lambda: load_manifest(path / "models.yaml"))
    models = replace(Models(), emotion="fuzz", runtime="onnxruntime", threads=1)
    _allow(lambda: build_emotion(models, ModelStore([path / "models.yaml"], cache=path)))


def _allow(use: Callable[[], object]) -> None:
    try:
        use()
    except PosemoError as error:
        if len(str(error)) < 20:
            raise RuntimeError(f"an error that explains nothing: {error!r}") from error


KINDS: dict[str, tuple[Callable[[random.Random, Path], Path], Callable[[Path], None]]] = {
    "bags": (bag, use_bag),
    "models": (model, use_model),
}


# Runs ---------------------------------------------------------------------------------------


def child(options: argparse.Namespace) -> int:
    """One input after the other from a number on; which one is in a file, for whoever waits."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    make, use = KINDS[options.kind]
    numbers = itertools.count(options.first) if options.only is None else [options.only]
    for number in numbers:
        _note(options.out, number)
        path = options.out / "now"
        shutil.rmtree(path, ignore_errors=True)
        try:
            use(make(random.Random(f"{options.seed}/{number}"), path))
        except Exception:
            keep(options.out, number, traceback.format_exc())
    return 0


def _note(out: Path, number: int) -> None:
    (out / "number.part").write_text(str(number))
    (out / "number.part").replace(out / "number")  # whole at any time: the child may be killed here


def keep(out: Path, number: int, why: str) -> None:
    """The input of now is a finding."""
    shutil.copytree(out / "now", out / f"found-{number}", dirs_exist_ok=True)
    (out / f"found-{number}.txt").write_text(why, encoding="utf-8")
    print(f"{number}: {why.strip().splitlines()[-1][:200]}", flush=True)


def parent(options: argparse.Namespace) -> int:
    """Start children until the time is over."""
    end, number = time.monotonic() + 60 * options.minutes, 0
    while time.monotonic() < end:
        number = _watch(options, number, end) + 1
    found = len(list(options.out.glob("found-*.txt")))
    print(
        f"{number} damaged {options.kind} (seed {options.seed}), {options.minutes:g} minutes: {found} found"
    )
    return 1 if found else 0


def _watch(options: argparse.Namespace, first: int, end: float) -> int:
    """One child until it dies, hangs, or the time is over; the number it has come to."""
    words = [sys.executable, __file__, options.kind, "--seed", str(options.seed), "--out", str(options.out)]
    running = subprocess.Popen([*words, "--first", str(first)], stderr=subprocess.DEVNULL)
    progress = options.out / "number"
    _note(options.out, first)
    while running.poll() is None and time.monotonic() < end:
        time.sleep(0.5)
        if time.time() - progress.stat().st_mtime > HANGS_S:
            running.kill()
            keep(options.out, int(progress.read_text()), f"no end after {HANGS_S} s")
    if running.poll() is None:
        running.kill()
    elif running.returncode != -signal.SIGKILL:
        keep(options.out, int(progress.read_text()), f"the process ended with {running.returncode}")
    running.wait()
    return int(progress.read_text())


def main() -> int:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--minutes", type=values.number(0.01, 1e4), default=10.0)
    parser.add_argument("--seed", type=values.SEED, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "fuzz", help="folder for what is found")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="use this one, in this process")
    parser.add_argument("--first", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.out = options.out.absolute()
    options.out.mkdir(parents=True, exist_ok=True)
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    return parent(options) if options.first is None and options.only is None else child(options)


if __name__ == "__main__":
    sys.exit(main())
