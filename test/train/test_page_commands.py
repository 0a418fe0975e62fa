"""The commands that cards and pages name exist, and what they read was written by one before."""

from __future__ import annotations

import argparse
import contextlib
import functools
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import posemo_ros.cli
from posemo_ros.cli.command import make_parser
from train.cli import parser as train_parser

ROOT = Path(__file__).resolve().parents[2]
CARDS = sorted(ROOT.glob("models/*.md"))
PAGES = [*CARDS, ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
OURS = re.compile(r"^(?:posemo (?:run|live|report|bench|models|evaluate)\b|python -m train\b)")
NAMED_ONLY = ("the following arguments are required", "expected one argument", "expected at least one")
OPTIONAL = re.compile(r"\[(-[^\]]*)\]")  # in words such as [--seed N]


def text_of(page: Path) -> str:
    """Without the block of figures, which a command writes; long commands in one line."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    return re.sub(r"<!-- figures:.*?<!-- end", "", text, flags=re.S)


def lines_of(page: Path) -> list[str]:
    """The indented lines: what is to be typed, without what is said beside it."""
    indented = (line[4:] for line in text_of(page).split("\n") if line.startswith("    "))
    return [re.split(r"\s+#\s|\s{3,}(?=[a-z])", line.strip())[0] for line in indented]


def commands_of(page: Path) -> Iterator[str]:
    """Ours among the indented lines and among the words in backticks, as they are typed."""
    spans = (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text_of(page)))
    for words in (*lines_of(page), *spans):
        words = f"python -m {words}" if re.match(r"train [a-z]+ ", words) else words
        if OURS.match(words):
            yield OPTIONAL.sub(_as_given, re.split(r"[|>;&]", words)[0]).replace("…", "X")


def _as_given(option: re.Match[str]) -> str:
    """``[--tilt DEGREES]`` with a number."""
    return re.sub(r" [A-Z]+$", " 1", option[1])


@functools.cache
def parser_of(ours: bool) -> argparse.ArgumentParser:
    return make_parser(posemo_ros.cli, "posemo") if ours else train_parser()


def problem(words: list[str]) -> str:
    """What the parser has against a command; empty for one that is whole, or that is only named."""
    ours = words[0] == "posemo"
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            args, unread = parser_of(ours).parse_known_args(words[1:] if ours else words[3:])
    except SystemExit as ended:
        last = said.getvalue().strip().rpartition("\n")[2]
        return last if ended.code and not any(known in last for known in NAMED_ONLY) else ""
    return "" if args.passes_on or not unread else f"unknown: {unread}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_of_a_page_can_be_typed(page: Path) -> None:
    for command in commands_of(page):
        words = shlex.split(command)
        if "X" not in words[1:4]:  # `posemo evaluate … --json` stands for several
            assert not problem(words), command
        for word in words:
            if word.startswith(("train/configs/", "demo/")):
                assert (ROOT / word).exists(), command


def written_by(words: list[str]) -> set[str]:
    """Files and folders that a command leaves; a training leaves its folder of checkpoints."""
    if "fit" in words:
        config = yaml.safe_load((ROOT / words[words.index("--config") + 1]).read_text(encoding="utf-8"))
        return {config["out"], f"{config['out']}/checkpoints/"}
    out = words[words.index("--out") + 1] if "--out" in words else ""
    return {out, str(Path(out).with_suffix(".yaml"))} if "export" in words else {out}


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.stem)
def test_what_a_recipe_reads_was_written_before(card: Path) -> None:
    """From the top of the card to its end, with nothing that only its author had."""
    there: set[str] = set()
    for line in lines_of(card):
        command, _, into = line.partition(" > ")
        words = shlex.split(command.split("#")[0])
        written = written_by(words) if OURS.match(command) else set()
        for word in words:
            if word.startswith("runs/") and word not in written:
                assert word in there or any(word.startswith(t) for t in there if t.endswith("/")), line
        there |= written | {into.split("#")[0].strip()}
