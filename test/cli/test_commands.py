"""The `posemo` command in this process: help, exit codes, evaluation with networks of a few kilobytes."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from posemo_ros.cli import main

from ..evaluate.conftest import arrays, coco_file


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manifest of a tiny chain; its tiny-mover reads emotions from movement alone."""
    pytest.importorskip("onnx", reason="onnx makes the networks of these tests")
    from ..nodes.tiny_models import write_chain, write_mover

    path = write_chain(tmp_path_factory.mktemp("models"))
    write_mover(path)
    return path


@pytest.fixture
def clips(tmp_path: Path) -> str:
    path = tmp_path / "clips.npz"
    np.savez(path, **arrays(emotion=["joy", "anger"]))
    return str(path)


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == 0
    got: dict[str, Any] = json.loads(capsys.readouterr().out)
    head = {"evaluation", "posemo_ros", "machine", "samples", "models", "runtime", "protocol", "results"}
    head |= {"notes", "losses", "by_clip"}
    assert set(got) == head
    assert got["evaluation"] == arguments[1]
    return got


@pytest.mark.parametrize(
    "command",
    [
        (),
        ("fly",),
        ("run",),
        ("evaluate",),
        ("evaluate", "lift"),
        ("evaluate", "coco", "--images", "x", "--annotations", "y"),
        ("evaluate", "coco", "--images", "x", "--annotations", "y", "--boxes", "guess"),
        ("run", "x.mp4", "--runtime", "abacus"),
    ],
    ids=" ".join,
)
def test_wrong_usage(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(list(command))
    assert stopped.value.code == 2
    assert "usage: posemo" in capsys.readouterr().err


def test_head_has_seen_enough() -> None:
    """Whoever read the output is gone: no complaint, and the code that shells expect."""
    command = [sys.executable, "-m", "posemo_ros.cli", "models", "list"]
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as nobody:
        ended = subprocess.run(command, stdout=nobody, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (141, "")


def test_ctrl_c_while_it_loads_is_no_traceback(tmp_path: Path) -> None:
    """numpy takes it for a bad installation."""
    program = (
        "import os, pkgutil, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored in the background
        "from posemo_ros import cli\n"
        "usual = pkgutil.iter_modules\n"
        "def interrupted(path):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    return usual(path)\n"
        "pkgutil.iter_modules = interrupted\n"
        "cli.main(['models', 'list'])\n"
    )
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda n: n.name)
def test_whatever_ends_it_leaves_no_temporary_files(tmp_path: Path, number: signal.Signals) -> None:
    """A packed recording is unpacked there, with all its pictures."""
    program = (
        "import os, signal, sys, tempfile, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # under nohup and in the background
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # these are ignored
        "from posemo_ros import cli\n"
        "from posemo_ros.replay import source_list\n"
        "def expand(_):\n"
        "    with tempfile.TemporaryDirectory():\n"
        f"        os.kill(os.getpid(), {int(number)})\n"
        "        time.sleep(60)\n"
        "source_list.expand = expand\n"
        "sys.exit(cli.main(['run', 'a.mp4']))\n"
    )
    command = [sys.executable, "-c", program]
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    ended = subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, check=False)
    assert ended.returncode == (130 if number == signal.SIGINT else -number), ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_closed_output_is_no_reason_to_fail(tmp_path: Path) -> None:
    """As some supervisors start programs; no file of the results gets the number of what was closed."""
    program = (
        "import os, sys\n"
        "from posemo_ros.cli import main\n"
        "code = main(['models', 'list'])\n"
        "sys.stderr.write('said')\n"
        "number = os.open(os.devnull, os.O_WRONLY)\n"
        "os.write({descriptor}, str((code, number > 2)).encode())\n"
    )
    answer = tmp_path / "answer"
    with answer.open("wb") as file:
        code = program.format(descriptor=file.fileno())
        for closed in ("2>&-", "0>&- 1>&- 2>&-"):
            command = ["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, code]
            assert subprocess.run(command, pass_fds=[file.fileno()], check=False).returncode == 0, closed
    assert answer.read_bytes() == b"(0, True)(0, True)"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError("Unable to allocate 9 GiB"), "not enough memory (Unable to allocate 9 GiB)"),
        (OSError(errno.EIO, "Input/output error", "a.mp4"), "a.mp4: Input/output error"),
    ],
)
def test_what_the_machine_refuses_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, said: str
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr("posemo_ros.replay.source_list.expand", refuse)
    assert main(["run", "a.mp4"]) == 1
    assert capsys.readouterr().err == f"posemo run: {said}\n"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out.startswith("posemo ")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("run", "nowhere.mp4"), "source 'nowhere.mp4' does not exist; accepted are"),
        (("report", "nowhere.mp4"), "bag 'nowhere.mp4' does not exist; accepted are a rosbag2 folder"),
        (
            ("bench", "--quick", "--detector", "yolo-nana"),
            "no model 'yolo-nana' in the manifests; did you mean yolox-nano?",
        ),
        (("live", "camera/image_raw"), "an image topic begins with /: /camera/image_raw"),
        (("evaluate", "latency", "a.mcap"), "bag 'a.mcap' does not exist"),
        (("evaluate", "skeleton", "--results", "a.npz"), "a.npz does not exist; expected a bag with results"),
        (("evaluate", "lift", "--clips", "nowhere.npz"), "nowhere.npz: No such file or directory; expected"),
        (("evaluate", "emotion", "--clips", "nowhere.npz"), "nowhere.npz"),
        (
            ("evaluate", "coco", "--images", ".", "--annotations", "nowhere.json", "--boxes", "gt"),
            "nowhere.json",
        ),
        (("evaluate", "lift", "--lifter", "liftor", "--clips", "nowhere.npz"), "no model 'liftor'"),
        (("evaluate", "emotion", "--emotion", "", "--clips", "nowhere.npz"), "--emotion: no model named"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_explained_errors(
    command: tuple[str, ...],
    said: str,
    tiny: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 1, one line on stderr that says what is wrong."""
    monkeypatch.setenv("POSEMO_MODELS", str(_stand_ins(tiny)))
    assert main(list(command)) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"posemo {' '.join(command[: 2 if command[0] == 'evaluate' else 1])}: ")
    assert len(err.splitlines()) == 1
    assert said in err


def _stand_ins(tiny: Path) -> Path:
    """The tiny networks under the names of the starter models."""
    import yaml

    models = yaml.safe_load(tiny.read_text())["models"]
    named = {"emotion": "tiny-mover"}
    stations = ("detector", "keypoints", "lifter", "emotion")
    path = tiny.parent / "stand_ins.yaml"
    renamed = {f"posemo-{s}": models[named.get(s, f"tiny-{s}")] for s in stations}
    path.write_text(yaml.safe_dump({"models": renamed}))
    return path


def test_a_source_that_is_there(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`run` goes through, from images to a folder of results."""
    monkeypatch.setenv("POSEMO_MODELS", str(_stand_ins(tiny)))
    images = tmp_path / "images"
    images.mkdir()
    for i in range(4):
        image = np.zeros((120, 160, 3), np.uint8)
        image[30:100, 60 + i : 90 + i] = 255
        cv2.imwrite(str(images / f"{i}.png"), image)
    out = tmp_path / "out"
    assert main(["run", str(images), "--out", str(out), "--threads", "1"]) == 0
    assert any(out.rglob("*"))


def test_evaluate_lift(
    tiny: Path, clips: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POSEMO_MODELS", str(tiny))
    command = ["evaluate", "lift", "--clips", clips, "--lifter", "tiny-lifter", "--threads", "1"]
    got = _json(capsys, *command)
    assert got["samples"] == {"frames": 120, "clips": 2, "takes": 4}  # 20 + 40 frames, two views
    assert got["models"] == {"lifter": "tiny-lifter"}
    assert got["runtime"] == {"lifter": "onnxruntime fp32"}
    runs = got["results"]["runs"]
    assert [(r["keypoints"], r["delay_frames"]) for r in runs] == [
        ("perfect", 0),
        ("perfect", 1),
        ("noisy", 0),
        ("noisy", 1),
        ("noisy, hips up", 0),
        ("noisy, hips up", 1),
        ("none: one mean pose", 0),
    ]
    for run in runs[:-1]:
        assert run["mpjpe_mm"] > 100  # its answers are no poses
        assert run["answered"] == 1
        assert len(run["joints_mm"]) == 17
    assert runs[0]["mpjpe_mm"] != runs[2]["mpjpe_mm"]
    assert runs[-1]["placed"] == 0
    assert runs[-1]["place_error_m"] is None
    assert _json(capsys, *command)["results"] == got["results"]
    assert _json(capsys, *command, "--seed", "1")["results"] != got["results"]
    assert main(command) == 0
    assert "P-MPJPE mm" in capsys.readouterr().out


def test_evaluate_emotion(
    tiny: Path, clips: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POSEMO_MODELS", str(tiny))
    command = ["evaluate", "emotion", "--clips", clips, "--threads", "1", "--emotion"]
    got = _json(capsys, *command, "tiny-mover")
    assert got["samples"] == {"clips": 2, "frames": 60}
    results = got["results"]
    assert results["accuracy"] == 0.5  # joy for everybody
    assert results["confusion"] == {
        "joy": {"joy": 1, "anger": 0, "no answer": 0},
        "anger": {"joy": 1, "anger": 0, "no answer": 0},
    }
    assert results["without_answer"] == 0
    assert results["frames_by_status"]["valid"] == pytest.approx((60 - 2 * 8) / 60, abs=1e-3)
    assert main([*command, "tiny-mover"]) == 0
    assert "macro f1" in capsys.readouterr().out
    assert main([*command, "tiny-emotion"]) == 1
    assert "looks at the scene" in capsys.readouterr().err
    assert main([*command, "tiny-lifter"]) == 1
    assert "is for the task 'lifter'" in capsys.readouterr().err


def test_evaluate_emotion_without_labels(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POSEMO_MODELS", str(tiny))
    path = tmp_path / "clips.npz"
    np.savez(path, **arrays())
    assert main(["evaluate", "emotion", "--clips", str(path), "--emotion", "tiny-mover"]) == 1
    assert "no array 'emotion'" in capsys.readouterr().err


@pytest.mark.parametrize("boxes", ["gt", "detector"])
def test_evaluate_coco(
    boxes: str,
    tiny: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("pycocotools")
    monkeypatch.setenv("POSEMO_MODELS", str(tiny))
    annotations = coco_file(tmp_path)
    image = np.zeros((120, 200, 3), np.uint8)
    image[20:105, 10:60] = 255
    cv2.imwrite(str(tmp_path / "1.png"), image)
    command = ["evaluate", "coco", "--images", str(tmp_path), "--annotations", str(annotations)]
    command += ["--boxes", boxes, "--keypoints", "tiny-keypoints", "--threads", "1"]
    got = _json(capsys, *command, "--detector", "tiny-detector")
    assert got["samples"]["images"] == 2
    assert got["samples"]["people_with_keypoints"] == 2
    assert set(got["models"]) == {"keypoints"} | ({"detector"} if boxes == "detector" else set())
    groups = ["all", "head", "shoulders", "elbows", "wrists", "hips", "knees", "ankles"]
    assert list(got["results"]) == groups
    for figures in got["results"].values():
        assert 0 <= figures["AP"] <= 1
        assert 0 <= figures["AR"] <= 1
    if boxes == "gt":  # needs no detector
        assert main([*command, "--detector", "no-such-model"]) == 0


@pytest.mark.shared
@pytest.mark.slow
def test_the_starter_models_on_the_development_data(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They beat answers that look at nothing."""
    with np.load(shared_data / "cmu_mocap" / "cmu_h36m17.npz") as file:
        first = np.flatnonzero(file["split"] == "test")[:3]
        ends = file["clip_start"][[first[0], first[-1] + 1]]
        part = slice(int(ends[0]), int(ends[1]))
        few = {
            "positions": file["positions"][part],
            "frame_ok": file["frame_ok"][part],
            "head_forward": file["head_forward"][part],
            "head_left": file["head_left"][part],
            "clip_start": file["clip_start"][first[0] : first[-1] + 2] - ends[0],
            "clip_names": file["clip_names"][first],
            "fps": file["fps"],
            "emotion": np.array(["joy", "anger", "sadness"]),
        }
    path = tmp_path / "few.npz"
    np.savez(path, **few)
    runs = _json(capsys, "evaluate", "lift", "--clips", str(path), "--views", "1")["results"]["runs"]
    now = {run["keypoints"]: run["mpjpe_mm"] for run in runs if not run["delay_frames"]}
    assert now["perfect"] < now["noisy"] < now["none: one mean pose"]
    assert now["perfect"] < 0.5 * now["none: one mean pose"]
    results = _json(capsys, "evaluate", "emotion", "--clips", str(path))["results"]
    assert results["labels"] == ["joy", "anger", "sadness"]
    coco = shared_data / "fixtures" / "coco"
    files = ["--images", str(coco), "--annotations", str(coco / "test_coco.json")]
    got = _json(capsys, "evaluate", "coco", *files, "--boxes", "gt")
    assert got["samples"]["people_with_keypoints"] == 12
    assert got["results"]["all"]["keypoints"] == 181
