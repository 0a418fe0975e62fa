"""Every option of every command with values that make no sense: a sentence and an exit code, no traceback.

The cases are made from the parsers, so a new option is tried without anybody thinking of it.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import typing
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from posemo_ros import cli
from posemo_ros.cli.command import run_program
from posemo_ros.cli.values import folder, maybe_empty, nonempty
from posemo_ros.inference.sessions import open_session
from posemo_ros.inference.trial import Trial

from ..evaluate.conftest import arrays, coco_file
from .test_command_tree import PROGRAMS, train_parser

pytestmark = pytest.mark.slow
NUMBERS = ("", " ", "x", "nan", "inf", "-inf", "-1", "1e400", "9" * 40, "0x10", "☃")
WORDS = ("", "no-such-name", "☃", "x" * 5000, "../..", "a\nb")
SIGNED = {"camera_tilt_deg", "tilt"}  # numbers that may be below 0
OUTPUTS = ("out", "cache", "report")  # a file that is not there yet is no mistake
REFUSED_PATHS = ("", " ", "nowhere/at/all", "empty.file", "junk.bin", "text.txt/below", "x" * 300, "a folder")
PATHS = (*REFUSED_PATHS, "/proc/nowhere/x", "/dev/null/x", "☃ ü.x", "text.txt", "link to nothing", "a\nb")


def leaves(
    parser: argparse.ArgumentParser, above: tuple[argparse.Action, ...] = ()
) -> Iterator[tuple[argparse.ArgumentParser, tuple[argparse.Action, ...]]]:
    """Commands, each with the options of the groups above it."""
    groups = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not groups:
        yield parser, above
    own = tuple(a for a in parser._actions if a.option_strings)
    for child in (c for g in groups for c in g.choices.values()):
        yield from leaves(child, (*above, *own))


def options() -> Iterator[tuple[str, str]]:
    """Command and option, or destination of a positional."""
    for make in PROGRAMS.values():
        for parser, above in leaves(make()):
            for action in (*above, *parser._actions):
                if not isinstance(action, (argparse._HelpAction, argparse._VersionAction)):
                    yield parser.prog, (action.option_strings or [action.dest])[-1]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with something of everything, networks of a few kilobytes included."""
    pytest.importorskip("onnx", reason="onnx makes the networks of these tests")
    from ..nodes.tiny_models import write_stand_ins

    place = tmp_path_factory.mktemp("place") / "two" / "down"  # "../.." holds nothing of other tests
    place.mkdir(parents=True)
    write_stand_ins(place / "models")
    images = place / "images"
    images.mkdir()
    for i in range(3):
        image = np.zeros((120, 200, 3), np.uint8)
        image[20:105, 10 + i : 60 + i] = 255
        cv2.imwrite(str(images / f"{i}.png"), image)
    shutil.copy(images / "0.png", images / "1.png")
    coco_file(images)
    np.savez(place / "clips.npz", **arrays(emotion=["joy", "anger"]))
    (place / "a folder").mkdir()
    (place / "empty.file").touch()
    (place / "junk.bin").write_bytes(bytes(range(256)) * 8)
    (place / "text.txt").write_text("hello: [1, 2\n")
    (place / "link to nothing").symlink_to(place / "nowhere")
    return place


@pytest.fixture(scope="module")
def bag(place: Path) -> Path:
    """Results of a run."""
    monkeypatch = pytest.MonkeyPatch()
    with monkeypatch.context() as patch:
        patch.setenv("POSEMO_MODELS", str(place / "models" / "stand_ins.yaml"))
        assert cli.main(["run", str(place / "images"), "--out", str(place / "kept"), "--threads", "1"]) == 0
    return place / "kept" / "results.mcap"


