"""A command line made from a package: every module in it that has a ``COMMAND`` is a command.

The module's place is the command's name: ``posemo_ros/cli/evaluate/lift.py`` is ``posemo evaluate
lift``. A package is a group of commands, its docstring's first line is the group's help, and its
``add_options`` (if it has one) adds options that stand before the command. A new command is a new
file, nothing else.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import io
import logging
import os
import pkgutil
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from ..errors import PosemoError, reason

INTERRUPTED = 130
ENDS = (signal.SIGTERM, signal.SIGHUP)
NOBODY_READS = 141  # what shells give for a program that SIGPIPE ended


@dataclass(frozen=True)
class Command:
    """What a module of the command line says about its command.

    Attributes:
        help: One line.
        examples: Two command lines that can be typed as they stand, each with what it does:
            ``("posemo run walk.mp4", "a video")``.
        run: Does it; returns the exit code (None is 0). Errors come out as ``PosemoError``.
        add_options: Adds the command's own options to its parser.
        passes_on: The words after the command, ``--help`` too, go to ``run`` as ``args.words``,
            because another parser reads them.
    """

    help: str
    examples: tuple[tuple[str, str], tuple[str, str]]
    run: Callable[[argparse.Namespace], int | None]
    add_options: Callable[[argparse.ArgumentParser], None] = lambda parser: None
    passes_on: bool = False

    @property
    def epilog(self) -> str:
        """The examples, as they stand below the help."""
        lines = [line for text, what in self.examples for line in (f"  {text}", f"      {what}")]
        return "\n".join(["examples:", *lines])


class Help(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Help that shows defaults and leaves the lines of the examples alone."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, "", [], False, True):
            return action.help  # "(default: None)" helps nobody
        return super()._get_help_string(action)


class _Parser(argparse.ArgumentParser):
    """Says which choice may have been meant."""

    def error(self, message: str) -> NoReturn:
        wrong = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
        hint = did_you_mean(wrong[1], re.findall(r"[^\s',]+", wrong[2])) if wrong else ""
        super().error(f"{message}{hint}")


def make_parser(package: ModuleType, program: str) -> argparse.ArgumentParser:
    """The parser of all commands below a package; ``args.func(args)`` runs the one that was named."""
    parser = _Parser(prog=program, description=package.__doc__, formatter_class=Help)
    levels = ("debug", "info", "warning", "error")
    parser.add_argument("--log-level", default="warning", choices=levels, help="least severe messages")
    with _ends_at_once():
        _add_commands(parser, package, (parser,))
    return parser


@contextmanager
def _ends_at_once() -> Iterator[None]:
    """While modules are loaded, Ctrl-C ends the program as it does one that is not written in Python.

    There is nothing to tidy up yet, and some libraries take the exception for a fault of their own.
    """
    usual, here = signal.default_int_handler, threading.current_thread()
    if signal.getsignal(signal.SIGINT) is not usual or here is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


def run_program(parser: argparse.ArgumentParser, argv: Sequence[str] | None = None) -> int:
    """Parse, run, explain errors in one line on stderr.

    Returns:
        0 when all went well, 1 after an error that was explained, 130 when interrupted, 141 when nobody
        reads on what is printed; a command may return codes of its own. Wrong usage ends the process with
        2, as argparse does.
    """
    _open_what_is_closed()
    if isinstance(sys.stdout, io.TextIOWrapper):  # names of files may be no text
        sys.stdout.reconfigure(errors="backslashreplace")
    args = _parse(parser, list(sys.argv[1:] if argv is None else argv))
    logging.basicConfig(level=args.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    if args.log_level == "warning":  # the first use of a network takes seconds: nobody should wonder why
        logging.getLogger("posemo_ros.tuning").setLevel(logging.INFO)
    with _ends_tidily(args) as signals:
        code = _explained(args)
    if signals and code == INTERRUPTED:  # whoever sent it sees that it was this that ended the program
        signal.signal(signals[0], signal.SIG_DFL)
        os.kill(os.getpid(), signals[0])
    return code


@contextmanager
def _ends_tidily(args: argparse.Namespace) -> Iterator[list[int]]:
    """SIGTERM, and the end of the terminal, end a command as Ctrl-C does: no unpacked recording stays behind.

    Under nohup, and where another program's handlers are (training has its own), they are left alone.

    Yields:
        The signals that came.
    """
    came = list[int]()

    def end(number: int, _: object) -> None:
        came.append(number)
        raise KeyboardInterrupt

    here = threading.current_thread() is threading.main_thread()
    mine = [n for n in ENDS if here and not args.passes_on and signal.getsignal(n) == signal.SIG_DFL]
    for number in mine:
        signal.signal(number, end)
    try:
        yield came
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_DFL)


def _explained(args: argparse.Namespace) -> int:
    """Run the command; what it raises becomes a line and an exit code."""
    try:
        code = int(args.func(args) or 0)
        if sys.stdout:  # closed by some who start programs
            sys.stdout.flush()
        return code
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS
    except PosemoError as error:
        print(f"{args.command}: {error}", file=sys.stderr)
        return 1
    except UnicodeError as error:
        print(f"{args.command}: expected a text file in UTF-8 ({error})", file=sys.stderr)
        return 1
    except OSError as error:  # a path that cannot be read or written, a full disk
        what = f"{error.filename}: " if error.filename else ""
        print(f"{args.command}: {what}{error.strerror or error}", file=sys.stderr)
        return 1
    except MemoryError as error:
        print(f"{args.command}: not enough memory ({reason(error)})", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _open_what_is_closed() -> None:
    """Give input, output and errors somewhere to go where who started the program closed them.

    Otherwise the next files to be opened, such as results, get their numbers, and libraries write their
    messages into them.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (as long as the program runs)


