"""The commands that Lightning's own command line reads: ``fit``, ``validate``, ``test``, ``predict``."""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Sequence
from itertools import zip_longest

from posemo_ros.cli.command import Command
from posemo_ros.errors import InputError, PosemoError

PATHS = ("--config", "--out", "--ckpt_path", "--data", "--model", "--trainer")


def lightning_command(name: str, help: str, *examples: tuple[str, str]) -> Command:
    """A command whose words go to ``train.tasks.cli``.

    Args:
        name: Of the command.
        help: One line.
        examples: Two.
    """

    def run(args: argparse.Namespace) -> None:
        if {"-h", "--help"} & set(args.words):
            print(f"{command.epilog}\n")
        _refuse_empty(args.words)
        from train.tasks.cli import run as run_task

        try:
            run_task([name, *args.words])
        except PosemoError:
            raise
        except pickle.UnpicklingError as error:
            first = str(error).split("\n")[0]
            raise InputError(f"--ckpt_path: expected a checkpoint of a run ({first})") from error
        except (ValueError, TypeError) as error:  # an option of trainer, model or data
            raise InputError(str(error)) from error

    first, second = examples
    command = Command(help=help, examples=(first, second), run=run, passes_on=True)
    return command


def _refuse_empty(words: Sequence[str]) -> None:
    """Empty options that Lightning's parser takes for not given, or explains badly.

    Raises:
        InputError: There is one.
    """
    for word, after in zip_longest(words, words[1:], fillvalue="x"):
        option, equals, value = word.partition("=")
        if option in PATHS and not (value if equals else after).strip():
            raise InputError(f"{option} is empty; give a value, or leave it out")
