"""`make demo` from end to end, with tiny networks in the place of the shipped ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy", reason="needs ROS 2 (make test brings it)")
pytest.importorskip("posemo_msgs", reason="posemo_msgs is not built (make test does it)")

from rosbags.highlevel import AnyReader

from .tiny_models import write_chain, write_mover

DEMO = Path(__file__).resolve().parent.parent.parent / "tools" / "demo.py"
FRAMES = 15


def demo(tmp_path: Path, source: str) -> subprocess.CompletedProcess[str]:
    manifest = write_chain(tmp_path / "models", prefix="posemo")
    write_mover(manifest)  # the demo has no context
    models = yaml.safe_load(manifest.read_text())["models"]
    models["posemo-emotion"] = models.pop("tiny-mover")
    manifest.write_text(yaml.safe_dump({"models": models}))
    return subprocess.run(
        [sys.executable, str(DEMO), "--source", source, "--out", "out"],
        cwd=tmp_path,
        env={**os.environ, "POSEMO_MODELS": str(manifest)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.mark.slow
def test_every_image_is_recorded_with_its_results(tmp_path: Path, domain: int):
    folder = tmp_path / "my pictures"
    folder.mkdir()
    for number in range(FRAMES):
        image = np.zeros((120, 160, 3), np.uint8)
        image[40:100, 50 + number : 75 + number] = (40, 120, 250)
        cv2.imwrite(str(folder / f"{number}.png"), image)
    done = demo(tmp_path, "my pictures")
    assert done.returncode == 0, done.stdout + done.stderr
    out = tmp_path / "out"
    assert all((out / name).stat().st_size for name in ("overlay.mp4", "overview.png", "results.mcap"))
    summary = json.loads((out / "summary.json").read_text())
    assert summary["frames"] == {"in": FRAMES, "out": FRAMES, "dropped": 0}
    assert summary["source"] == "my pictures"
    assert 0 < summary["latency_ms"]["median"] < 10_000
    with AnyReader([out / "results.mcap"]) as reader:
        counts = {topic: info.msgcount for topic, info in reader.topics.items()}
    expected = ("people", "skeletons", "emotions", "markers", "overlay/compressed")
    topics = ["/camera/image_raw/compressed", "/camera/camera_info", *(f"/posemo/{n}" for n in expected)]
    assert {topic: counts[topic] for topic in topics} == dict.fromkeys(topics, FRAMES)


@pytest.mark.slow
def test_losses_are_an_exit_code(tmp_path: Path, domain: int):
    """A picture that cannot be read: the report is made, and the code is that of `posemo run`."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(FRAMES):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((120, 160, 3), 10 * number, np.uint8))
    (folder / "3.png").write_bytes(b"not a picture")
    done = demo(tmp_path, "pictures")
    assert done.returncode == 3, done.stdout + done.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["frames"] == {"in": FRAMES - 1, "out": FRAMES - 1, "dropped": 0}
    assert summary["losses"]["images"] == 1


@pytest.mark.slow
def test_a_source_that_is_not_there_is_said_and_nothing_stays_running(tmp_path: Path, domain: int):
    done = demo(tmp_path, "nowhere.mp4")
    assert done.returncode == 1
    assert "'nowhere.mp4' does not exist" in done.stdout + done.stderr
    assert not list((tmp_path / "out").glob("*.part"))
