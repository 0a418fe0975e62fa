"""`posemo run`: many sources, killed and resumed, tables."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from posemo_ros import cli
from posemo_ros.errors import InputError
from posemo_ros.replay.bag import read_results
from posemo_ros.replay.journal import Journal, _Entry, _intact
from posemo_ros.replay.run import Runner
from posemo_ros.replay.run_folder import JOURNAL, RunFolder
from posemo_ros.replay.source_list import expand, folders_of, names_many
from posemo_ros.replay.table import COLUMNS

SAME = ("results.mcap", "results.parquet")
IMAGES = 12


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks of a few kilobytes under the names of the starter models."""
    pytest.importorskip("onnx", reason="onnx makes the networks of these tests")
    from ..nodes.tiny_models import write_stand_ins

    return write_stand_ins(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A white box that walks."""
    folder = tmp_path_factory.mktemp("walk")
    for i in range(IMAGES):
        image = np.zeros((120, 160, 3), np.uint8)
        image[30:100, 40 + i : 70 + i] = 255
        cv2.imwrite(str(folder / f"{i}.png"), image)
    return folder


@pytest.fixture(autouse=True)
def tiny(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSEMO_MODELS", str(manifest))


def run(*words: object, runtime: str = "onnxruntime", films: bool = False) -> int:
    options = ["--threads", "1", "--runtime", runtime, "--detect-every", "3"]
    return cli.main(["run", *map(str, words), *options, *([] if films else ["--no-films"])])


@pytest.fixture(scope="module")
def whole(manifest: Path, images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of a run that nobody disturbed."""
    out = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POSEMO_MODELS", str(manifest))
        assert run(images, "--out", out, "--delay-frames", "1", films=True) == 0
    return out


def same(one: Path, other: Path) -> bool:
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in SAME)


def test_results_are_deterministic(whole: Path, images: Path, tmp_path: Path) -> None:
    assert run(images, "--out", tmp_path, "--delay-frames", "1") == 0
    assert same(whole, tmp_path)
    assert not (tmp_path / JOURNAL).exists()


