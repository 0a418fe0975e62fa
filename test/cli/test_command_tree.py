"""What holds for every command of `posemo` and of `python -m train`."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from posemo_ros import cli
from posemo_ros.cli.command import Command, make_parser, run_program
from posemo_ros.cli.values import maybe_empty

try:
    from train.cli import parser as train_parser
except ImportError:  # the wheel has no train
    train_parser = None  # type: ignore[assignment]

PROGRAMS = {"posemo": cli.parser, **({"python -m train": train_parser} if train_parser else {})}


def leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """All commands that do something."""
    groups = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not groups:
        yield parser
    for child in (c for g in groups for c in g.choices.values()):
        yield from leaves(child)


COMMANDS = {leaf.prog: leaf for make in PROGRAMS.values() for leaf in leaves(make())}


def examples(parser: argparse.ArgumentParser) -> list[str]:
    """Command lines below "examples:"; what they do is indented further."""
    lines = (parser.epilog or "").splitlines()
    return [line.strip() for line in lines if line.startswith("  ") and not line.startswith("   ")]


def test_the_tree_is_complete() -> None:
    wanted = {"posemo run", "posemo report", "posemo bench", "posemo models pull", "posemo evaluate coco"}
    assert wanted < set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_two_examples_that_parse(name: str) -> None:
    program = next(p for p in PROGRAMS if name.startswith(p))
    lines = examples(COMMANDS[name])
    assert len(lines) == 2
    assert lines[0] != lines[1]
    for line in lines:
        assert line.startswith(f"{program} ")
        args, words = PROGRAMS[program]().parse_known_args(shlex.split(line.removeprefix(program)))
        assert args.command == name, f"{line!r} is an example of {args.command}"
        assert not words or args.passes_on, f"{line!r}: {words} are not options of {name}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name: str) -> None:
    for action in COMMANDS[name]._actions:
        assert action.help, f"{name} {action.dest} has no help"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_value_is_read_by_a_type_that_says_what_is_allowed(name: str) -> None:
    bare = [a.dest for a in COMMANDS[name]._actions if a.type in (int, float, Path, str) and not a.choices]
    assert bare == []  # see posemo_ros.cli.values


@pytest.mark.parametrize("name", COMMANDS)
def test_no_value_is_empty_but_where_the_help_says_what_that_means(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for action in COMMANDS[name]._actions:
        if action.nargs == 0 or action.choices is not None:
            continue
        if action.type is maybe_empty:
            assert re.search("''|empty", action.help or ""), action.dest
            continue
        assert action.type is not None, action.dest
        for value in ("", " "):
            with pytest.raises(argparse.ArgumentTypeError):
                action.type(value)


@pytest.mark.parametrize("name", [n for n in COMMANDS if n.startswith("posemo")])
def test_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main([*name.split()[1:], "--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert f"usage: {name}" in out
    assert "examples:" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "run a.mp4 --prest fast",
            "posemo run: error: unrecognized arguments: --prest fast; did you mean --preset?",
        ),
        (
            "evaluate lift --clips a --view=3 --lftr b",
            "unrecognized arguments: --lftr b; did you mean --lifter?",
        ),
        ("bench --fps 3", "posemo bench: error: unrecognized arguments: --fps 3\n"),
        ("models list --cache a", "--cache a; it stands before the command: posemo models --cache … list"),
        ("rnu a", "; did you mean run?"),
        ("run a --privacy blurr", "; did you mean blur?"),
        ("report a b", "posemo report: error: unrecognized arguments: b\n"),
    ],
)
def test_an_option_that_is_none(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The command's own usage, and what was meant."""
    with pytest.raises(SystemExit) as stopped:
        cli.main(words.split())
    assert stopped.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith(f"usage: {said.split(':')[0] if said.startswith('posemo') else 'posemo '}")
    assert said in err


def test_a_module_with_a_command_is_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Words that another parser reads reach the command as they were written."""
    seen: list[list[str]] = []
    command = Command(
        help="tries",
        examples=(("x a", "1"), ("x b", "2")),
        run=lambda args: seen.append(args.words),
        passes_on=True,
    )
    cli.run.COMMAND, before = command, cli.run.COMMAND  # type: ignore[attr-defined]
    try:
        parser = make_parser(cli, "x")
    finally:
        cli.run.COMMAND = before  # type: ignore[attr-defined]
    assert run_program(parser, ["run", "--config", "a b", "--help", "c"]) == 0
    assert seen == [["--config", "a b", "--help", "c"]]
    with pytest.raises(SystemExit) as stopped:
        run_program(parser, ["report", "bag", "--no-such-option"])
    assert stopped.value.code == 2
    assert "unrecognized arguments: --no-such-option" in capsys.readouterr().err


@pytest.mark.skipif(train_parser is None, reason="train is not here")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--confg a", "unrecognized arguments: --confg a; did you mean --config?"),
        ("", "a --config has them"),
        ("--config=", "--config is empty"),
        ("--config train/configs/table_2/ours.yaml --out a.html", "--out: a.html is called like a file"),
    ],
)
def test_mistyped_options_of_lightning(words: str, said: str, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("lightning", reason="the extra train is not installed")
    assert run_program(PROGRAMS["python -m train"](), ["fit", *words.split()]) == 1
    assert said in capfd.readouterr().err
