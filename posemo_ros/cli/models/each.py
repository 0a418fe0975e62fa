"""Doing something with every model that was named."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from ...errors import PosemoError
from ...inference.store import ModelStore
from ..values import nonempty


def add_names_option(parser: argparse.ArgumentParser) -> None:
    """``NAME…``, none for all that are here."""
    parser.add_argument("names", nargs="*", type=nonempty, metavar="NAME", help="default: all that are here")


def store_from(args: argparse.Namespace) -> ModelStore:
    """The models that the options of the group describe."""
    return ModelStore(args.manifest, cache=args.cache)


def for_each(command: str, store: ModelStore, names: Sequence[str], action: Callable[[str], str]) -> int:
    """Print what came of every model, also after one failed.

    Args:
        command: Its name, for the errors.
        store: Of the models.
        names: Of the models.
        action: Does it with one of them and says what came of it.

    Returns:
        The exit code, 1 if one failed.
    """
    for name in names:
        store.spec(name)  # a mistyped name should stop us before anything is done
    failed = False
    for name in names:
        try:
            print(f"{name}: {action(name)}")
        except PosemoError as error:
            print(f"{command}: {name}: {error}", file=sys.stderr)
            failed = True
    return int(failed)
