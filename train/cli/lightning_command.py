"""The commands that Lightning's own command line reads: ``fit``, ``validate``, ``test``, ``predict``."""

from __future__ import annotations

import argparse
import pickle
import re
from collections.abc import Sequence
from itertools import zip_longest

from posemo_ros.cli.command import Command, did_you_mean
from posemo_ros.cli.values import new_folder
from posemo_ros.errors import InputError, PosemoError, reason

OPTIONS = (
    *("--config", "--out", "--ckpt_path", "--data", "--model", "--trainer", "--seed_everything", "--help"),
    *("--checkpoint", "--early_stopping", "--ema", "--print_config", "--optimizer", "--lr_scheduler"),
)
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
        _check(args.words)
        from train.models.weights import why_refused
        from train.tasks.cli import run as run_task

        try:
            run_task([name, *args.words])
        except PosemoError as error:
            raise InputError(f"{error}{_advice(str(error), args.words)}") from error
        except pickle.UnpicklingError as error:
            raise InputError(f"--ckpt_path: expected a checkpoint of a run; {why_refused(error)}") from error
        except UnicodeError as error:
            raise InputError(f"--config: {reason(error)}") from error
        except (ValueError, TypeError) as error:  # an option of trainer, model or data
            raise InputError(str(error)) from error

    first, second = examples
    command = Command(help=help, examples=(first, second), run=run, passes_on=True)
    return command


def _advice(error: str, words: Sequence[str]) -> str:
    """What Lightning's parser does not say: which option was meant, and where the others are."""
    if wrong := re.search(r"unrecognized arguments: (--[^\s=]+)", error):
        return did_you_mean(wrong[1], OPTIONS)
    if "arguments are required" in error and not any(word.startswith("--config") for word in words):
        return "; a --config has them, such as train/configs/table_2/ours.yaml"
    return ""


def _check(words: Sequence[str]) -> None:
    """What Lightning's parser takes for not given, explains badly or notices late.

    Raises:
        InputError: An option is empty, or nothing can be written into --out.
    """
    for word, after in zip_longest(words, words[1:], fillvalue="x"):
        option, equals, value = word.partition("=")
        if option in PATHS and not (value if equals else after).strip():
            raise InputError(f"{option} is empty; give a value, or leave it out")
        if option == "--out":
            try:
                new_folder(value if equals else after)
            except argparse.ArgumentTypeError as error:
                raise InputError(f"--out: {error}") from error