def _parse(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    args, unread = parser.parse_known_args(words)
    args.words = unread
    if unread and not args.passes_on:
        # argparse would name the program here, and show the usage of all commands
        hints = "".join(dict.fromkeys(_hint(word.partition("=")[0], args.parsers) for word in unread))
        args.parsers[-1].error(f"unrecognized arguments: {' '.join(unread)}{hints}")
    return args


def _hint(option: str, parsers: Sequence[argparse.ArgumentParser]) -> str:
    """What may have been meant; empty where nobody knows.

    Args:
        option: That was not understood.
        parsers: The program's, the groups', the command's.
    """
    if not option.startswith("-"):
        return ""
    *above, own = parsers
    for parser in above:
        if option in _options_of(parser):
            rest = own.prog.removeprefix(parser.prog).strip()
            return f"; it stands before the command: {parser.prog} {option} … {rest}"
    return did_you_mean(option, [o for p in parsers for o in _options_of(p)])


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """The nearest of the known words as the end of an error; empty where none is near."""
    plain = {name.lstrip("-"): name for name in known}
    near = difflib.get_close_matches(word.lstrip("-"), plain, n=1)
    return f"; did you mean {plain[near[0]]}?" if near else ""


def _options_of(parser: argparse.ArgumentParser) -> list[str]:
    return [option for action in parser._actions for option in action.option_strings]


def _add_commands(
    parser: argparse.ArgumentParser, package: ModuleType, above: tuple[argparse.ArgumentParser, ...]
) -> None:
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for info in pkgutil.iter_modules(package.__path__):
        if info.name.startswith("_"):
            continue
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        name = info.name.replace("_", "-")
        if info.ispkg:
            text = (module.__doc__ or "").strip().split("\n")[0].rstrip(".")
            group = commands.add_parser(name, help=text, description=module.__doc__, formatter_class=Help)
            getattr(module, "add_options", lambda parser: None)(group)
            _add_commands(group, module, (*above, group))
        elif hasattr(module, "COMMAND"):
            _add_command(commands, name, module.COMMAND, above)


def _add_command(
    commands: Any, name: str, command: Command, above: tuple[argparse.ArgumentParser, ...]
) -> None:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=command.help,
        description=f"{command.help[0].upper()}{command.help[1:]}.",
        epilog=command.epilog,
        formatter_class=Help,
        add_help=not command.passes_on,
    )
    command.add_options(parser)
    parser.set_defaults(
        func=command.run, passes_on=command.passes_on, command=parser.prog, parsers=(*above, parser)
    )
