"""The commands that Lightning's own command line reads: ``fit``, ``validate``, ``test``, ``predict``."""

from __future__ import annotations

import argparse
import pickle

from posemo_ros.cli.command import Command
from posemo_ros.errors import InputError, PosemoError


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