def base(command: str, bag: Path) -> list[str]:
    """Words with which the command works, or stops at its data (train)."""
    annotations = next((bag.parent.parent / "images").glob("*.json"))
    coco = ["--images", "images", "--annotations", str(annotations), "--boxes", "gt"]
    return {
        "posemo run": [
            *("images", "--overwrite", "--out", "out", "--runtime", "onnxruntime", "--threads", "1"),
            "--no-films",
        ],
        "posemo report": [str(bag), "--out", "out"],
        "posemo bench": ["--quick", "--runtime", "onnxruntime", "--threads", "1"],
        "posemo models build": ["posemo-emotion"],
        "posemo models check": ["posemo-emotion"],
        "posemo models tune": ["posemo-emotion"],
        "posemo models pull": ["posemo-keypoints"],
        "posemo evaluate coco": [*coco, "--runtime", "onnxruntime", "--threads", "1"],
        "posemo evaluate faces": [*coco[:4], "--runtime", "onnxruntime", "--threads", "1"],
        "posemo evaluate lift": ["--clips", "clips.npz", "--runtime", "onnxruntime", "--threads", "1"],
        "posemo evaluate emotion": ["--clips", "clips.npz", "--runtime", "onnxruntime", "--threads", "1"],
        "posemo evaluate tracking": ["--results", str(bag), "--truth", "clips.npz"],
        "posemo evaluate latency": [str(bag)],
        "posemo evaluate skeleton": ["--results", str(bag)],
        "posemo evaluate compare": ["kept", "kept"],
        "posemo evaluate tracker": ["--scenes", "1"],
        "python -m train cmu": ["--data", "nowhere"],
        "python -m train detections": [
            "--videos",
            "images",
            "--keypoints",
            "posemo-keypoints",
            "--name",
            "x",
        ],
        "python -m train loading": ["--config", "nowhere.yaml"],
        "python -m train table": ["moemo"],
        "python -m train mix": ["junk.bin", "junk.bin", "--out", "out/x.pt"],
        "python -m train published": ["rtmdet_nano", "--source", "junk.bin", "--out", "out/x.pt"],
        "python -m train heatmaps": ["images/0.png", "--networks", "junk.bin", "--out", "out/x.png"],
        "python -m train people": ["--data", "nowhere", "--out", "out/x.json"],
        "python -m train export": ["no-such-network", "--out", "out/x.onnx"],
        "python -m train card": ["card.md", "x", "nowhere.json"],
        "python -m train scenes crossings": ["--out", "out", "--data", "nowhere", "--count", "1"],
        "python -m train scenes depth": ["--data", "nowhere"],
        "python -m train scenes demo": ["--out", "out", "--data", "nowhere"],
        "python -m train scenes films": ["--out", "out/x.npz", "--data", "nowhere", "--count", "1"],
        "python -m train scenes pictures": ["--out", "out", "--data", "nowhere", "--count", "1"],
    }.get(command, [])


@cache
def program(name: str) -> argparse.ArgumentParser:
    """Made once: a parser keeps nothing of what it parsed."""
    return PROGRAMS[name]()


@cache
def parser_of(command: str) -> tuple[argparse.ArgumentParser, tuple[argparse.Action, ...]]:
    """By name."""
    return next(
        (parser, above)
        for name in PROGRAMS
        for parser, above in leaves(program(name))
        if parser.prog == command
    )


def kind_of(action: argparse.Action) -> str:
    """``flag``, ``choice``, ``number``, ``path`` or ``word``."""
    if action.nargs == 0:
        return "flag"
    if action.choices is not None:
        return "choice"
    if action.type in (nonempty, maybe_empty):
        return "word"
    return "path" if typing.get_type_hints(action.type)["return"] is Path else "number"


VALUES = {"flag": ("x",), "choice": WORDS, "number": NUMBERS, "path": PATHS, "word": WORDS}


def must_refuse(action: argparse.Action, kind: str, value: str) -> bool:
    """Whether no command can mean this."""
    if kind == "number":
        return value != "-1" or (action.type is not int and action.dest not in SIGNED)
    if action.type is folder:  # other cases make folders of some of these names
        return not value.strip() or value in ("empty.file", "junk.bin", "text.txt", "text.txt/below")
    if kind == "path":
        return value in REFUSED_PATHS[:2] or (action.dest not in OUTPUTS and value in REFUSED_PATHS)
    return kind in ("flag", "choice") and value not in (action.choices or ())


def words_with(
    command: str, words: list[str], action: argparse.Action, above: tuple[argparse.Action, ...], value: str
) -> list[str]:
    """The command line with this value in its place."""
    path = command.split()[1 if command.startswith("posemo") else 3 :]
    if not action.option_strings:
        first = next((i for i, w in enumerate(words) if not w.startswith("-")), None)
        if words and first == 0:
            return [*path, value, *words[1:]]
        return [*path, *words, "--", value]
    option = action.option_strings[-1]
    if option in words:
        at = words.index(option)
        words = words[:at] + words[at + 2 :]
    given = [f"{option}={value}"]
    return (
        [path[0], *given, *path[1:], *words]
        if action in above and len(path) > 1
        else [
            *(given if action in above else []),
            *path,
            *words,
            *([] if action in above else given),
        ]
    )


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measurements of seconds, whose length no option changes, cut to what ends as they do."""

    def attempt(path: Path, runtime: str, feeds: list[Any], **_: object) -> Trial:
        session = open_session(path, threads=1)
        return Trial([session.run(f) for f in feeds], ms=1.0)

    monkeypatch.setattr("posemo_ros.tuning.try_runtime", attempt)
    monkeypatch.setattr("posemo_ros.evaluate.crowds.RATES_HZ", (5,))


def call(name: str, words: list[str]) -> int:
    """The exit code, as the program's ``main`` returns it."""
    try:
        return run_program(program(name), words)
    except SystemExit as stopped:
        return int(stopped.code or 0)