def test_films_are_drawn_later(
    whole: Path,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By the same command, which runs nothing again and knows all that the run knew."""
    words = (images, "--out", tmp_path, "--delay-frames", "1")
    assert run(*words) == 0
    names = {"results.mcap", "results.parquet", "run.json", "summary.json"}
    assert {p.name for p in tmp_path.iterdir()} == names
    assert same(whole, tmp_path)
    without = json.loads((tmp_path / "summary.json").read_text())
    monkeypatch.setattr("posemo_ros.replay.run.run_chain", None)
    capsys.readouterr()
    assert run(*words, films=True) == 0
    assert "finished before" not in capsys.readouterr().out
    assert {p.name for p in tmp_path.iterdir()} == {*names, "overlay.mp4", "overview.png", "report.html"}
    assert json.loads((tmp_path / "summary.json").read_text()) == without
    assert run(*words, films=True) == 0
    assert "finished before" in capsys.readouterr().out
    with_films = json.loads((whole / "summary.json").read_text())
    for times in ("latency_ms", "stages_ms", "machine"):
        del with_films[times], without[times]
    assert without == with_films


def test_a_report_does_not_replace_what_a_run_knows(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(images, "--out", tmp_path) == 0
    summary = (tmp_path / "summary.json").read_bytes()
    assert cli.main(["report", str(tmp_path / "results.mcap"), "--out", str(tmp_path)]) == 1
    assert "holds the results of a run; name another folder" in capsys.readouterr().err
    assert (tmp_path / "summary.json").read_bytes() == summary


class Killed(BaseException):
    """As sudden as a kill, but in this process."""


def killed_at(count: int, out: Path, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ends while the journal is written for the image of that number."""
    write, entries = _Entry.pack, []

    def pack(entry: _Entry) -> bytes:
        entries.append(entry)
        if len(entries) > count:
            raise Killed
        return write(entry)

    with monkeypatch.context() as patch:
        patch.setattr(_Entry, "pack", pack)
        with pytest.raises(Killed):
            run(images, "--out", out, "--delay-frames", "1")


@pytest.mark.parametrize("count", [0, 1, 5, IMAGES - 1])
def test_a_killed_run_goes_on(
    count: int, whole: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_at(count, tmp_path, images, monkeypatch)
    assert _intact(tmp_path / JOURNAL)[0] == count
    asked: list[int] = []
    from posemo_ros.keypoints.estimator import KeypointEstimator

    estimate = KeypointEstimator.estimate

    def counted(self: KeypointEstimator, frame: object, boxes: object) -> object:
        asked.append(1)
        return estimate(self, frame, boxes)  # type: ignore[arg-type]

    monkeypatch.setattr(KeypointEstimator, "estimate", counted)
    assert run(images, "--out", tmp_path, "--delay-frames", "1") == 0
    assert len(asked) == IMAGES - count  # what was answered before is not asked again
    assert same(whole, tmp_path)


def test_a_journal_cut_anywhere(
    whole: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever part of the file a crash left, only whole entries count."""
    killed_at(3, tmp_path, images, monkeypatch)
    raw = (tmp_path / JOURNAL).read_bytes()
    ends = [0]
    for count in range(1, 4):
        path = tmp_path / "part"
        path.write_bytes(raw)
        ends.append(
            next(n for n in range(ends[-1] + 1, len(raw) + 1) if _intact_of(path, raw[:n])[0] == count)
        )
    assert ends[-1] == len(raw)
    for size in range(0, len(raw), 7):
        count, end = _intact_of(tmp_path / "part", raw[:size])
        assert count == sum(e <= size for e in ends[1:])
        assert end == ends[count]
    flipped = bytearray(raw)
    flipped[ends[1] + 40] ^= 1
    assert _intact_of(tmp_path / "part", bytes(flipped))[0] == 1
    (tmp_path / JOURNAL).write_bytes(raw[: ends[2] + 11])
    assert run(images, "--out", tmp_path, "--delay-frames", "1") == 0
    assert same(whole, tmp_path)


def _intact_of(path: Path, raw: bytes) -> tuple[int, int]:
    path.write_bytes(raw)
    return _intact(path)


def test_killed_while_drawing(
    whole: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from posemo_ros.replay import report

    def stop(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(report, "overview", stop)
        with pytest.raises(Killed):
            run(images, "--out", tmp_path, "--delay-frames", "1", films=True)
    assert run(images, "--out", tmp_path, "--delay-frames", "1", films=True) == 0
    assert same(whole, tmp_path)
    assert (tmp_path / "overview.png").exists()


@pytest.mark.parametrize("what", ["ResultBagWriter.write", "VideoWriter.close", "overview"])
def test_a_full_disk(
    whole: Path,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    what: str,
) -> None:
    """It is no finished run without films: the same command goes on once there is room."""
    from posemo_ros.replay import bag, films, report

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    places = {"ResultBagWriter.write": bag.ResultBagWriter, "VideoWriter.close": films.VideoWriter}
    with monkeypatch.context() as patch:
        patch.setattr(places.get(what, report), what.rpartition(".")[2], full)
        assert run(images, "--out", tmp_path, "--delay-frames", "1", films=True) == 1
    assert f"{tmp_path} cannot be written (no space left" in capsys.readouterr().err
    assert run(images, "--out", tmp_path, "--delay-frames", "1", films=True) == 0
    assert same(whole, tmp_path)
    assert {"overview.png", "overlay.mp4", "report.html"} <= {p.name for p in tmp_path.iterdir()}


@pytest.mark.slow
def test_sigkill(whole: Path, images: Path, tmp_path: Path) -> None:
    """The real thing, in a process of its own."""
    words = ["run", str(images), "--out", str(tmp_path), "--threads", "1", "--runtime", "onnxruntime"]
    words += ["--detect-every", "3", "--delay-frames", "1"]
    process = subprocess.Popen([sys.executable, "-m", "posemo_ros.cli", *words], env=dict(os.environ))
    end = time.monotonic() + 300
    while not (tmp_path / JOURNAL).exists() or not (tmp_path / JOURNAL).stat().st_size:
        assert time.monotonic() < end
        assert process.poll() is None or (tmp_path / "run.json").exists()
        if process.poll() is not None:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert cli.main(words) == 0
    assert same(whole, tmp_path)


def test_finished_is_finished(
    whole: Path, images: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {p.name: p.stat().st_mtime_ns for p in whole.iterdir()}
    assert run(images, "--out", whole, "--delay-frames", "1", films=True) == 0
    assert {p.name: p.stat().st_mtime_ns for p in whole.iterdir()} == before
    out = capsys.readouterr().out
    assert "was finished before" in out
    assert f"{IMAGES} in" in out


def test_another_run_is_not_thrown_away(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(images, "--out", tmp_path) == 0
    kept = (tmp_path / "results.mcap").read_bytes()
    assert run(images, "--out", tmp_path, "--max-people", "1") == 1
    err = capsys.readouterr().err
    assert "max_people: 8, now 1" in err
    assert "--overwrite" in err
    assert (tmp_path / "results.mcap").read_bytes() == kept
    assert run(images, "--out", tmp_path, "--max-people", "1", "--overwrite") == 0
    (tmp_path / "run.json").unlink()
    assert run(images, "--out", tmp_path) == 1
    assert "no run.json" in capsys.readouterr().err


def test_no_picture_of_a_run_that_is_thrown_away_stays(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was killed while it drew, and showed everything; the next one shall show nobody."""

    def kill(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("posemo_ros.replay.report._illustrate", kill)
        with pytest.raises(Killed):
            run(images, "--out", tmp_path, films=True)
    (tmp_path / "results.mcap.part").mkdir()
    (tmp_path / "results.mcap.part" / "results.mcap.part.mcap").write_bytes(b"images")
    assert (tmp_path / "overlay-small.mp4").exists()
    assert run(images, "--out", tmp_path, "--privacy", "skeleton", "--overwrite") == 0
    names = {"results.mcap", "results.parquet", "run.json", "summary.json"}
    assert {p.name for p in tmp_path.iterdir()} == names


@pytest.mark.parametrize(("privacy", "kept"), [("none", True), ("blur", False), ("skeleton", False)])
def test_what_is_known_of_the_scene_is_not_left_where_pictures_are_hidden(
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    manifest: Path,
    privacy: str,
    kept: bool,
) -> None:
    """The encoder's answers tell of the picture; a killed run goes on to the same results without them."""
    monkeypatch.setenv("POSEMO_MODELS", str(manifest.with_name("models.yaml")))
    chain = [f"--{s}=tiny-{s}" for s in ("detector", "keypoints", "lifter", "context", "emotion")]
    words = ("--delay-frames", "1", "--privacy", privacy, *chain, "--context-rate-hz", "10")
    write, entries = _Entry.pack, []

    def pack(entry: _Entry) -> bytes:
        entries.append(entry)
        if len(entries) > 5:
            raise Killed
        return write(entry)

    assert run(images, "--out", tmp_path / "whole", *words) == 0
    with monkeypatch.context() as patch:
        patch.setattr(_Entry, "pack", pack)
        with pytest.raises(Killed):
            run(images, "--out", tmp_path / "hurt", *words)
    assert any(name == "context" for e in entries for name, _ in e.asked) == kept
    assert run(images, "--out", tmp_path / "hurt", *words) == 0
    assert same(tmp_path / "whole", tmp_path / "hurt")


def test_a_limit_that_is_reached_is_said(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(images, "--out", tmp_path / "one", "--max-people", "1") == 0
    assert f"{IMAGES} images show as many people as --max-people allows (1)" in capsys.readouterr().out
    assert run(images, "--out", tmp_path / "eight") == 0
    assert "--max-people" not in capsys.readouterr().out


def test_results_do_not_go_into_their_source(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ((images, "--out", images), (images, images / "0.png", "--out", images.parent)):
        assert run(*words) == 1
        assert f"{images} is a source: its results need another folder" in capsys.readouterr().err
    assert {file.suffix for file in images.iterdir()} <= {".png", ".json"}


def test_a_folder_has_one_process(tmp_path: Path) -> None:
    with (
        RunFolder(tmp_path, {"a": 1}),
        pytest.raises(InputError, match="another process"),
        RunFolder(tmp_path, {"a": 1}),
    ):
        pass
    with RunFolder(tmp_path, {"a": 1}) as folder:
        assert folder.finished is None


def test_a_journal_of_other_images_is_refused(tmp_path: Path) -> None:
    entry = _Entry(7, [("keypoints", 1)], [np.zeros((2, 17, 3), np.float32)], 1.0, {"keypoints": 1.0})
    path = tmp_path / "j"
    path.write_bytes(entry.pack())
    back = _Entry.unpack(path.read_bytes()[12:])
    assert (back.stamp_ns, back.asked, back.ms, back.timings_ms) == (
        7,
        [("keypoints", 1)],
        1.0,
        {"keypoints": 1.0},
    )
    from posemo_ros import Frame

    frame = Frame(np.zeros((4, 4, 3), np.uint8), 8)
    with Journal(path) as journal, pytest.raises(InputError, match="does not fit this run.*--overwrite"):
        journal.step(None, frame)  # type: ignore[arg-type]


def test_many_sources(images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        cv2.imwrite(str(tmp_path / f"{name}10.png"), cv2.imread(str(images / "0.png")))
    (tmp_path / "b2.png").write_bytes(b"not a picture")
    out = tmp_path / "out"
    words = (tmp_path / "*.png", images, "--out", out)
    assert run(*words) == 3
    captured = capsys.readouterr()
    assert "\r" not in captured.err  # no bar in a pipe
    lines = captured.out.splitlines()
    named = [str(tmp_path / n) for n in ("a10.png", "b2.png", "b10.png")]
    assert [line.split()[0] for line in lines[2:]] == [*named, str(images)]
    assert [line.split()[4] for line in lines[2:]] == ["done", "failed", "done", "done"]
    assert max(map(len, lines)) < 2 * max(len(str(images)), len(str(out / images.name))) + 100
    assert f"{tmp_path / 'b2.png'}: tried" in captured.err
    items = json.loads((out / "batch.json").read_text())["items"]
    assert [bool(i["error"]) for i in items] == [False, True, False, False]
    assert (out / images.name / "results.mcap").exists()
    finished = (out / images.name / "results.mcap").stat().st_mtime_ns
    assert run(*words) == 3
    assert capsys.readouterr().out.count("  finished before  ") == 3
    assert (out / images.name / "results.mcap").stat().st_mtime_ns == finished
    assert cli.main(["report", str(out), "--out", str(tmp_path / "report")]) == 1
    assert f"name one of them ({out / 'a10'}, {out / 'b10'}, " in capsys.readouterr().err
    assert run(tmp_path / "b2.png", tmp_path / "nowhere.mp4", "--out", tmp_path / "bad") == 1
    assert run(*words[:2], "--strict", "--out", tmp_path / "strict") == 1


def test_a_source_among_others_has_the_results_of_a_run_of_its_own(
    images: Path, whole: Path, tmp_path: Path
) -> None:
    first, both = tmp_path / "first", tmp_path / "both"
    shutil.copytree(images, first)
    assert run(first, images, "--out", both, "--delay-frames", "1") == 0
    assert same(both / images.name, whole)


def test_a_truth_for_each_source(images: Path, tmp_path: Path) -> None:
    for name in ("walk one", "walk two", "other"):
        (tmp_path / name).mkdir()
        for file in images.iterdir():
            (tmp_path / name / file.name).write_bytes(file.read_bytes())
    truths = tmp_path / "truths"
    truths.mkdir()
    boxes = np.array([[[40 + i, 30, 70 + i, 100]] for i in range(IMAGES)], np.float32)
    arrays = {
        "keypoints": np.zeros((IMAGES, 1, 17, 3)),
        "joints3d": np.zeros((IMAGES, 1, 17, 3)),
        "fps": 10.0,
    }
    np.savez(truths / "walk one_truth.npz", boxes=boxes, **arrays)
    np.savez(truths / "walk two.npz", boxes=boxes + 300, **arrays)  # nobody is there
    sources = (tmp_path / "walk*", tmp_path / "other")
    assert run(*sources, "--truth", truths, "--out", tmp_path / "out") == 0
    one, two, other = (
        json.loads((tmp_path / "out" / name / "summary.json").read_text())
        for name in ("walk_one", "walk_two", "other")
    )
    assert one["truth"]["frames"] == two["truth"]["frames"] == IMAGES
    assert two["truth"]["recall"] == 0.0
    assert other["truth"] is None
    assert any("no truth for 'other'" in note for note in other["notes"])
    assert run(*sources, "--truth", truths / "walk two.npz", "--out", tmp_path / "single") == 1
    items = json.loads((tmp_path / "single" / "batch.json").read_text())["items"]
    assert all("one truth file" in item["error"] for item in items)
    assert run(tmp_path / "other", "--truth", tmp_path / "nowhere.npz", "--out", tmp_path / "none") == 1
    assert not (tmp_path / "none").exists()  # said before the work, not after it


def test_patterns(tmp_path: Path) -> None:
    for name in ("v10.mp4", "v9.mp4", "odd[1].mp4"):
        (tmp_path / name).touch()
    assert [Path(t).name for t in expand([f"{tmp_path}/v*.mp4"])] == ["v9.mp4", "v10.mp4"]
    assert expand([f"{tmp_path}/odd[1].mp4"]) == [f"{tmp_path}/odd[1].mp4"]  # it is there under this name
    assert expand(["0", "0", "rtsp://x/*"]) == ["0", "rtsp://x/*"]
    with pytest.raises(InputError, match=r"no file or folder matches '.*x\*'"):
        expand([f"{tmp_path}/x*"])


def test_folders_of_recordings_and_lists(tmp_path: Path) -> None:
    """Videos, bags and folders of pictures at any depth; what is none of them is left alone."""
    for name in (
        "day 2/b.mp4",
        "day 10/a.mkv",
        "day 2/bag/metadata.yaml",
        "day 2/bag/0.mcap",
        "day 2/notes.md",
        "tape/00001.MTS",
    ):
        (tmp_path / "all" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "all" / name).touch()
    (tmp_path / "all" / "frames").mkdir()
    cv2.imwrite(str(tmp_path / "all" / "frames" / "1.png"), np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "all" / "loop").symlink_to(tmp_path / "all")
    names = ("day 2/b.mp4", "day 2/bag", "day 10/a.mkv", "frames", "tape/00001.MTS")
    expected = [str(tmp_path / "all" / name) for name in names]
    assert names_many(str(tmp_path / "all"))
    assert expand([str(tmp_path / "all")]) == expected
    for single in expected:
        assert not names_many(single)
        assert expand([single]) == [single]
    listed = tmp_path / "list.txt"
    listed.write_text("\ufeff# of monday\nall/frames\n\n  rtsp://x/1 \r\n/abs/x.mp4\n", encoding="utf-8")
    assert names_many(str(listed))
    assert expand([str(listed)]) == [str(tmp_path / "all" / "frames"), "rtsp://x/1", "/abs/x.mp4"]
    listed.write_text("all/*/*.mp4\nall/frames\n")
    assert expand([str(listed)]) == [str(tmp_path / "all" / name) for name in ("day 2/b.mp4", "frames")]
    listed.write_bytes("all/frames  # of monday\r\nday 3 #1\r\n".encode("utf-16"))  # PowerShell's
    (tmp_path / "day 3 #1").mkdir()
    assert expand([str(listed)]) == [str(tmp_path / "all" / "frames"), str(tmp_path / "day 3 #1")]
    listed.write_text("# nothing\n")
    with pytest.raises(InputError, match="names no source"):
        expand([str(listed)])
    (tmp_path / "empty").mkdir()
    assert not names_many(str(tmp_path / "empty"))


def test_folders() -> None:
    names = [
        f.name for f in folders_of(["a/walk.mp4", "b/walk.mkv", "frames/", "0", "rtsp://h/ü x"], Path("o"))
    ]
    assert names == ["walk", "walk-2", "frames", "0", "ü_x"]


def test_table(whole: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    rows = pq.read_table(whole / "results.parquet").to_pylist()
    recording = read_results(whole / "results.mcap")
    assert len(rows) == sum(len(p) for p in recording.people.values()) > 5
    for row in rows:
        people = recording.people[row["stamp_ns"]]
        n = people.ids.index(row["id"])
        assert row["box_x1"] == people.boxes[n, 2]
        for column, value in (("x", 0), ("y", 1), ("score", 2)):
            expected = people.keypoints[n, 5, value]
            found = row[f"kp_left_shoulder_{column}"]
            assert found == expected or (found is None and math.isnan(expected))
        skeletons = recording.skeletons.get(row["stamp_ns"])
        if skeletons is not None and row["id"] in skeletons.ids:
            m = skeletons.ids.index(row["id"])
            z = skeletons.joints[m, 0, 2]
            assert row["j3d_pelvis_z"] == pytest.approx(z) or (row["j3d_pelvis_z"] is None and math.isnan(z))
    assert sorted({r["image"] for r in rows})[0] < IMAGES
    assert any(r["j3d_pelvis_score"] is not None for r in rows)
    assert {r["emotion_status"] for r in rows} - {None} <= {
        "valid",
        "too_few_frames",
        "low_keypoint_scores",
        "no_context",
        "not_enough_evidence",
    }


def test_the_page_explains_every_column() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "recordings.md").read_text(encoding="utf-8")
    for name, text in COLUMNS.items():
        assert f"| `{name}` | {text} |" in page


def test_without_pyarrow_the_summary_says_so(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert run(images, "--out", tmp_path) == 0
    assert not (tmp_path / "results.parquet").exists()
    notes = json.loads((tmp_path / "summary.json").read_text())["notes"]
    assert any("posemo_ros[parquet]" in note for note in notes)


def test_runner_is_what_the_command_uses() -> None:
    assert Runner.one.__doc__