@pytest.mark.parametrize(("command", "option"), options(), ids=lambda text: text.replace(" ", "_"))
def test_hostile_values(
    command: str,
    option: str,
    place: Path,
    bag: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("POSEMO_MODELS", str(place / "models" / "stand_ins.yaml"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))
    parser, above = parser_of(command)
    action = next(a for a in (*above, *parser._actions) if (a.option_strings or [a.dest])[-1] == option)
    name = next(p for p in PROGRAMS if command.startswith(p))
    kind = kind_of(action)
    for value in VALUES[kind]:
        for made in ("out", "cache"):
            shutil.rmtree(place / made, ignore_errors=True)
        words = words_with(command, base(command, bag), action, above, value)
        code = call(name, words)
        out, err = capsys.readouterr()
        said = f"{words} -> {code}\n{out}\n{err}"
        assert code in (0, 1, 2, 3), said
        assert "Traceback" not in out + err, said
        if must_refuse(action, kind, value):
            assert code in (1, 2), said
        if code:
            lines = [line for line in err.splitlines() if line.startswith(command.split()[0])]
            assert len(lines) == 1, said


LIGHTNING = [
    ("--config", REFUSED_PATHS),
    ("--ckpt_path", ("", "nowhere", "junk.bin", "a folder")),
    ("--out", ("text.txt/below", "/proc/nowhere/x")),
    ("--trainer.max_epochs", ("", "x", "nan", "1.5")),
    ("--trainer.accelerator", ("", "no-such-name")),
    ("--data", ("", "no-such-name")),
    ("--model", ("no-such-name",)),
    ("--no_such_option", ("1",)),
]


@pytest.mark.skipif(train_parser is None, reason="train is not here")
@pytest.mark.parametrize(("option", "values"), LIGHTNING, ids=[o for o, _ in LIGHTNING])
@pytest.mark.parametrize("command", ["fit"])
def test_hostile_values_of_lightning(
    command: str,
    option: str,
    values: tuple[str, ...],
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    from train.tables.command import CONFIGS

    monkeypatch.chdir(place)
    monkeypatch.setattr(logging, "raiseExceptions", False)  # Lightning's handlers know streams of other tests
    for value in values:
        words = [command, "--config", str(CONFIGS / "table_2/ours.yaml"), f"{option}={value}"]
        code = call("python -m train", words)  # its data are not here, so it never ends well
        err = capfd.readouterr().err
        assert code in (1, 2), f"{words} -> {code}\n{err}"
        assert "Traceback" not in err, err
        assert any(len(line.split()) > 3 for line in err.splitlines()), f"{words}: {err!r} says nothing"


@pytest.mark.parametrize(
    "words",
    [
        ("evaluate", "lift", "--clips", "x.npz", "--report"),
        ("bench", "--plot"),
        ("live", "walk.mp4", "--viewer", "rerun", "--save"),
    ],
    ids=lambda words: words[0],
)
def test_a_file_that_cannot_be_written_is_known_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    ending = {"--report": ".html", "--plot": ".svg", "--save": ".rrd"}[words[-1]]
    (tmp_path / "file").touch()
    for where, why in {
        ".": "is a folder; expected the name of a file",
        "folder/": "is a folder; expected the name of a file",
        f"file/x{ending}": "cannot be written: Not a directory",
        f"{'x' * 250}{ending}": "cannot be written: File name too long",
        "x.odt": f"does not end in {ending}" if ending != ".svg" else "does not end in .png or .svg or .pdf",
        f"/proc/nowhere/x{ending}": "cannot be written",
    }.items():
        with pytest.raises(SystemExit):
            cli.main([*words, f"{tmp_path}/{where}" if where[0] != "/" else where])
        assert why in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("words", [("report", "x.mcap"), ("run", "x.mp4")], ids=lambda words: words[0])
def test_a_file_is_no_folder_for_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    (tmp_path / "file").touch()
    for where, why in {
        "file": "is no folder; expected one for the results",
        "page.html": "is called like a file; expected a folder for the results",
        "file/below": "cannot be written: Not a directory",
    }.items():
        with pytest.raises(SystemExit):
            cli.main([*words, "--out", str(tmp_path / where)])
        assert why in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_workers_say_nothing_without_ray(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "x.mp4", "--workers", "2"]) == 1
    assert "give --engine ray, too" in capsys.readouterr().err


def test_options_for_who_looks_say_nothing_with_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    for option in (["--host", "0.0.0.0"], ["--port", "9000"]):
        assert cli.main(["live", "x.mp4", "--viewer", "rerun", "--save", "x.rrd", *option]) == 1
        assert "--save writes a file and shows nothing" in capsys.readouterr().err


def test_a_rate_of_the_scene_says_nothing_without_an_encoder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((48, 64, 3), np.uint8))
    words = ["run", str(tmp_path / "a.png"), "--context-rate-hz", "3", "--out", str(tmp_path / "o")]
    assert cli.main(words) == 1
    assert "--context-rate-hz says how often --context encodes" in capsys.readouterr().err


def test_a_tilt_says_nothing_without_a_height(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((48, 64, 3), np.uint8))
    assert cli.main(["run", str(tmp_path / "a.png"), "--camera-tilt", "5", "--out", str(tmp_path / "o")]) == 1
    assert "--camera-tilt says how the floor lies with --camera-height" in capsys.readouterr().err
